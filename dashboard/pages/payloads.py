"""Stored JSON laid out for reading. The text is tokenised, never parsed into numbers: every digit stays as stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

from queues.lookups.jobs import JobDetail
from queues.protocol.codec import is_json, text

#: More than this is not shown in a page even when asked for; it can be downloaded.
MOST_SHOWN_BYTES = 8 * 1024 * 1024
#: Longer text is shown as it lies in Redis: laying out megabytes would hold up everyone else.
LAID_OUT_BYTES = 256 * 1024
#: Up to here keys and numbers are marked; each mark costs some microseconds.
MARKED_BYTES = 16 * 1024
#: Deeper nesting is not indented further: indentation alone would be megabytes.
DEEPEST = 24
#: A list or object that holds no other and is no longer than this stays on one line.
FLAT_LENGTH, FLAT_TOKENS = 60, 40

#: BullMQ's name → the model's, the title, and what is said where there is nothing.
FIELDS = (
    ("progress", "progress", "Progress", ""),
    ("data", "data", "Data", "No data."),
    ("returnvalue", "return_value", "Return value", ""),
    ("opts", "opts", "Options", "No options."),
)

_TOKEN = re.compile(r'\s+|("(?:[^"\\]|\\.)*"?)|([{\[])|([}\]])|([:,])|([^\s{}\[\]:,"]+)', re.DOTALL)
_ESCAPED = re.compile(r"\\u[0-9a-fA-F]{4}")


@dataclass(frozen=True, slots=True)
class Card:
    """One stored field as it is shown. `is_whole`: all of it, because somebody asked."""

    field: str
    title: str
    text: str
    none: str
    size: int
    is_cut: bool = False
    is_whole: bool = False

    @property
    def shown_size(self) -> int:
        return len(self.text.encode("utf-8", "replace"))

    @property
    def html(self) -> SafeString:
        """The beginning of JSON is laid out as JSON; what is not JSON at all is shown as it is stored."""
        fits = len(self.text) <= LAID_OUT_BYTES
        return laid_out(self.text) if fits and (self.is_cut or is_json(self.text)) else escape(self.text)

    @property
    def is_loadable(self) -> bool:
        return self.is_cut and self.size <= MOST_SHOWN_BYTES


def cards(detail: JobDetail, show: str = "", whole: bytes | None = None) -> list[Card]:
    """The fields that have something to show; data and options always. `whole` replaces the cut text of `show`."""
    found: list[Card] = []
    for name, attribute, title, none in FIELDS:
        stored, size = str(getattr(detail.job, attribute)), detail.sizes.get(name, 0)
        if name == show and whole is not None:
            found.append(Card(name, title, text(whole), none, size, is_whole=True))
        elif detail.job.exists and (stored or none or size):
            found.append(Card(name, title, stored, none, size, is_cut=name in detail.cut))
    return found


def loadable(detail: JobDetail, show: str) -> bool:
    """Whether the field was cut and may be shown whole."""
    return show in detail.cut and detail.sizes.get(show, 0) <= MOST_SHOWN_BYTES


def laid_out(stored: str) -> SafeString:
    """JSON, or the beginning of some, as escaped and indented HTML."""
    if len(stored) > MARKED_BYTES:
        return escape("".join(text for _, text in _pieces(stored)))
    return format_html_join("", "{}", ((_marked(kind, text),) for kind, text in _pieces(stored)))


def _marked(kind: str, text: str) -> str:
    return format_html('<span class="{}">{}</span>', kind, text) if kind else text


def _pieces(stored: str) -> Iterator[tuple[str, str]]:
    """What each piece is (a key, a number or word, or nothing to mark) and its text, with the space around it."""
    tokens = [match for match in _TOKEN.finditer(stored) if not match[0].isspace()]
    depth, flat_until = 0, -1
    for at, token in enumerate(tokens):
        word, opens, closes, mark = token[1], token[2], token[3], token[4]
        if opens and at > flat_until:
            flat_until = max(_flat_end(tokens, at), flat_until)
        is_flat = at <= flat_until
        depth += bool(opens) - bool(closes and depth)
        if opens:
            yield "", opens + ("" if is_flat else _line(depth))
        elif closes:
            yield "", closes if is_flat else _line(depth) + closes
        elif mark:
            yield "", ": " if mark == ":" else ", " if is_flat else "," + _line(depth)
        elif word is None:
            # Two words in a row are no JSON; what was apart stays apart.
            yield "no", " " * (at > 0 and tokens[at - 1][5] is not None) + token[0]
        else:
            is_key = at + 1 < len(tokens) and tokens[at + 1][0] == ":"
            yield "key" if is_key else "", readable(word)


def _flat_end(tokens: list[re.Match[str]], at: int) -> int:
    """Where the list or object that opens here ends, if it is short and holds no other: it stays on one line."""
    length = 0
    for end in range(at + 1, min(at + FLAT_TOKENS, len(tokens))):
        length += len(tokens[end][0])
        if tokens[end][2] or length > FLAT_LENGTH:
            return -1
        if tokens[end][3]:
            return end
    return -1


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, DEEPEST)


def readable(word: str) -> str:
    """A string token with `\\u00e9` told as é; as stored where that would hide something unprintable."""
    if not _ESCAPED.search(word):
        return word
    try:
        plain = json.dumps(json.loads(word), ensure_ascii=False)
        plain.encode()
    except (ValueError, UnicodeEncodeError):
        return word
    return plain if plain.isprintable() else word
