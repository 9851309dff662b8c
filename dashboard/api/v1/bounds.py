"""What a request may be: a body of bounded size and depth that is JSON as every program reads it."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.parser import Parser

from queues.errors import InvalidInput, TorilError
from queues.options import get_options

# A text that is not closed is one to the end: looked at once, however many quotes follow.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|([{\[])|([}\]])', re.DOTALL)


class TooLarge(TorilError):
    """The body has more bytes than a request may."""

    code = "too_large"
    status = 413


class NotJson(TorilError):
    """The body does not say that it is JSON."""

    code = "unsupported_media_type"
    status = 415


class Bounded(Parser):
    """Reads JSON bodies. Raises NotJson, TooLarge, or InvalidInput that names the line and column."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != "application/json":
            raise NotJson(_("Send the body as JSON, with “Content-Type: application/json”."))
        return parsed(request.body)


def require_bounded(request: HttpRequest) -> None:
    """Raises TooLarge, before anything reads the body."""
    try:
        # Reading it is what checks its size.
        request.body  # noqa: B018
    except RequestDataTooBig:
        raise TooLarge(_("The body is larger than this API reads at once; add fewer jobs with each request.")) from None


def parsed(body: bytes) -> Any:
    """Raises InvalidInput."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(_("byte %(at)s is no UTF-8") % {"at": error.start + 1}) from None
    require_shallow(text)
    try:
        return json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _unreadable(_at(text, error.pos, error.msg)) from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(str(error)) from None


def require_shallow(text: str) -> None:
    """Raises InvalidInput where it is nested deeper than a request may be."""
    depth, most = 0, get_options().api.json_depth
    for token in _TOKEN.finditer(text):
        depth += bool(token[1]) - bool(token[2])
        if depth > most:
            raise _unreadable(_at(text, token.start(), _("nested more than %(most)s deep") % {"most": most}))


def _at(text: str, offset: int, words: str) -> str:
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return _("line %(line)s, column %(column)s: %(words)s") % {"line": line, "column": column, "words": words}


def _unreadable(words: str) -> InvalidInput:
    return InvalidInput(_("The body is no JSON that can be read: %(words)s.") % {"words": words.rstrip(".")})


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
