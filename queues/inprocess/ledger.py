"""What a runner does to rows: take what may run, write what came of it. Synchronous, one statement per decision.

An outcome is written only where the row still says that this run is under way: its holder, and the number of its start.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from queues.errors import JobNotFound
from queues.inprocess.stream import stream
from queues.models import Job, LogLine, Queue, moves
from queues.models.local import RUNNING_ORDER, first_rank, jobs, news, next_rank, ready_state, work
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.clock import now_ms
from queues.protocol.codec import raw
from queues.protocol.taken import KeepJobs, TakenJob
from queues.states import State


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one job."""

    pk: int
    queue: str
    number: int
    holder: str
    taken: TakenJob

    @property
    def row(self) -> models.QuerySet[Job]:
        mine = Job.objects.filter(pk=self.pk, state=State.ACTIVE.value, removed_at__isnull=True)
        return mine.filter(holder=self.holder, attempts_started=self.number)


def take(holder: str, name: str, queue: str, count: int) -> list[Run]:
    """At most `count` jobs that this process may run, next to run first; `name` is what their pages say ran them."""
    taken: list[Run] = []
    for state in (State.WAITING, State.PRIORITIZED):
        if len(taken) < count:
            found = _mine(holder, queue, state).order_by(*RUNNING_ORDER)[: count - len(taken)]
            taken += [run for job in found if (run := _start(holder, name, job))]
    if taken:
        news.ring()
    return taken


def _start(holder: str, name: str, job: Job) -> Run | None:
    """None where somebody else was quicker."""
    started = Job.objects.filter(pk=job.pk, state=job.state, holder=job.holder, removed_at__isnull=True).update(
        state=State.ACTIVE.value,
        holder=holder,
        rank=None,
        processed_on_ms=now_ms(),
        processed_by=name,
        attempts_started=models.F("attempts_started") + 1,
    )
    if not started:
        return None
    stream.tell(job.queue, "active", job.job_id, "prev", "waiting")
    return Run(job.pk, job.queue, job.attempts_started + 1, holder, taken_of(job))


def taken_of(job: Job) -> TakenJob:
    """The row as a worker knows a job."""
    fields = {
        b"name": raw(job.name),
        b"data": raw(job.data),
        b"opts": raw(job.opts),
        b"atm": b"%d" % job.attempts_made,
        b"ats": b"%d" % (job.attempts_started + 1),
        b"priority": b"%d" % job.priority,
        b"timestamp": b"%d" % job.timestamp_ms,
        b"stacktrace": raw(job.stacktrace),
    }
    return TakenJob(raw(job.job_id), fields)


def feed(holder: str, name: str, free: Mapping[str, int]) -> list[Run]:
    """Jobs for the free slots of these queues."""
    held = set(Queue.objects.filter(connection=LOCAL_CONNECTION, is_paused=True).values_list("name", flat=True))
    return [run for queue, count in free.items() if queue not in held for run in take(holder, name, queue, count)]


def awaken(holder: str, queues: Collection[str]) -> int | None:
    """Let delayed jobs wait whose time has come; when the next is due (epoch milliseconds), None: there is none."""
    delayed = Job.objects.filter(rank__isnull=False, state=State.DELAYED.value, queue__in=queues).order_by()
    delayed = delayed.filter(holder__in=("", holder), removed_at__isnull=True)
    due = delayed.filter(rank__lte=now_ms())
    # In the order of their times, among those that wait: from milliseconds to a place.
    if due.exists() and due.update(state=ready_state(), rank=models.F("rank") * 1_000, delay_ms=0):
        news.ring()
    next_due: int | None = delayed.aggregate(next=models.Min("rank"))["next"]
    return next_due


def _mine(holder: str, queue: str, state: State) -> models.QuerySet[Job]:
    # The index holds what has a rank.
    return jobs(queue, state).filter(rank__isnull=False, holder__in=("", holder))


# --- outcomes: each says whether the run was still this process's


def complete(run: Run, value_json: str, keep: KeepJobs) -> bool:
    told = ("returnvalue", value_json)
    return _end(run, State.COMPLETED, keep, told, return_value=value_json, failed_reason="")


def fail(run: Run, reason: str, stacks_json: str, keep: KeepJobs) -> bool:
    told = ("failedReason", reason)
    return _end(run, State.FAILED, keep, told, failed_reason=reason, stacktrace=stacks_json)


def retry(run: Run, reason: str, stacks_json: str, delay_ms: int) -> bool:
    """Try again after so long; at once where it is 0."""
    failed = {"attempts_made": models.F("attempts_made") + 1, "failed_reason": reason, "stacktrace": stacks_json}
    return _put(run, delay_ms, first=run.taken.options.is_lifo, **failed)


def put_back(run: Run, delay_ms: int = 0) -> bool:
    """No attempt is counted: next to run, or after so long."""
    return _put(run, delay_ms, first=True)


def _put(run: Run, delay_ms: int, *, first: bool, **changes: Any) -> bool:
    if delay_ms:
        changes |= {"state": State.DELAYED.value, "rank": now_ms() + delay_ms, "delay_ms": delay_ms}
    else:
        changes |= {"state": ready_state(), "rank": first_rank() if first else next_rank()}
    if is_ours := _rung(run.row.update(**changes)):
        work.ring()
    return is_ours


def _end(run: Run, state: State, keep: KeepJobs, told: tuple[str, str], **changes: Any) -> bool:
    now = now_ms()
    with transaction.atomic():
        ended = run.row.update(
            state=state.value, holder="", finished_on_ms=now, attempts_made=models.F("attempts_made") + 1, **changes
        )
        if ended:
            stream.tell(run.queue, state.value, run.taken.id, *told, "prev", "active")
            moves.trim(run.pk, run.queue, state, keep, now)
        return _rung(ended)


# --- reports


def progress(run: Run, value_json: str) -> None:
    """Raises JobNotFound where the job was removed, or taken by another."""
    if not _rung(run.row.update(progress=value_json)):
        raise JobNotFound(run.queue, run.taken.id)
    stream.tell(run.queue, "progress", run.taken.id, "data", value_json)


def notify(run: Run, told: Sequence[str]) -> None:
    """Raises JobNotFound."""
    if not run.row.exists():
        raise JobNotFound(run.queue, run.taken.id)
    stream.tell(run.queue, told[0], run.taken.id, *told[1:])


def update_data(run: Run, data_json: str) -> None:
    """Raises JobNotFound."""
    if not _rung(run.row.update(data=data_json)):
        raise JobNotFound(run.queue, run.taken.id)


def log(pk: int, line: str, keep: int | None) -> int:
    """Add a line, keep the last so many; how many there are."""
    with transaction.atomic():
        LogLine.objects.create(job_id=pk, text=line)
        lines = LogLine.objects.filter(job_id=pk)
        if keep:
            old = list(lines.order_by("-pk").values_list("pk", flat=True)[keep : keep + 1_000])
            lines.filter(pk__in=old).delete()
        news.ring()
        return lines.count()


def _rung(count: int) -> bool:
    if count:
        news.ring()
    return bool(count)
