"""Stored JSON as rows to be read, a bounded slice at a time. The text is tokenised, never parsed into numbers: every
digit stays as stored, and a slice may begin anywhere in megabytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from queues.protocol.codec import raw

#: Rows of one slice: each costs the browser some microseconds and a hundred bytes.
MOST_ROWS = 1_000
#: Deeper containers are not drawn: nobody reads them, and their markup would be megabytes.
DEEPEST = 64
#: A longer string is shown so far, the rest of it on demand.
LONGEST_TEXT = 2_000
#: A list or object that holds no other and is no longer than this stays on one line.
FLAT_LENGTH, FLAT_TOKENS = 60, 40

_TOKEN = re.compile(
    r'\s+|("[^"\\]*(?:\\.[^"\\]*)*"?)|([{\[])|([}\]])|([:,])|([^\s{}\[\]:,"]+)',
    re.DOTALL,
)
_STRING_END = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ESCAPED = re.compile(r"\\u[0-9a-fA-F]{4}")


class Step(NamedTuple):
    """A container that is open: its bracket, its key (as stored) or number in its parent, and its own next number."""

    kind: str
    name: str | int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a slice begins: `at` bytes into the value, inside these containers, outermost first.

    `is_inside_text`: at a string of which the beginning is shown; the slice goes on after its end.
    """

    at: int = 0
    inside: tuple[Step, ...] = ()
    is_inside_text: bool = False

    @property
    def opening(self) -> str:
        """JSON that opens the same containers: what stands in them is judged by their keys."""
        return "".join(
            f"{step.name}:{step.kind}" if isinstance(step.name, str) and step.name else step.kind
            for step in self.inside
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `kind`: open, close, text, word (a number, true, null), flat (a short list) or deep (not drawn).

    `key` and `body` are as stored, but for `\\u` escapes of what can be printed. `tail` follows the beginning of a
    long text; `is_part`: not all of it, for the text is longer than the slice.
    """

    kind: str
    level: int
    body: str
    key: str = ""
    number: int | None = None
    tail: str = ""
    is_part: bool = False
    comma: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows, and how many characters of the text they tell. `rest`: where the next slice begins, None at the end."""

    rows: list[Row]
    length: int
    rest: Place | None = None


def slice_of(text: str, place: Place, *, is_cut: bool, most: int = MOST_ROWS, deepest: int = DEEPEST) -> Slice:
    """The rows of this text, which begins at `place`; `is_cut`: more of the value follows it."""
    return _Reader(text, place, is_cut, most, deepest).read()


def after_string(value: bytes, place: Place) -> Place:
    """The place behind the string at this one and its comma; the value's end where the string has none."""
    found = _STRING_END.match(value, place.at)
    at = found.end() if found else len(value)
    while value[at : at + 1] in (b" ", b"\n", b"\r", b"\t", b","):
        at += 1
    return Place(at, _counted(place.inside))


def _counted(inside: tuple[Step, ...]) -> tuple[Step, ...]:
    return (*inside[:-1], inside[-1]._replace(number=inside[-1].number + 1)) if inside else inside


class _Reader:
    def __init__(self, text: str, place: Place, is_cut: bool, most: int, deepest: int) -> None:
        self.text, self.place, self.is_cut, self.most, self.deepest = text, place, is_cut, most, deepest
        tokens = (match for match in _TOKEN.finditer(text) if not match[0].isspace())
        limit = most * 8 + FLAT_TOKENS
        self.tokens = list(islice(tokens, limit))
        self.has_all = len(self.tokens) < limit and not is_cut
        self.stack = list(place.inside)
        self.i = 0

    def read(self) -> Slice:
        rows: list[Row] = []
        while self.i < len(self.tokens):
            start, stack = self.i, list(self.stack)
            row = self._row() if len(rows) < self.most else None
            if row is not None and row.kind == "deep":
                return Slice([*rows, row], len(self.text))
            if row is None or (self.i >= len(self.tokens) and not self.has_all):
                return self._stopped(rows, row, start, stack)
            rows.append(row)
        return Slice(rows, len(self.text))

    def _stopped(self, rows: list[Row], row: Row | None, start: int, stack: list[Step]) -> Slice:
        """The rest begins at this row. One string longer than the whole slice is shown in part, and then passed."""
        at = self.tokens[start].start()
        if row is not None and row.kind == "text" and len(row.body) == LONGEST_TEXT:
            begins = self.tokens[self.i - 1].start()
            rows.append(replace(row, is_part=True))
            return Slice(rows, len(self.text), self._place(begins, stack, is_inside_text=True))
        if not rows:
            # One word longer than a slice is no JSON; going on at the same place would be for ever.
            return Slice([row] if row else [], len(self.text))
        return Slice(rows, at, self._place(at, stack))

    def _place(self, at: int, stack: list[Step], *, is_inside_text: bool = False) -> Place:
        return Place(self.place.at + len(raw(self.text[:at])), tuple(stack), is_inside_text)

    def _row(self) -> Row:
        token, key, number = self.tokens[self.i], "", None
        if token[3]:
            return self._closed(token[3])
        if token[1] and self._is(self.i + 1, ":"):
            key = token[1]
            self.i += 2
            if self.i >= len(self.tokens):
                return Row("word", len(self.stack) + 1, "", readable(key))
            token = self.tokens[self.i]
        elif self.stack and self.stack[-1].kind == "[":
            number = self.stack[-1].number
        row = self._opened(token, key, number) if token[2] else self._leaf(token, key, number)
        if row.kind != "open":
            row = replace(row, comma=self._comma())
        return row

    def _closed(self, bracket: str) -> Row:
        if self.stack:
            self.stack.pop()
        self.i += 1
        return Row("close", len(self.stack) + 1, bracket, comma=self._comma())

    def _opened(self, token: re.Match[str], key: str, number: int | None) -> Row:
        level, end = len(self.stack) + 1, self._flat_end()
        if end >= 0:
            body = "".join(_flat(self.tokens[self.i : end + 1]))
            self.i = end + 1
            self._count()
            return Row("flat", level, body, readable(key), number)
        if level > self.deepest:
            return Row("deep", level, "", readable(key), number)
        self._count()
        self.stack.append(Step(token[2], key if number is None else number))
        self.i += 1
        return Row("open", level, token[2], readable(key), number)

    def _leaf(self, token: re.Match[str], key: str, number: int | None) -> Row:
        self.i += 1
        self._count()
        body = readable(token[0]) if token[1] else token[0]
        kind, level = "text" if token[1] else "word", len(self.stack) + 1
        return Row(kind, level, body[:LONGEST_TEXT], readable(key), number, body[LONGEST_TEXT:])

    def _count(self) -> None:
        if self.stack:
            self.stack[-1] = self.stack[-1]._replace(number=self.stack[-1].number + 1)

    def _comma(self) -> bool:
        found = self._is(self.i, ",")
        self.i += found
        return found

    def _is(self, at: int, mark: str) -> bool:
        return at < len(self.tokens) and self.tokens[at][0] == mark

    def _flat_end(self) -> int:
        """Where the list or object that opens here ends, if it is short and holds no other: it stays on one line."""
        length = 0
        for end in range(self.i + 1, min(self.i + FLAT_TOKENS, len(self.tokens))):
            length += len(self.tokens[end][0])
            if self.tokens[end][2] or length > FLAT_LENGTH:
                return -1
            if self.tokens[end][3]:
                return end
        return -1


def _flat(tokens: list[re.Match[str]]) -> Iterator[str]:
    for token in tokens:
        yield {":": ": ", ",": ", "}.get(token[0]) or (readable(token[0]) if token[1] else token[0])


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
