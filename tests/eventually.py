"""Waiting for a condition, with a deadline and a sentence; and time as an idle machine would count it."""

import asyncio
import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Where no seconds are named: a guard against hanging, not a promise.
PATIENCE_S = 10.0
#: However little of the time is calm, a wait is over when so many times its seconds have passed.
MOST_PATIENCE = 6.0


class Stopwatch:
    """Seconds since it was made: those that passed, and those of them in which no process waited for a core.

    A promise of so many seconds is tested with the calm ones; the others would test what else the machine does.
    """

    def __init__(self) -> None:
        self._began, self._pressure = time.monotonic(), pressure()

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def calm_s(self) -> float:
        return self.passed_s / self.slowness

    @property
    def slowness(self) -> float:
        """How many times longer all of it took, at most, than where nothing waits for a core: 1 to 10."""
        now, stalled_s = pressure()
        before, stalled_before_s = self._pressure
        share = (stalled_s - stalled_before_s) / max(self.passed_s, 1e-3)
        return 1 / (1 - min(0.9, max(now, before, share)))

    def is_over(self, timeout_s: float) -> bool:
        passed_s = self.passed_s
        return passed_s > timeout_s and (passed_s > timeout_s * MOST_PATIENCE or self.calm_s > timeout_s)


async def eventually(condition: Callable[[], Any], timeout_s: float = PATIENCE_S, what: str = "") -> Any:
    """The first truthy value of `condition` (sync or async). Fails after `timeout_s` calm seconds with the last."""
    watch = Stopwatch()
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if watch.is_over(timeout_s):
            raise AssertionError(f"not within {timeout_s} s: {what or inspect.getsource(condition)}; last: {value!r}")
        await asyncio.sleep(0.01)


def eventually_sync(condition: Callable[[], Any], timeout_s: float = PATIENCE_S, what: str = "") -> Any:
    """The same for tests without an event loop."""
    watch = Stopwatch()
    while not (value := condition()):
        if watch.is_over(timeout_s):
            raise AssertionError(f"not within {timeout_s} s: {what or inspect.getsource(condition)}; last: {value!r}")
        time.sleep(0.02)
    return value


def pressure() -> tuple[float, float]:
    """In which share of the last seconds some process waited for a core, and for how long since the machine started.

    The kernel sums up every two seconds. Where it does not, what wants to run tells the share.
    """
    try:
        words = Path("/proc/pressure/cpu").read_text().split()
        return float(words[1].partition("=")[2]) / 100, int(words[4].partition("=")[2]) / 1e6
    except (OSError, IndexError, ValueError):
        return 1 - (os.cpu_count() or 1) / max(os.getloadavg()[0], os.cpu_count() or 1), 0.0
