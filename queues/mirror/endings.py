"""Jobs that have ended are told to webhooks: each ending once, with the place in the mirror's changes that it led to.

A row is told again each time it is written, so an ending is known by its job and its moment; and what ended before the
endpoint was there, or longer ago than deliveries are kept, is told no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, QuerySet
from django.utils import timezone

from queues.delivery.outbox import listeners, tell_all
from queues.delivery.selecting import Chosen, Happening
from queues.mirror.feed import Sieve
from queues.mirror.leader import Leader
from queues.models import Job
from queues.moments import exact, iso
from queues.options import get_options
from queues.states import State

KINDS = {State.COMPLETED.value: "job.completed", State.FAILED.value: "job.failed"}
#: Changes per commit, and of these endings.
BATCH, MOST_ENDED = 2_000, 500
#: How often to look; and where nobody listens.
LOOK_EVERY_S, UNHEARD_S = 0.2, 2.0
READ = "pk connection queue job_id timestamp_ms state name processed_on_ms finished_on_ms attempts_made".split()
PAYLOAD = ("data", "return_value", "failed_reason")


class Endings(Sieve):
    name = "endings"
    batch, most, read = BATCH, MOST_ENDED, READ

    def __init__(self, leader: Leader) -> None:
        super().__init__(leader)
        self._to: Sequence[Chosen] = ()
        self._is_heard = True

    async def turn(self) -> float:
        return 0.0 if await super().turn() == 0.0 else LOOK_EVERY_S if self._is_heard else UNHEARD_S

    def wanted(self, rows: QuerySet[Job]) -> QuerySet[Job]:
        oldest = timezone.now() - timedelta(days=get_options().webhooks.keep_days)
        return rows.filter(state__in=list(KINDS), finished_on_ms__gte=int(oldest.timestamp() * 1000))

    def _pass(self, at: int) -> tuple[int, int]:
        # In this order: an endpoint that comes between the two hears of everything from its coming on.
        latest = Job.objects.aggregate(latest=Max("change"))["latest"] or 0
        self._to = listeners(None, KINDS.values())
        self._is_heard = bool(self._to)
        return super()._pass(at) if self._is_heard else (latest, 0)

    def take(self, jobs: Sequence[Job]) -> None:
        """Payloads are read of those alone for whom somebody asks."""
        told = {_key(job): job for job in jobs}
        tell_all([_happening(key, job) for key, job in told.items()], self._to, lambda some: _filled(some, told))


def _key(job: Job) -> str:
    return "\0".join(
        (job.connection, job.queue, job.job_id, str(job.timestamp_ms), job.state, str(job.finished_on_ms or 0))
    )


def _happening(key: str, job: Job) -> Happening:
    ended = _moment(job.finished_on_ms) or timezone.now()
    data: dict[str, Any] = {
        "connection": job.connection,
        "queue": job.queue,
        "jobId": job.job_id,
        "name": job.name[:200],
        "state": job.state,
        "attemptsMade": job.attempts_made,
        "addedAt": _told(job.timestamp_ms),
        "startedAt": _told(job.processed_on_ms),
        "finishedAt": _told(job.finished_on_ms),
    }
    return Happening(KINDS[job.state], job.connection, job.queue, data, ended, key, job.job_id, job.name)


def _filled(some: Sequence[Happening], jobs: dict[str, Job]) -> list[Happening]:
    keys = [jobs[told.key].pk for told in some]
    rows = {row["pk"]: row for row in Job.objects.filter(pk__in=keys).values("pk", *PAYLOAD)}
    return [_with_payload(told, rows[jobs[told.key].pk]) for told in some]


def _with_payload(told: Happening, row: dict[str, str]) -> Happening:
    data = {"data": row["data"]}
    if told.kind == "job.completed":
        return replace(told, documents={**data, "result": row["return_value"]})
    return replace(told, documents=data, texts={"failedReason": row["failed_reason"]})


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else exact(ms)


def _told(ms: int | None) -> str | None:
    found = _moment(ms)
    return iso(found) if found else None
