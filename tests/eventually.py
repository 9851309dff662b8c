"""Waiting for a condition, with a deadline and a sentence."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


async def eventually(condition: Callable[[], Any], timeout_s: float = 5.0, what: str = "") -> Any:
    """The first truthy value of `condition` (sync or async). Fails after `timeout_s` with the last value seen."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or inspect.getsource(condition)}; last: {value!r}")
        await asyncio.sleep(0.01)


def eventually_sync(condition: Callable[[], Any], timeout_s: float = 5.0, what: str = "") -> Any:
    """The same for tests without an event loop."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or inspect.getsource(condition)}; last: {value!r}")
        time.sleep(0.02)
    return value
