"""What is remembered of a job beyond what it says itself: every attempt, and what people did to it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from queues.lookups.attempts import ended_attempts
from queues.models import Attempt, AuditEntry, Job, Operation, OperationItem, Outcome
from queues.models.local import is_in_process
from queues.models.operation import key_of
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.attempts import CLOCKS_MS, Run
from queues.protocol.codec import parse_json

log = logging.getLogger(__name__)

#: The newest acts; and how many acts on several jobs at once are looked through for this one.
MOST_ACTS, MOST_SHARED = 50, 100
#: Acts that look and change nothing.
LOOKING = ("job.reveal",)
SHARED = ("queue.retry_selected", "queue.promote_selected", "queue.remove_selected")
#: How far the clocks of producers, Redis and this machine may stand from each other.
CLOCKS = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Act:
    """Something a person did to the job; `among`: how many jobs it was done to. What `told` holds is payload.

    What an `operation` did to it is told as of when that was begun; its entry is made up, for the audit tells of
    operations as a whole.
    """

    entry: AuditEntry
    told: Mapping[str, Any] = field(default_factory=dict)
    among: int = 1
    operation: Operation | None = None

    @property
    def at_ms(self) -> int:
        return int(self.entry.at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Trace:
    """`runs`, by number: the attempts that its own count speaks of. `earlier`, oldest first: those of before a person
    put it back with its attempts at 0. `errors`, by number, also of attempts of which no stack is left.
    """

    runs: tuple[Run, ...] = ()
    earlier: tuple[Attempt, ...] = ()
    errors: Mapping[int, str] = field(default_factory=dict)
    acts: tuple[Act, ...] = ()


async def trace(job: Job, runs: Sequence[Run]) -> Trace:
    """`runs` are what Redis told. Where the database does not answer, there is no more than those."""
    try:
        rows, acts = await sync_to_async(_look)(job)
    except DatabaseError:
        log.exception("What is remembered of a job could not be read.")
        return Trace(tuple(runs))
    current, earlier = divided(job, rows)
    known = {run.number: run for run in runs}
    for number, row in current.items():
        known[number] = _both(known.get(number), row)
    errors = {number: row.error for number, row in current.items() if row.error}
    return Trace(tuple(known[number] for number in sorted(known)), tuple(earlier), errors, tuple(acts))


def divided(job: Job, rows: Sequence[Attempt]) -> tuple[dict[int, Attempt], list[Attempt]]:
    """Those that the job counts now, by number, and those of before its count began anew, oldest first."""
    last = ended_attempts(job) + (job.processed_on_ms is not None)
    current: dict[int, Attempt] = {}
    began = 0
    for number in range(1, last + 1) if rows else ():
        found = max((row for row in rows if row.number == number), key=_moment, default=None)
        if found is None or _moment(found) < began or (number == last and not _is_last(job, found)):
            continue
        current[number], began = found, _moment(found)
    kept = {row.pk for row in current.values()}
    return current, sorted((row for row in rows if row.pk not in kept), key=_moment)


def _is_last(job: Job, row: Attempt) -> bool:
    if row.started_ms is None or job.processed_on_ms is None or ended_attempts(job) >= row.number:
        return True
    return abs(row.started_ms - job.processed_on_ms) <= CLOCKS_MS


def _moment(row: Attempt) -> int:
    return row.started_ms or row.ended_ms or 0


def _both(run: Run | None, row: Attempt) -> Run:
    if run is None:
        return Run(row.number, row.started_ms, row.ended_ms, row.worker)
    return Run(
        row.number,
        run.started_ms if run.started_ms is not None else row.started_ms,
        run.ended_ms if run.ended_ms is not None else row.ended_ms,
        run.worker or row.worker,
    )


def _look(job: Job) -> tuple[list[Attempt], list[Act]]:
    mine = Job.objects.filter(
        connection=job.connection, queue=job.queue, job_id=job.job_id, timestamp_ms=job.timestamp_ms
    )
    attempts = list(Attempt.objects.filter(row_id__in=mine.order_by().values("pk")).order_by("pk"))
    acts = [*_acts(job), *_operated(job)]
    return attempts, sorted(acts, key=lambda act: (act.entry.at, act.entry.pk or 0))


def _acts(job: Job) -> list[Act]:
    """Of this life of its id."""
    where = LOCAL_CONNECTION if is_in_process() else job.connection
    entries = AuditEntry.objects.filter(connection=where, queue=job.queue, **_life(job, "at")).order_by("-pk")
    own = entries.filter(job_id=job.job_id).exclude(action__in=LOOKING)[:MOST_ACTS]
    shared = entries.filter(action__in=SHARED, job_id="")[:MOST_SHARED]
    return [Act(entry, _told(entry)) for entry in own] + [act for entry in shared if (act := _shared(entry, job))]


def _shared(entry: AuditEntry, job: Job) -> Act | None:
    told = _told(entry)
    ids, count = told.get("ids"), told.get("count")
    if not isinstance(ids, list) or job.job_id not in ids:
        return None
    return Act(entry, {}, count if isinstance(count, int) else len(ids))


def _operated(job: Job) -> list[Act]:
    """What operations did to this life of its id, as long as they keep what became of each job."""
    items = OperationItem.objects.filter(key=key_of(job.queue, job.job_id), queue=job.queue, job_id=job.job_id)
    items = items.filter(outcome=OperationItem.Outcome.DONE, operation__connection=job.connection)
    items = items.filter(**_life(job, "operation__created_at")).select_related("operation").order_by("-operation")
    return [_operation_act(item.operation) for item in items[:MOST_ACTS]]


def _operation_act(row: Operation) -> Act:
    entry = AuditEntry(at=row.created_at, actor=row.actor, action=f"job.{row.action}", outcome=Outcome.DONE)
    told = parse_json(row.parameters)
    told = told if isinstance(told, dict) else {}
    return Act(entry, {"after": told} if "priority" in told else told, row.total, row)


def _life(job: Job, moment: str) -> dict[str, datetime]:
    """The conditions under which something that was done then was done to this life of its id."""
    found = {f"{moment}__gte": _date(job.timestamp_ms) - CLOCKS} if job.timestamp_ms > 0 else {}
    return found | ({f"{moment}__lte": job.removed_at + CLOCKS} if job.removed_at is not None else {})


def _told(entry: AuditEntry) -> Mapping[str, Any]:
    found = parse_json(entry.parameters) if entry.parameters else None
    return found if isinstance(found, dict) else {}


def _date(ms: int) -> datetime:
    return datetime.fromtimestamp(min(ms, 253_402_300_000_000) / 1000, UTC)
