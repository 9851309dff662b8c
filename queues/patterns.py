"""Which names a pattern means: `*` stands for any text, `?` for one character."""

from __future__ import annotations

from collections.abc import Sequence


def fits(pattern: str, name: str) -> bool:
    """Whether the name is what the pattern says; never more than pattern × name steps, whatever both hold."""
    start = pattern[:-1]
    if pattern.endswith("*") and "*" not in start and "?" not in start:
        # What nearly every pattern is: hundreds of queues are asked about for each page.
        return name.startswith(start)
    at, star, tried = 0, -1, 0
    told = 0
    while at < len(name):
        # The star first: a `*` in the name is not what a `*` in the pattern stands for.
        if told < len(pattern) and pattern[told] == "*":
            star, tried, told = told, at, told + 1
        elif told < len(pattern) and pattern[told] in ("?", name[at]):
            at, told = at + 1, told + 1
        elif star >= 0:
            tried += 1
            at, told = tried, star + 1
        else:
            return False
    return not pattern[told:].strip("*")


def fits_any(patterns: Sequence[str], name: str) -> bool:
    """Whether one of them does; where there is none, every name does."""
    return not patterns or any(fits(pattern, name) for pattern in patterns)
