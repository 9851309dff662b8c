"""Rows that say less than their jobs: brought up to date when somebody asks for them.

Workers write rows shortly after Redis has the outcome, and a worker that dies in between never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.systems.endings import Note, changes
from dashboard.systems.models import OPEN, Work
from dashboard.systems.telling import tell_if_owed
from queues import queue
from queues.errors import TorilError
from queues.models import Job
from queues.moments import exact
from queues.producer import FoundJob
from queues.states import State

#: A job that is nowhere may be on its way still.
GONE_AFTER = timedelta(seconds=60)


async def settle(rows: Iterable[Work]) -> None:
    """Let each row say what its job does. Where Redis does not answer they stay as they are."""
    every = list(rows)
    await asyncio.gather(*(_settle(row) for row in every if row.is_open))
    await tell_if_owed(every)


async def _settle(row: Work) -> None:
    try:
        note = await _heard(row)
    except TorilError:
        return
    if note is not None:
        changed = changes(note)
        if note.word != "started" or not row.started_at:
            await Work.objects.filter(pk=row.pk, status__in=OPEN).aupdate(**changed)
        for name, value in changed.items():
            setattr(row, name, value)


async def _heard(row: Work) -> Note | None:
    found = await queue(row.queue).get_job(row.job_id)
    if found is None:
        return await _remembered(row)
    state = await found.state()
    if state.is_finished:
        # Its outcome was written with its state; what was read before may be older.
        ended = await queue(row.queue).get_job(row.job_id)
        return _ending(row, ended, state) if ended is not None else await _remembered(row)
    return Note("started", row.queue, row.job_id, row.started_at or timezone.now()) if state is State.ACTIVE else None


def _ending(row: Work, found: FoundJob, state: State) -> Note:
    record = found.record
    at = _moment(record.finished_on_ms)
    if state is State.COMPLETED:
        return Note("completed", row.queue, row.job_id, at, record.return_value)
    return Note("failed", row.queue, row.job_id, at, record.failed_reason)


async def _remembered(row: Work) -> Note | None:
    """What the mirror has of a job that Redis has dropped; where nobody knows it any more, that it was removed."""
    mine = Job.objects.filter(queue=row.queue, job_id=row.job_id, finished_on_ms__isnull=False)
    job = await mine.order_by("-timestamp_ms").afirst()
    if job is not None and job.state in (State.COMPLETED.value, State.FAILED.value):
        at = _moment(job.finished_on_ms)
        is_completed = job.state == State.COMPLETED.value
        said = job.return_value if is_completed else job.failed_reason
        return Note("completed" if is_completed else "failed", row.queue, row.job_id, at, said)
    if timezone.now() - row.created_at < GONE_AFTER:
        return None
    return Note("failed", row.queue, row.job_id, timezone.now(), _("The job was removed from its queue."))


def _moment(ms: int | None) -> datetime:
    """Now, where a job's time is none."""
    return (exact(ms) if ms else None) or timezone.now()
