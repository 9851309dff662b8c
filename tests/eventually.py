"""Waiting for a condition, with a deadline and a sentence."""

import asyncio
import inspect
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_PATIENCE = 4.0


async def eventually(condition: Callable[[], Any], timeout_s: float = 5.0, what: str = "") -> Any:
    """The first truthy value of `condition` (sync or async). Fails after `timeout_s` (as `is_over`) with the last."""
    began = time.monotonic()
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if is_over(began, timeout_s):
            raise AssertionError(f"not within {timeout_s} s: {what or inspect.getsource(condition)}; last: {value!r}")
        await asyncio.sleep(0.01)


def eventually_sync(condition: Callable[[], Any], timeout_s: float = 5.0, what: str = "") -> Any:
    """The same for tests without an event loop."""
    began = time.monotonic()
    while not (value := condition()):
        if is_over(began, timeout_s):
            raise AssertionError(f"not within {timeout_s} s: {what or inspect.getsource(condition)}; last: {value!r}")
        time.sleep(0.02)
    return value


def is_over(began: float, timeout_s: float) -> bool:
    """Whether these seconds have passed since `began` (monotonic); more of them where the machine is busy."""
    passed = time.monotonic() - began
    return passed > timeout_s and passed > timeout_s * busyness()


def busyness() -> float:
    """How many processes want each core, over the last minute or now: 1 to 4."""
    try:
        minute, _, _, now, _ = Path("/proc/loadavg").read_text().split()
        wanting = max(float(minute), float(now.partition("/")[0]))
    except (OSError, ValueError):
        wanting = os.getloadavg()[0]
    return min(MOST_PATIENCE, max(1.0, wanting / (os.cpu_count() or 1)))
