"""Waits while Redis is away or refuses, and says so: once when it begins, every half minute, once when it is over."""

from __future__ import annotations

import asyncio
import logging
import random
import time

from queues.errors import RedisUnavailable, TorilError
from queues.runs.journal import line

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 1.0
SAY_AGAIN_S = 30.0
#: Whatever is wrong, no more lines than this in a second.
LINES_PER_S = 3

#: Refusals that end by themselves or by an operator's hand: out of memory, a full disk, replicas missing.
PASSING = ("OOM", "MISCONF", "NOREPLICAS")


def will_pass(error: TorilError) -> bool:
    """Whether it is worth waiting for however long it takes."""
    return isinstance(error, RedisUnavailable) or any(word in str(error) for word in PASSING)


def _kind(error: TorilError) -> str:
    """Redis adds to some refusals which script met them: that makes no other trouble of it."""
    if isinstance(error, RedisUnavailable):
        return "away"
    return next((word for word in PASSING if word in str(error)), str(error))


class Outage:
    """One per worker, so that its fifty slots complain with one voice."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._lines: list[float] = []
        #: When somebody last met trouble, by the monotonic clock.
        self.last = 0.0
        self.is_closed = False

    def patience(self, queue: str = "") -> Patience:
        """`queue`: the one whose refusals are said by its name; what will pass is nobody's in particular."""
        return Patience(self, f"{line(queue)}: " if queue else "")

    def close(self) -> None:
        """The worker has stopped: whoever still waits gets the error."""
        self.is_closed = True

    def began(self, trouble: str, sentence: str) -> None:
        self.last = now = time.monotonic()
        self._since.setdefault(trouble, now)
        if now - self._said.get(trouble, -SAY_AGAIN_S) >= SAY_AGAIN_S and self._may_say(now):
            self._said[trouble] = now
            log.warning("%s Trying again.", sentence)

    def over(self, trouble: str, whose: str = "") -> None:
        since = self._since.pop(trouble, None)
        if since is not None and self._said.pop(trouble, None) is not None:
            what = "Redis answers again" if trouble == "away" else f"{whose}Redis accepts again what it refused"
            log.warning("%s, after %.1f s.", what, time.monotonic() - since)

    def _may_say(self, now: float) -> bool:
        self._lines = [line for line in self._lines if now - line < 1.0]
        self._lines.append(now)
        return len(self._lines) <= LINES_PER_S


class Patience:
    """One caller's retries: `wait` after each failure, `over` after each success."""

    __slots__ = ("_of", "_outage", "_trouble", "_whose", "tries")

    def __init__(self, outage: Outage, of: str = "") -> None:
        self._outage, self.tries, self._of = outage, 0, of
        self._trouble = self._whose = ""

    async def wait(self, error: TorilError) -> None:
        """Sleep 50 ms, then longer, at most a second, give or take: fifty callers should not come back as one.

        Raises the error where the worker has stopped.
        """
        if self._outage.is_closed:
            raise error
        self._whose = "" if will_pass(error) else self._of
        self._trouble = self._whose + _kind(error)
        self._outage.began(self._trouble, f"{self._whose}{error}")
        pause_s = min(0.05 * 2**self.tries, LONGEST_PAUSE_S)
        self.tries += 1
        await asyncio.sleep(pause_s * random.uniform(0.7, 1.0))  # noqa: S311

    def over(self) -> None:
        if self.tries:
            self.tries = 0
            self._outage.over(self._trouble, self._whose)
