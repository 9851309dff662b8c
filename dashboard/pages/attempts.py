"""A job's errors, each by itself: what Node and Python leave in `stacktrace`, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from queues.models import Job
from queues.states import State

TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class Failure:
    """`number` None: which attempt it was cannot be told. `headline` is the error, `stack` the way to it."""

    number: int | None
    headline: str
    stack: str = ""


def failures(job: Job) -> list[Failure]:
    """One per stored stack, newest first; the failed reason alone where no stack was kept."""
    stacks = [stack for stack in reversed(job.stacks) if stack.strip() not in ("", "NoneType: None")]
    if not stacks:
        return (
            [Failure(_failed_attempts(job) or None, headline(job.failed_reason), job.failed_reason)]
            if job.failed_reason
            else []
        )
    failed = _failed_attempts(job)
    told = failed >= len(stacks)
    return [
        Failure(failed - at if told else None, headline(stack) or job.first_error_line, stack)
        for at, stack in enumerate(stacks)
    ]


def _failed_attempts(job: Job) -> int:
    """BullMQ counts an attempt when it ends, the one that completed the job too."""
    return max(job.attempts_made - 1, 0) if job.state == State.COMPLETED else job.attempts_made


def headline(stack: str) -> str:
    """The line that names the error: Node writes it first, Python last."""
    lines = [line for line in stack.splitlines() if line.strip()]
    if not lines:
        return ""
    # A Python error of several lines starts at the last line that is not indented.
    flush = [line for line in lines if not line[0].isspace()]
    return (flush[-1] if TRACEBACK in stack and flush else lines[0]).strip()
