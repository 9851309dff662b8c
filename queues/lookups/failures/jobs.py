"""The jobs of a group: samples, all of them in order, what their messages differ in, and the group of one job."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.db.models import QuerySet

from queues.fingerprints import MOST_VALUES, fingerprint
from queues.lookups.search.seen import Key
from queues.models import FailureCause, Job
from queues.states import State

SAMPLES, CHUNK = 10, 500
#: Jobs that are looked at for what a message differs in, and values that are told of each place.
LOOKED_AT, TOLD = 300, 5
#: Beyond this the failed jobs of a group are “more than”.
MOST_COUNTED = 50_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cause's message differs: the place's number, how many values were met, some of them with their counts."""

    number: int
    values: int
    some: tuple[tuple[str, int], ...]


def _of(connection: str, group: int, queues: Collection[str] | None) -> QuerySet[Job]:
    found = Job.objects.filter(failure_group=group, connection=connection, state=State.FAILED.value)
    return found if queues is None else found.filter(queue__in=list(queues))


async def samples(connection: str, group: int, queues: Collection[str], most: int = SAMPLES) -> list[Job]:
    """The newest jobs of the group in these queues, also those that Redis forgot."""
    newest = _of(connection, group, queues).order_by("-finished_on_ms", "-pk")
    return [job async for job in newest.defer("data", "return_value", "progress")[:most]]


async def failed_now(connection: str, group: int, queues: Collection[str]) -> int:
    """How many of it are still failed in Redis; at most `MOST_COUNTED`."""
    live = _of(connection, group, queues).filter(removed_at__isnull=True)
    return await live.order_by()[:MOST_COUNTED].acount()


async def keys_of(
    connection: str, group: int, queues: Collection[str] | None, live_until_ms: int | None = None
) -> AsyncIterator[list[Key]]:
    """Every failed job of the group in these queues (None: all), oldest failure first, those that do not say when they
    failed before all; with `live_until_ms` only what Redis still holds and had failed by then.
    """
    rows = _of(connection, group, queues)
    untimed, timed = rows.filter(finished_on_ms=None), rows.exclude(finished_on_ms=None)
    if live_until_ms is not None:
        untimed = untimed.filter(removed_at=None, timestamp_ms__lte=live_until_ms)
        timed = timed.filter(removed_at=None, finished_on_ms__lte=live_until_ms)
    pk = 0
    while some := await _keyed(untimed.filter(pk__gt=pk).order_by("pk")):
        pk = some[-1][0]
        yield [key for _pk, _ms, key in some]
    ms, pk = -1, 0
    while some := await _keyed(ended_after(timed, ms, pk)):
        pk, ms, _key = some[-1]
        yield [key for _pk, _ms, key in some]


def ended_after(rows: QuerySet[Job], ms: int, pk: int) -> QuerySet[Job]:
    """In the order in which they ended, from this place on: by a range of the index, however many come before."""
    rows = rows.filter(finished_on_ms__gte=ms).exclude(finished_on_ms=ms, pk__lte=pk)
    return rows.order_by("finished_on_ms", "pk")


async def _keyed(rows: QuerySet[Job]) -> list[tuple[int, int, Key]]:
    found = rows.values_list("pk", "finished_on_ms", "connection", "queue", "job_id", "timestamp_ms")[:CHUNK]
    return [(row[0], row[1] or 0, Key(*row[2:])) async for row in found]


async def places_of(cause: FailureCause, queues: Collection[str]) -> list[Place]:
    """What the newest jobs of this cause differ in, by the places of its message. Masked, as its message is."""
    return await sync_to_async(_places)(cause, queues)


def _places(cause: FailureCause, queues: Collection[str]) -> list[Place]:
    newest = _of(cause.connection, cause.group_id, queues).order_by("-finished_on_ms")
    met: list[Counter[str]] = [Counter() for _ in range(MOST_VALUES)]
    for job in newest.only("name", "failed_reason", "stacktrace")[:LOOKED_AT]:
        told = fingerprint(job.name, job.failed_reason, job.stacktrace)
        if told.digest == cause.digest:
            for place, value in enumerate(told.values):
                met[place][value] += 1
    return [Place(number, len(values), tuple(values.most_common(TOLD))) for number, values in enumerate(met) if values]


async def group_of(job: Job) -> int | None:
    """The group of a job that may come from Redis; None where it has none, or that cannot be asked."""
    if job.state != State.FAILED.value:
        return None
    key = {"connection": job.connection, "queue": job.queue, "job_id": job.job_id, "timestamp_ms": job.timestamp_ms}
    try:
        return await Job.objects.filter(**key).values_list("failure_group", flat=True).afirst()
    except DatabaseError:
        return None
