"""Whether a job somebody looks at has moved, for a fraction of what reading it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire

_FIELDS = ("ats", "atm", "processedOn", "finishedOn", "attemptsMade", "stc", "delay", "priority", "pb", "timestamp")
#: Longer progress is compared by its length alone, from the second look on.
LARGEST_PROGRESS = 1024


@dataclass(frozen=True, slots=True)
class JobMark:
    """Two equal marks: nothing happened that a page would show. `life` is its way through the states, `notes` what
    it says on the way (progress, logs). `progress_size` is given back to the next look.
    """

    life: tuple[bytes | int | None, ...] = ()
    notes: tuple[bytes | int | None, ...] = ()
    attempts_started: int = 0
    attempts_made: int = 0
    processed_on_ms: int | None = None
    finished_on_ms: int | None = None
    progress_size: int = 0


async def job_marks(connection: str, jobs: Sequence[tuple[str, str, JobMark | None]]) -> list[JobMark]:
    """One mark per (queue, job id, the mark seen last), in one round trip. Odd keys give odd marks, never an error."""
    asked = [_commands(connection, *job) for job in jobs]
    replies = iter(await wire(connection).run([c for group in asked for c in group], return_errors=True))
    return [_mark([next(replies) for _ in group]) for group in asked]


def _commands(connection: str, queue: str, job_id: str, last: JobMark | None) -> list[Command[Any]]:
    k = keys(connection, queue)
    fits = last is None or last.progress_size <= LARGEST_PROGRESS
    return [
        command("HMGET", k.job(job_id), *_FIELDS),
        # No field but these changes when a job begins to wait for its children.
        command("ZSCORE", k("waiting-children"), codec.raw(job_id)),
        command("LLEN", k.logs(job_id)),
        command("HSTRLEN", k.job(job_id), "progress"),
        *([command("HGET", k.job(job_id), "progress")] if fits else []),
    ]


def _mark(replies: list[Any]) -> JobMark:
    fields, parent, logs, size, *progress = (None if isinstance(reply, Exception) else reply for reply in replies)
    ats, atm, processed, finished, old_atm, *_ = fields = fields or [None] * len(_FIELDS)
    return JobMark(
        life=(*fields, parent is not None),
        notes=(logs, size, *progress),
        attempts_started=_number(ats) or 0,
        attempts_made=_number(atm if old_atm is None else old_atm) or 0,
        processed_on_ms=_number(processed),
        finished_on_ms=_number(finished),
        progress_size=size or 0,
    )


def _number(value: bytes | None) -> int | None:
    return None if value is None else codec.integer("", value)[0]
