"""Processors for the fault tests: each does what its job's data asks, and says so in the ledger outside Redis."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import math
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from queues import processor
from tests.ledger import Entry


@contextlib.contextmanager
def entered(job: Any) -> Iterator[Entry]:
    entry = Entry(job.id)
    entry("start")
    try:
        yield entry
    except asyncio.CancelledError:
        entry("cut")
        raise
    except BaseException:
        entry("raised")
        raise
    else:
        entry("done")


@processor("work", name="nap")
async def nap(job: Any) -> str:
    with entered(job) as entry:
        await asyncio.sleep(job.data["s"])
    return entry.run


@processor("work", name="thread")
def thread(job: Any) -> str:
    with entered(job) as entry:
        time.sleep(job.data["s"])
    return entry.run


@processor("work", name="block")
async def block(job: Any) -> str:
    """Wrong, and met in the field: an async function that blocks the loop."""
    return thread(job)


@processor("work", name="grip")
def grip(job: Any) -> str:
    """Holds the interpreter's lock, so that no thread of the process runs: one regular expression that backtracks."""
    with entered(job) as entry:
        began = time.perf_counter()
        _backtrack(16)
        each_s = (time.perf_counter() - began) / 2**16
        _backtrack(math.ceil(math.log2(job.data["s"] / each_s)))
    return entry.run


def _backtrack(length: int) -> None:
    """Each character more takes twice as long."""
    re.match(r"(a+)+$", "a" * length + "b")


@processor("work", name="raise")
async def fail(job: Any) -> str:
    with entered(job):
        raise ValueError("as asked")


@processor("work", name="quick")
async def quick(job: Any) -> None:
    """Not even a ledger."""


@processor("work", name="measure")
def measure(job: Any) -> int:
    return len(str(job.data))


DEATHS = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "os._exit": lambda: os._exit(0),
    "segfault": lambda: ctypes.string_at(0),
    "sys.exit": lambda: sys.exit(1),
}


@processor("work", name="die")
async def die(job: Any) -> str:
    with entered(job) as entry:
        DEATHS[job.data["how"]]()
    return entry.run
