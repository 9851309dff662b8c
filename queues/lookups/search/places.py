"""Where a job stands in a search: a number that grows with the moment when something last happened to it."""

from __future__ import annotations

#: Beside the milliseconds there is room for the last bits of a row's key: jobs of one moment have places of their own.
BITS = 16
_LATEST = 2**46


def place_of(at_ms: int, pk: int) -> int:
    return first_place(at_ms) + (pk & ((1 << BITS) - 1))


def first_place(at_ms: int) -> int:
    """Of what happened then or later no place is less. Moments that no clock tells stand at the ends."""
    return min(max(at_ms, 0), _LATEST) << BITS
