"""Processors that write what they do into a ledger outside Redis."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from queues import processor


def enter(job: Any, what: str) -> None:
    """One line per happening, appended in one write: whole even when the process is killed."""
    line = f"{job.id} {os.getpid()} {what} {time.time():.3f}\n".encode()
    ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, line)
    os.close(ledger)


@processor("work", name="sleep")
async def sleep(job: Any) -> str:
    enter(job, "start")
    await asyncio.sleep(job.data["s"])
    enter(job, "done")
    return "slept"


@processor("work", name="thread")
def thread(job: Any) -> str:
    enter(job, "start")
    time.sleep(job.data["s"])
    enter(job, "done")
    return "slept"


@processor("work", name="block")
async def block(job: Any) -> str:
    """Wrong, and met in the field: an async function that blocks the loop."""
    return thread(job)


@processor("other")
def other(job: Any) -> None:
    enter(job, "done")
