"""What a change changes, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

#: So many unchanged lines around a change.
CONTEXT = 2
#: Between the first change and the last: more lines than this are not matched, but told as one piece.
MOST_MATCHED = 700
MOST_SHOWN, LONGEST_LINE = 400, 400
#: A word of difflib's, and where it begins and ends in the old lines and in the new.
Piece = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """`kind`: "same", "gone", "new", or "gap" where unchanged lines are left out."""

    kind: str
    text: str
    number: int = 0

    @property
    def sign(self) -> str:
        return {"gone": "−", "new": "+", "gap": "⋯"}.get(self.kind, " ")


def difference(before: str, after: str) -> list[Line]:
    """Empty where both are the same."""
    if before == after:
        return []
    found = list(_lines(before.splitlines(), after.splitlines()))
    return found[:MOST_SHOWN]


def as_text(lines: list[Line]) -> str:
    return "\n".join(f"{ {'gone': '-', 'new': '+'}.get(line.kind, ' ') }{line.text}" for line in lines)


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    for tag, i1, i2, j1, j2 in _pieces(old, new):
        if tag == "equal":
            yield from _context(new, i1, i2, j1, len(old))
            continue
        yield from (Line("gone", _cut(text), i1 + n + 1) for n, text in enumerate(old[i1:i2]))
        yield from (Line("new", _cut(text), j1 + n + 1) for n, text in enumerate(new[j1:j2]))


def _pieces(old: list[str], new: list[str]) -> list[Piece]:
    first, last = _ends(old, new)
    middle = (first, len(old) - last, first, len(new) - last)
    return [
        ("equal", 0, first, 0, first),
        *_matched(old, new, *middle),
        ("equal", len(old) - last, len(old), len(new) - last, len(new)),
    ]


def _ends(old: list[str], new: list[str]) -> tuple[int, int]:
    """How many lines both begin with, and how many of the rest they end with."""
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    last, most = 0, min(len(old), len(new)) - first
    while last < most and old[-1 - last] == new[-1 - last]:
        last += 1
    return first, last


def _matched(old: list[str], new: list[str], i1: int, i2: int, j1: int, j2: int) -> list[Piece]:
    if max(i2 - i1, j2 - j1) > MOST_MATCHED:
        return [("replace", i1, i2, j1, j2)]
    # Lines that are everywhere match nothing by themselves: each with each would take minutes.
    found = SequenceMatcher(None, old[i1:i2], new[j1:j2]).get_opcodes()
    return [(tag, a + i1, b + i1, c + j1, d + j1) for tag, a, b, c, d in found]


def _context(new: list[str], i1: int, i2: int, j1: int, total: int) -> Iterator[Line]:
    size = i2 - i1
    head = 0 if i1 == 0 else CONTEXT
    tail = 0 if i2 == total else CONTEXT
    for n in range(size):
        if n < head or n >= size - tail:
            yield Line("same", _cut(new[j1 + n]), j1 + n + 1)
        elif n == head:
            yield Line("gap", "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…"
