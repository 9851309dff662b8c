"""Processors that write what they do into a ledger outside Redis."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from typing import Any

from queues import processor, queue

log = logging.getLogger("workapp")
kept: list[bytes] = []


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


@processor("work", name="spin")
async def spin(job: Any) -> None:
    """Busy, not frozen: it blocks the loop and leaves the interpreter's lock now and then."""
    enter(job, "start")
    until = time.monotonic() + job.data["s"]
    while time.monotonic() < until:
        pass
    enter(job, "done")


@processor("work", name="die")
async def die(job: Any) -> None:
    """Ends its own process, in one of the ways a process ends."""
    enter(job, "start")
    match job.data["how"]:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(0)
        case "sys.exit":
            sys.exit()


@processor("work", name="grow")
def grow(job: Any) -> None:
    """Keeps so much memory for good."""
    enter(job, "start")
    kept.append(b"x" * (job.data["mib"] * 2**20))
    time.sleep(job.data["s"])
    enter(job, "done")


@processor("work", name="speak")
def speak(job: Any) -> None:
    """Long lines, on both outputs."""
    for number in range(20):
        word = f"{job.id}-{number}-" * 2_000
        sys.stdout.write(f"<{word}>\n")
        log.warning("<%s>", word)


@processor("work", name="breed")
async def breed(job: Any) -> None:
    """Adds jobs to another queue, which add to this one."""
    enter(job, "done")
    if job.data["more"]:
        await queue("other").add("breed", {"more": job.data["more"] - 1})


@processor("other", name="breed")
async def breed_back(job: Any) -> None:
    enter(job, "done")
    await queue("work").add("breed", {"more": job.data["more"]})


@processor("work", name="orphan")
def orphan(job: Any) -> None:
    """Leaves a process behind that outlives its parent and then ends."""
    subprocess.run(["sh", "-c", '(sleep 0.2; echo "x 1 orphaned 0" >> "$LEDGER") & exit'], check=True)


@processor("work", name="fail")
async def fail(job: Any) -> None:
    enter(job, "start")
    raise RuntimeError("not today")
