"""Redis and the rows compared, field by field, in order and in number: what differs is named. It changes nothing.

Exact where nothing moves. Under traffic a job that moves between two looks seems to differ: what differs is looked at
again after a while, and named where it differs still, in the same way.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from asgiref.sync import sync_to_async
from django.db import models

from queues.mirror.incarnations import OF_REDIS
from queues.mirror.policy import Intake, intake
from queues.mirror.sides import ANSWER_S, CHUNK
from queues.mirror.store import FACTS, fits
from queues.models import Job, Queue
from queues.protocol import reads
from queues.protocol.codec import QueueFacts, raw
from queues.protocol.commands import command
from queues.protocol.connections import keys, open_wire, prefix
from queues.protocol.reads import bulk
from queues.protocol.reads.jobs import JobSight
from queues.protocol.reads.pulses import pulses
from queues.protocol.wire import Wire
from queues.states import LISTED, State

#: Beyond the job's natural key, which finds the row.
FIELDS = tuple(name for name in OF_REDIS if name != "timestamp_ms")
#: What a list on a page is ordered by, where rows have an order: Redis's score says the same.
ORDERED = {State.COMPLETED: "finished_on_ms", State.FAILED: "finished_on_ms", State.PRIORITIZED: "priority"}
PRIORITY_STEP = 2**32
#: Differences of one queue that are looked at twice.
MOST_DOUBTS = 10_000
PAGE = 2_000


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


@dataclass(slots=True)
class Compared:
    """How much was looked at; filled while `verify` runs."""

    queues: int = 0
    jobs: int = 0
    #: Named, and known to neither side.
    unknown: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Queue:
    """One queue under comparison."""

    on: Wire
    connection: str
    name: str
    intake: Intake
    #: Every id that Redis lists, and of how many in each state there is a row.
    seen: set[str] = field(default_factory=set)
    counted: Counter[State] = field(default_factory=Counter)


async def verify(
    connection: str = "default",
    names: Sequence[str] | None = None,
    *,
    patience_s: float = 0.0,
    compared: Compared | None = None,
) -> AsyncGenerator[Difference, None]:
    """Every difference of the named queues, or of all that either side knows. Memory: the ids of one queue.

    `patience_s`: how long to wait before a queue that differs is compared once more; 0: it is not.
    """
    compared = compared or Compared()
    found = set(await reads.queue_names(connection))
    known = await sync_to_async(lambda: set(_rows(connection).values_list("name", flat=True)))()
    on = open_wire(connection, timeout_s=ANSWER_S)
    try:
        compared.unknown += sorted(set(names or ()) - found - known)
        for name in sorted(found | known if names is None else set(names) & (found | known)):
            differences = _queue(on, connection, name, compared)
            if patience_s:
                differences = _twice(on, connection, name, patience_s, compared)
            async with aclosing(differences):
                async for difference in differences:
                    yield difference
    finally:
        await on.close()


async def _twice(
    on: Wire, connection: str, name: str, patience_s: float, compared: Compared
) -> AsyncGenerator[Difference, None]:
    first: set[Difference] = set()
    async with aclosing(_queue(on, connection, name, compared)) as differences:
        async for difference in differences:
            if len(first) < MOST_DOUBTS:
                first.add(difference)
    if first:
        await asyncio.sleep(patience_s)
        async with aclosing(_queue(on, connection, name, Compared())) as differences:
            async for difference in differences:
                if difference in first:
                    yield difference


async def _queue(on: Wire, connection: str, name: str, compared: Compared) -> AsyncGenerator[Difference, None]:
    compared.queues += 1
    row = await _rows(connection).filter(name=name).afirst()
    (facts,) = await reads.queue_facts(connection, [name])
    exists = (await pulses(on, prefix(connection), [name]))[name].exists
    if (row is None) == exists:
        yield Difference(name, "", "", "there" if exists else "gone", "there" if row else "gone")
    if row is not None and exists:
        for difference in _figures(name, facts, row):
            yield difference
    queue = _Queue(on, connection, name, intake(name))
    for state in LISTED if exists else ():
        async with aclosing(bulk.state_chunks(on, keys(connection, name), state, CHUNK)) as chunks:
            async for ids in chunks:
                fresh = [i for i in dict.fromkeys(ids) if i not in queue.seen and fits(name, i)]
                queue.seen.update(fresh)
                for difference in await _jobs(queue, state, fresh):
                    yield difference
    compared.jobs += len(queue.seen)
    async for difference in _left(queue):
        yield difference


def _rows(connection: str) -> models.QuerySet[Queue]:
    return Queue.objects.filter(connection=connection, removed_at=None).order_by()


def _open(connection: str, name: str) -> models.QuerySet[Job]:
    return Job.objects.filter(connection=connection, queue=name, removed_at__isnull=True).order_by()


def _figures(name: str, facts: QueueFacts, row: Queue) -> Iterator[Difference]:
    expected = Queue.from_facts(row.connection, facts)
    for figure in FACTS:
        there, here = getattr(expected, figure), getattr(row, figure)
        if there != here:
            yield Difference(name, "", figure, there, here)


async def _left(queue: _Queue) -> AsyncGenerator[Difference, None]:
    """What has a row and is in no list; and where rows of a state are not as many as were found one by one."""
    counted: Counter[State] = Counter()
    after = ""
    while page := await sync_to_async(_page)(queue, after):
        after = page[-1][0]
        for job_id, state in page:
            if job_id in queue.seen:
                counted[State(state)] += 1
            else:
                yield Difference(queue.name, job_id, "", "gone", "there")
    for state in LISTED:
        if queue.counted[state] != counted[state]:
            yield Difference(queue.name, "", f"{state.value} rows", queue.counted[state], counted[state])


def _page(queue: _Queue, after: str) -> list[tuple[str, str]]:
    page = _open(queue.connection, queue.name).filter(job_id__gt=after).order_by("job_id")
    return list(page.values_list("job_id", "state")[:PAGE])


async def _jobs(queue: _Queue, state: State, job_ids: Sequence[str]) -> list[Difference]:
    on, k = queue.on, keys(queue.connection, queue.name)
    sights = await bulk.job_sights(on, k, job_ids, queue.intake.limit_bytes)
    scores: Sequence[bytes | None] = [None] * len(job_ids)
    if state in ORDERED and job_ids:
        (scores,) = await bulk.forgiving(on, [command("ZMSCORE", k.state(state), *map(raw, job_ids))])
    rows = await sync_to_async(lambda: list(_open(queue.connection, queue.name).filter(job_id__in=job_ids)))()
    by_id: dict[str, list[Job]] = {}
    for row in rows:
        by_id.setdefault(row.job_id, []).append(row)
    differences: list[Difference] = []
    for sight, score in zip(sights, scores or (), strict=False):
        job_id, here = sight.record.id, by_id.get(sight.record.id, [])
        queue.counted[state] += len(here)
        # An id in a list without a hash is no job; see QueueFacts for its count.
        there = _wanted(queue, state, sight) if sight.record.exists else None
        is_due = there is not None and queue.intake.keeps(job_id, state, bool(here))
        differences += _job(queue.name, job_id, there if is_due else None, here)
        if there is not None and score is not None:
            differences += _order(queue.name, state, there, float(score), here)
    return differences


def _wanted(queue: _Queue, state: State, sight: JobSight) -> Job:
    """The row as it should be."""
    return Job.from_record(queue.connection, queue.name, state, queue.intake.record(sight.record))


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
        for column in FIELDS:
            if getattr(there, column) != getattr(row, column):
                yield Difference(name, job_id, column, getattr(there, column), getattr(row, column))


def _order(name: str, state: State, there: Job, score: float, here: Sequence[Job]) -> Iterator[Difference]:
    """Rows lie in the order of what Redis's score says, unless the job's own hash does not agree with its place."""
    place = int(score) // PRIORITY_STEP if state is State.PRIORITIZED else int(score)
    for row in here:
        value = getattr(row, ORDERED[state])
        if value != place and getattr(there, ORDERED[state]) == place:
            yield Difference(name, row.job_id, "order", place, value)
