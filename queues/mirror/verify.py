"""Redis and the rows compared, field by field, in no order: what differs is named. It changes nothing.

Exact where nothing moves; under traffic a job that moves between two looks is named too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db import models

from queues.mirror.incarnations import OF_REDIS
from queues.mirror.sides import ANSWER_S, CHUNK, LIMIT_BYTES
from queues.mirror.store import FACTS, fits
from queues.models import Job, Queue
from queues.protocol import reads
from queues.protocol.codec import QueueFacts
from queues.protocol.connections import keys, open_wire
from queues.protocol.reads import bulk
from queues.protocol.wire import Wire
from queues.states import LISTED, State

#: Beyond the job's natural key, which finds the row.
FIELDS = tuple(name for name in OF_REDIS if name != "timestamp_ms")


@dataclass(frozen=True, slots=True)
class Difference:
    """`job_id` is empty for a queue's own figures; `field` for a job, queue or row that is missing altogether."""

    queue: str
    job_id: str
    field: str
    redis: object
    row: object

    def __str__(self) -> str:
        where = f"{self.queue}/{self.job_id}" if self.job_id else self.queue
        what = f" {self.field}" if self.field else ""
        return f"{where}{what}: {self.redis!r:.120} in Redis, {self.row!r:.120} in its row"


async def verify(connection: str = "default", names: Sequence[str] | None = None) -> AsyncGenerator[Difference, None]:
    """Every difference of the named queues, or of all that either side knows."""
    found = set(await reads.queue_names(connection))
    rows = {queue.name: queue async for queue in Queue.objects.filter(connection=connection, removed_at=None)}
    on = open_wire(connection, timeout_s=ANSWER_S)
    try:
        for name in sorted((found | set(rows)) if names is None else names):
            async with aclosing(_queue(on, connection, name, rows.get(name), name in found)) as differences:
                async for difference in differences:
                    yield difference
    finally:
        await on.close()


async def _queue(
    on: Wire, connection: str, name: str, row: Queue | None, exists: bool
) -> AsyncGenerator[Difference, None]:
    if row is None or not exists:
        if row is not None or exists:
            yield Difference(name, "", "", "there" if exists else "gone", "there" if row else "gone")
    else:
        (facts,) = await reads.queue_facts(connection, [name])
        for difference in _figures(name, facts, row):
            yield difference
    seen: set[str] = set()
    for state in LISTED if exists else ():
        async with aclosing(bulk.state_chunks(on, keys(connection, name), state, CHUNK)) as chunks:
            async for ids in chunks:
                fresh = [job_id for job_id in dict.fromkeys(ids) if job_id not in seen and fits(name, job_id)]
                seen.update(fresh)
                for difference in await _jobs(on, connection, name, state, fresh):
                    yield difference
    # What has a row and is in no list.
    async for job_id in _open(connection, name).values_list("job_id", flat=True).aiterator():
        if job_id not in seen:
            yield Difference(name, job_id, "", "gone", "there")


def _open(connection: str, name: str) -> models.QuerySet[Job]:
    return Job.objects.filter(connection=connection, queue=name, removed_at__isnull=True).order_by()


def _figures(name: str, facts: QueueFacts, row: Queue) -> Iterator[Difference]:
    expected = Queue.from_facts(row.connection, facts)
    for field in FACTS:
        there, here = getattr(expected, field), getattr(row, field)
        if there != here:
            yield Difference(name, "", field, there, here)


async def _jobs(on: Wire, connection: str, name: str, state: State, job_ids: Sequence[str]) -> list[Difference]:
    sights = await bulk.job_sights(on, keys(connection, name), job_ids, LIMIT_BYTES)
    rows = await sync_to_async(lambda: list(_open(connection, name).filter(job_id__in=job_ids)))()
    by_id: dict[str, list[Job]] = {}
    for row in rows:
        by_id.setdefault(row.job_id, []).append(row)
    differences: list[Difference] = []
    for sight in sights:
        job_id, here = sight.record.id, by_id.get(sight.record.id, [])
        # An id in a list without a hash is no job; see QueueFacts for its count.
        there = Job.from_record(connection, name, state, sight.record) if sight.record.exists else None
        differences += _job(name, job_id, there, here)
    return differences


def _job(name: str, job_id: str, there: Job | None, here: Sequence[Job]) -> Iterator[Difference]:
    same = [row for row in here if there is not None and row.timestamp_ms == there.timestamp_ms]
    for row in here:
        if row not in same:
            yield Difference(name, job_id, "", "gone", f"there, of {row.timestamp_ms}")
    if there is None:
        return
    if not same:
        yield Difference(name, job_id, "", "there", "gone")
    for row in same:
        for field in FIELDS:
            if getattr(there, field) != getattr(row, field):
                yield Difference(name, job_id, field, getattr(there, field), getattr(row, field))
