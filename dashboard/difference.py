"""What a change changes, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

#: So many unchanged lines around a change.
CONTEXT = 2
#: More lines than this are not matched with each other: they are told as one piece.
MOST_MATCHED = 1_500
MOST_SHOWN, LONGEST_LINE = 400, 400


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


def _pieces(old: list[str], new: list[str]) -> list[tuple[str, int, int, int, int]]:
    if max(len(old), len(new)) <= MOST_MATCHED:
        return list(SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    last, most = 0, min(len(old), len(new)) - first
    while last < most and old[-1 - last] == new[-1 - last]:
        last += 1
    ends = len(old) - last, len(new) - last
    return [
        ("equal", 0, first, 0, first),
        ("replace", first, ends[0], first, ends[1]),
        ("equal", ends[0], len(old), ends[1], len(new)),
    ]


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
