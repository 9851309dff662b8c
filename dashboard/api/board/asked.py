"""What a request says: parameters and bodies, each mistake under Bull Board's key for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext as _

from dashboard.api.board.refusals import Said, invalid
from dashboard.api.v1.bounds import NotJson, TooLarge, parsed
from dashboard.request import Request
from queues.errors import InvalidInput

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)
#: Beyond this JavaScript has no whole numbers.
LARGEST = 2**53 - 1


def parameter(request: Request, name: str) -> str:
    """Empty where it is absent, as an empty one is. Raises Said for one that is given twice."""
    given = request.GET.getlist(name)
    if len(given) > 1:
        raise invalid("INVALID_QUERY_PARAM", field=name)
    return given[0] if given else ""


def number(text: str) -> float | None:
    """As JavaScript's Number reads it, but for what is no decimal number."""
    return float(text) if len(text) < 40 and _NUMBER.fullmatch(text) else None


def whole(request: Request, name: str, usual: int, least: int, most: int) -> int:
    """Raises Said where it is no whole number, or none between these."""
    text = parameter(request, name)
    value = number(text) if text else float(usual)
    if value is None or not value.is_integer() or not least <= value <= most:
        raise invalid("INVALID_QUERY_PARAM", field=name)
    return int(value)


def clamped(request: Request, name: str, usual: int, least: int, most: int) -> int:
    """The nearest that is allowed; the usual one for what is no whole number."""
    value = number(request.GET.get(name, ""))
    return usual if value is None or not value.is_integer() else int(min(max(value, least), most))


def moment(request: Request, name: str) -> float | None:
    """Milliseconds since 1970; None where it is absent. Raises Said for what is no number."""
    text = parameter(request, name)
    value = number(text) if text else None
    if text and (value is None or abs(value) > LARGEST):
        raise invalid("INVALID_DATE_RANGE")
    return value


def body(request: Request, *, is_needed: bool = False) -> Mapping[str, Any]:
    """The object that was sent; an empty one for nothing, unless it `is_needed`.

    Raises Said, NotJson (a form of another site is never taken for JSON) or TooLarge.
    """
    try:
        sent = request.body
    except RequestDataTooBig:
        raise TooLarge(_("The body is larger than this API reads at once.")) from None
    if not sent and not is_needed:
        return {}
    if request.content_type != "application/json":
        raise NotJson(_("Send the body as JSON, with “Content-Type: application/json”."))
    try:
        found = parsed(sent)
    except InvalidInput as error:
        raise invalid("INVALID_REQUEST_BODY", str(error)) from None
    if not isinstance(found, dict):
        raise invalid("INVALID_REQUEST_BODY", _("The body must be a JSON object."))
    return found


def whole_in(sent: Mapping[str, Any], name: str, key: str, least: int, most: int = LARGEST, **options: Any) -> int:
    """A whole number of a body, 5.0 too. Raises Said under `key`."""
    value = sent.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise invalid(key, **options)
    if not least <= value <= most:
        raise invalid(key, **options)
    return int(value)


def number_in(sent: Mapping[str, Any], name: str, key: str) -> float:
    """A number, or a text that is one. Raises Said under `key`."""
    value = sent.get(name)
    found = number(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | float) or abs(found) > LARGEST:
        raise invalid(key)
    return float(found)


__all__ = ["Said", "body", "clamped", "moment", "number_in", "parameter", "whole", "whole_in"]
