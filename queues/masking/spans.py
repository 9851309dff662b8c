"""Parts of a text and what is shown in their place."""

from __future__ import annotations

from collections.abc import Iterable

MASK = "•••"
#: From, up to, and what stands there instead.
Span = tuple[int, int, str]


def merged(spans: Iterable[Span]) -> list[Span]:
    """In order, none in another: what overlaps becomes one, shown as the first of them is."""
    kept: list[Span] = []
    for start, end, mask in sorted(spans):
        if kept and start < kept[-1][1]:
            first, last, shown = kept[-1]
            kept[-1] = (first, max(last, end), shown)
        elif start < end:
            kept.append((start, end, mask))
    return kept


def replaced(text: str, spans: list[Span]) -> str:
    """The text with these parts replaced. They are in order and do not overlap."""
    if not spans:
        return text
    pieces, at = [], 0
    for start, end, mask in spans:
        pieces += [text[at:start], mask]
        at = end
    pieces.append(text[at:])
    return "".join(pieces)
