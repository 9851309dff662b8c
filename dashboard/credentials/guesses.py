"""Bounds how often a place may show what opens nothing: keys that are none, tokens that are not valid.

A key cannot be guessed; but each guess costs a question to the database, and a line in somebody's log. What was good
lately is looked at in any case: nobody's guesses shut out the programs beside them.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from typing import Any

import structlog

from queues.errors import TooManyRequests

log = structlog.get_logger("toril.credentials")
#: So many wrong ones from a place within WINDOW_S; then it waits for the window's end.
MOST, WINDOW_S = 60, 60
#: Places and credentials that are remembered.
MOST_KNOWN = 10_000
#: So long what was good is looked at, however many wrong ones come from beside it.
GOOD_S = 3_600


class Guesses:
    """Counted in each web process."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._good: OrderedDict[bytes, float] = OrderedDict()

    def check(self, place: str, shown: str) -> None:
        """Raises TooManyRequests where this is not to be looked at."""
        ends_at, failed = self._windows.get(place, (0.0, 0))
        left_s = ends_at - time.monotonic()
        if failed < MOST or left_s <= 0 or self._good.get(_digest(shown), 0.0) > time.monotonic():
            return
        raise TooManyRequests(max(1, math.ceil(left_s)))

    def failed(self, place: str) -> None:
        if not place:
            return
        now = time.monotonic()
        ends_at, failed = self._windows.get(place, (0.0, 0))
        if ends_at <= now:
            ends_at, failed = now + WINDOW_S, 0
        self._windows[place] = ends_at, failed + 1
        if failed + 1 == MOST:
            log.warning("too many wrong credentials: the rest of a minute is refused unread", place=place)
        _bounded(self._windows, place)

    def good(self, shown: str) -> None:
        digest = _digest(shown)
        self._good[digest] = time.monotonic() + GOOD_S
        _bounded(self._good, digest)

    def clear(self) -> None:
        self._windows.clear()
        self._good.clear()


def _digest(shown: str) -> bytes:
    return hashlib.sha256(shown.encode("utf-8", "replace")).digest()


def _bounded(held: OrderedDict[Any, Any], newest: Any) -> None:
    held.move_to_end(newest)
    while len(held) > MOST_KNOWN:
        held.popitem(last=False)


guesses = Guesses()
