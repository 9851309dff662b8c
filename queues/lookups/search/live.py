"""A search where no mirror ever ran: Redis itself, a few hundred jobs at a time, for a bounded time and so many bytes.

Every list of every queue gets its turn, newest first in each; what it came to look at is said.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from queues.errors import RedisRefused
from queues.lookups.crowd import turn
from queues.lookups.filters import ReadFacts
from queues.lookups.search.entries import moment_ms
from queues.lookups.search.expressions import Both, Node, Subject, Term, holds, parts_of
from queues.lookups.search.matches import reads_payloads
from queues.lookups.search.query import Query
from queues.lookups.search.rows import is_meant
from queues.lookups.search.seen import Key, Page, Seen
from queues.lookups.snapshot import snapshot
from queues.models import Job
from queues.options import get_options
from queues.protocol.codec import text
from queues.protocol.reads import scan as redis_scan
from queues.protocol.reads.scan import Fields, Walk
from queues.states import LISTED, State

CHUNK, FIRST_STEP = 500, 100
MOST_JOBS, MOST_BYTES, MOST_S = 20_000, 32 * 1024 * 1024, 1.0
#: A larger field is not looked into.
LARGEST_DATA, LARGEST_TEXT = 256 * 1024, 16 * 1024
PLAIN = (b"timestamp", b"delay", b"priority", b"processedOn", b"finishedOn", b"ats", b"atm", b"attemptsMade")
MEASURED = dict.fromkeys((b"name", b"failedReason", b"pb", b"rjk", b"parentKey"), LARGEST_TEXT)
#: Of these a list's place alone decides.
_OF_LISTS = ("q=", "c=", "st=")


@dataclass(slots=True)
class _List:
    """One state of one queue, and how far it was walked."""

    connection: str
    queue: str
    state: State
    walk: Walk
    step: int = FIRST_STEP


@dataclass(slots=True)
class _Scan:
    query: Query
    seen: Seen
    found: list[Job] = field(default_factory=list)
    looked: int = 0
    total: int = 0
    bytes_read: int = 0

    @property
    def is_over(self) -> bool:
        return self.looked >= MOST_JOBS or self.bytes_read >= MOST_BYTES


async def page(query: Query, seen: Seen, size: int) -> Page:
    """The newest of what was found. Raises RedisUnavailable, or Busy where too many search already."""
    async with turn(None):
        done = await _scan(query, seen)
    is_whole = done.looked >= done.total
    jobs = sorted(done.found, key=moment_ms, reverse=True)[:size]
    return Page(jobs, None, len(done.found), not is_whole, searched=_searched(done, is_whole=is_whole))


def _searched(done: _Scan, *, is_whole: bool) -> str:
    told = {"looked": f"{done.looked:,}", "total": f"{done.total:,}"}
    if is_whole:
        return _("Searched all %(total)s jobs that Redis holds; no mirror remembers others.") % told
    return _("Searched the newest %(looked)s of %(total)s jobs that Redis holds; a mirror would search all.") % told


async def matching(query: Query, seen: Seen) -> AsyncIterator[list[Key]]:
    async with turn(None):
        done = await _scan(query, seen)
    if done.found:
        yield list({Key(*job.key): None for job in done.found})


async def _scan(query: Query, seen: Seen) -> _Scan:
    done = _Scan(query, seen)
    lists = deque([one async for one in _lists(done)])
    deadline = time.monotonic() + MOST_S
    while lists and not done.is_over and time.monotonic() < deadline:
        one = lists.popleft()
        ids = await one.walk.step(min(one.step, MOST_JOBS - done.looked))
        if ids:
            await _look(done, one, ids)
            one.step = CHUNK
            lists.append(one)
    return done


async def _lists(done: _Scan) -> AsyncIterator[_List]:
    """Those in which there may be a match. What cannot be reached is left out."""
    for connection in get_options().connections:
        for queue in (await snapshot(connection)).queues:
            if not done.seen.sees(connection, queue.name):
                continue
            for state in LISTED:
                if (count := queue.count(state)) and _may_hold(done.query.root, connection, queue.name, state):
                    done.total += count
                    yield _List(connection, queue.name, state, _walk(connection, queue.name, state))


def _walk(connection: str, queue: str, state: State) -> Walk:
    # Lists of what waits stand next to run first, and the newest is at their end.
    return Walk(connection, queue, state, is_reversed=not state.is_finished)


def _may_hold(root: Node, connection: str, queue: str, state: State) -> bool:
    stub = Subject(Job(connection=connection, queue=queue, state=state.value))
    told = Both(tuple(part for part in parts_of(root) if _is_of_list(part)))
    return holds(told, stub, reads=False)


def _is_of_list(node: Node) -> bool:
    if isinstance(node, Term):
        return node.token.startswith(_OF_LISTS)
    return bool(parts_of(node)) and all(map(_is_of_list, parts_of(node)))


async def _look(done: _Scan, one: _List, ids: Sequence[str]) -> None:
    wants_data = reads_payloads(done.query.root) and done.seen.reads(one.connection, one.queue)
    measured = MEASURED | ({b"data": LARGEST_DATA} if wants_data else {})
    jobs: list[Job] = []
    try:
        async for group in redis_scan.fields_within(one.connection, one.queue, ids, PLAIN, measured):
            for fields in group:
                done.bytes_read += sum(map(len, fields.values.values()))
                jobs.append(_job(one, ids[len(jobs)], fields))
    except RedisRefused:
        return
    done.looked += len(ids)
    # Making terms takes its time; others are served meanwhile.
    done.found += await asyncio.to_thread(_meant, done, jobs)


def _meant(done: _Scan, jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if is_meant(done.query, done.seen, job)]


def _job(one: _List, job_id: str, fields: Fields) -> Job:
    facts, held = ReadFacts(fields.values), fields.values
    return Job(
        connection=one.connection,
        queue=one.queue,
        job_id=job_id,
        state=one.state.value,
        timestamp_ms=facts.timestamp_ms,
        name=facts.name,
        data=text(held.get(b"data", b"")),
        delay_ms=facts.delay_ms,
        priority=facts.priority,
        processed_on_ms=facts.processed_on_ms,
        finished_on_ms=facts.finished_on_ms,
        attempts_started=facts.attempts_started,
        attempts_made=facts.attempts_made,
        processed_by=facts.processed_by,
        failed_reason=facts.failed_reason,
        scheduler_id=text(held.get(b"rjk", b"")),
        parent_key=text(held.get(b"parentKey", b"")),
    )
