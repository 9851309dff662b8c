"""Secrets in JSON, found on its text: every digit, space and duplicate key stays as stored. It may be cut anywhere.

One pass from string to string; nothing is parsed into values. A string that holds JSON is looked into.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Generator, Iterator

from queues.masking.names import Rules, kind_of
from queues.masking.shapes import is_card
from queues.masking.spans import MASK, Span
from queues.masking.texts import SUSPECT, text_spans

#: JSON in a string in JSON: so many levels are told apart; deeper ones are masked as text.
MOST_LEVELS = 4
#: Between two strings stand commas, brackets and numbers; what is shorter than this holds no secret.
LEAST_BETWEEN = 8
_QUOTED = f'"{MASK}"'
_STRING = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"(\s*+:)?|\\?\Z)', re.DOTALL)
_TOKEN = re.compile(_STRING.pattern + r'|([\[{])|([\]}])|([^\s"{}\[\],:]++)', re.DOTALL)
_SPACE = re.compile(r"\s*+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BARE_NAME = re.compile(r"([\w.-]{2,80})['`]?\s{0,4}(?:=>|:=|==?|:)\s{0,8}\Z", re.ASCII)
_WORDS = frozenset({"null", "true", "false"})
_DIGITS = re.compile(r"[0-9]{13,19}")


def looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[", '"')


def json_spans(text: str, told: Rules, level: int = 0) -> Iterator[Span]:
    """In order, none in another."""
    at = 0
    while at < len(text):
        at = yield from _until_secret(text, at, told, level)


def _until_secret(text: str, at: int, told: Rules, level: int) -> Generator[Span, None, int]:
    """Goes on to the next value that stands under a secret's name, and behind it; returns where that is."""
    for found in _STRING.finditer(text, at):
        start, end = found.span()
        if start - at >= LEAST_BETWEEN:
            yield from _between(text, at, start, told)
        if kind := _unquoted(text[at:start], told):
            return (yield from _value(text, start, is_counted=kind == "counted"))
        at = end
        if found[2] is None:
            if end - start > LEAST_BETWEEN:
                yield from _in_string(found[1], start + 1, told, level)
        elif kind := kind_of(_plain(found[1][:400]), told):
            return (yield from _value(text, end, is_counted=kind == "counted"))
    yield from _between(text, at, len(text), told)
    return len(text)


def _unquoted(piece: str, told: Rules) -> str:
    """What the bare name before a string tells of it, as in `{password: "…"}`: no JSON, and yet it is shown."""
    if piece.rstrip()[-1:] not in (":", "=", ">"):
        return ""
    found = _BARE_NAME.search(piece[-120:])
    return kind_of(found[1], told) if found else ""


def _between(text: str, start: int, end: int, told: Rules) -> Iterator[Span]:
    """Numbers; and where it is no JSON, whatever else."""
    piece = text[start:end]
    if not SUSPECT.search(piece):
        return
    for first, last, mask in text_spans(piece, told):
        # A number gives way to a text: it stays JSON.
        shown = _QUOTED if _DIGITS.fullmatch(piece, first, last) and is_card(piece[first:last]) else mask
        yield start + first, start + last, shown


def _in_string(body: str, start: int, told: Rules, level: int) -> Iterator[Span]:
    if not SUSPECT.search(body):
        return
    if "\\" not in body:
        yield from ((start + first, start + last, mask) for first, last, mask in text_spans(body, told))
        return
    escapes = _Escapes(body)
    is_json = looks_like_json(escapes.plain) and level < MOST_LEVELS
    spans = json_spans(escapes.plain, told, level + 1) if is_json else text_spans(escapes.plain, told)
    for first, last, mask in spans:
        yield start + escapes.at(first), start + escapes.at(last), json.dumps(mask, ensure_ascii=False)[1:-1]


def _value(text: str, at: int, *, is_counted: bool) -> Generator[Span, None, int]:
    """Everything in the value that begins here, but for its names; returns where it ends."""
    depth = 0
    for found in _TOKEN.finditer(text, _SPACE.match(text, at).end()):  # type: ignore[union-attr]
        at = found.end()
        if found[3]:
            depth += 1
        elif found[4]:
            depth -= 1
        elif found[5]:
            if found[5] not in _WORDS and not is_counted:
                yield found.start(), at, _QUOTED
        elif found[2] is None and found[1]:
            yield found.start(1), found.end(1), MASK
        if depth <= 0 and found[2] is None:
            return at
    return len(text)


def _plain(body: str) -> str:
    return _ESCAPE.sub(_character, body) if "\\" in body else body


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _PLAIN.get(escape[2], escape[2])


class _Escapes:
    """A string's characters, and where each of them stands in what is stored."""

    def __init__(self, body: str) -> None:
        self._shown: list[int] = [-1]
        self._stored: list[int] = [-1]
        pieces: list[str] = []
        at = length = 0
        for found in _ESCAPE.finditer(body):
            length += found.start() - at
            pieces += [body[at : found.start()], _character(found)]
            at = found.end()
            length += 1
            # Behind this escape both go on in step.
            self._shown.append(length - 1)
            self._stored.append(at - 1)
        pieces.append(body[at:])
        self.plain = "".join(pieces)

    def at(self, place: int) -> int:
        """Where the character at this place begins; at the end, where the string ends."""
        known = bisect_right(self._shown, place - 1) - 1
        return self._stored[known] + place - self._shown[known]
