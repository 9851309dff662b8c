"""What every page, push and figure says of the queues: read once per connection and shared by all who look.

Belongs to one event loop, as the wire does. It never lets a page wait longer than `ANSWER_WITHIN_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseFailure
from django.utils.translation import gettext as _

from queues.errors import RedisUnavailable, TorilError
from queues.lookups import local, metrics
from queues.lookups.discovery import NEVER, Discovery
from queues.lookups.metrics import Pulse
from queues.lookups.pausers import Pausers
from queues.models import Queue
from queues.models.local import is_in_process
from queues.options import ConnectionOptions, get_options
from queues.protocol import reads, selection
from queues.protocol.codec import QueueFacts
from queues.protocol.diagnosis import broken_key
from queues.protocol.reads import ServerInfo

#: A page must say within 2 s that Redis is away; this leaves it time to draw.
ANSWER_WITHIN_S = 1.7
#: CLIENT LIST and INFO cost what all clients of the server together cost: asked no more often than this.
SURROUNDINGS_EVERY_S = 3.0
#: Of jobs in SQL: to count a long history takes its time, and is to take no larger part of it than this.
COUNTING_REST = 20


@dataclass(frozen=True)
class Snapshot:
    """The queues by name, as they were at `taken_at`. Where `error` is set, Redis has not answered since."""

    connection: str
    queues: tuple[Queue, ...]
    taken_at: datetime
    error: str = ""
    server: ServerInfo | None = None

    @cached_property
    def _by_name(self) -> dict[str, Queue]:
        return {queue.name: queue for queue in self.queues}

    def queue(self, name: str) -> Queue | None:
        return self._by_name.get(name)

    @property
    def age_s(self) -> float:
        return max(0.0, (datetime.now(UTC) - self.taken_at).total_seconds())


async def snapshot(connection: str = "default", max_age_s: float = 1.0) -> Snapshot:
    """The queues, no older than `max_age_s` while Redis answers; concurrent callers join one round trip.

    An unchanged queue is the same `Queue` object as before: treat it as frozen. While Redis is away: the last known
    with `error` set; where nothing was ever known, raises RedisUnavailable (or RedisRefused).
    """
    return await _source(connection).look(max_age_s)


async def refresh(connection: str, names: Iterable[str]) -> Snapshot:
    """Read these queues now, into the shared snapshot; its `taken_at` stays that of the whole.

    A name that was unknown joins if it is a queue, one whose `meta` vanished leaves. Fails as `snapshot` does.
    """
    return await _source(connection).reread(frozenset(names))


async def names(connection: str) -> frozenset[str]:
    """Of all queues, as the last walk through Redis found them; asks for no figures. Raises as `snapshot` does."""
    source = _source(connection)
    return await source.discovery.look() if isinstance(source, _Source) else frozenset()


async def forget() -> None:
    """Drop the running loop's snapshots and end their tasks; callable at any time, twice."""
    for source in _sources.pop(asyncio.get_running_loop(), {}).values():
        await source.stop()


class _Source:
    """Duties: 1. join callers into one reading; 2. facts of all queues, and seldom workers and server, in one round
    trip; 3. what SQL knows of them: the last hour, who paused; 4. keep the last known while Redis is away.
    """

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self.discovery = Discovery(connection)
        self._known: dict[str, tuple[tuple[Any, ...], Queue]] = {}
        self._pausers = Pausers(connection)
        self._pulses: Mapping[str, Pulse] = {}
        self._workers: Mapping[str, int] | None = None
        self._server: ServerInfo | None = None
        self._surroundings_at = self._tried_at = NEVER
        self._last: Snapshot | None = None
        self._error: TorilError | None = None
        self._reading: asyncio.Task[None] | None = None
        self._feeling: asyncio.Task[None] | None = None

    async def look(self, max_age_s: float) -> Snapshot:
        # A failed reading counts as one: in an outage no page waits for what the page before it waited for.
        if time.monotonic() - self._tried_at >= max_age_s:
            await self._join()
        return self._answer()

    async def reread(self, names: frozenset[str]) -> Snapshot:
        if self._last is None or self._error is not None:
            await self._join()
            return self._answer()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._learn(await self._facts(names, around=False))
            self._last = self._snapshot(self._last.taken_at)
        except (TorilError, TimeoutError) as error:
            self._fail(error)
        return self._answer()

    async def stop(self) -> None:
        for task in (self._reading, self._feeling):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self.discovery.stop()

    async def _join(self) -> None:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name=f"snapshot of {self.connection}")
        reading = self._reading
        # Waited for, not awaited: it belongs to all callers and goes on when one of them is cancelled.
        done, _other = await asyncio.wait({reading}, timeout=ANSWER_WITHIN_S)
        if done:
            reading.result()
        else:
            self._fail(TimeoutError())

    async def _read(self) -> None:
        try:
            names = await self.discovery.look()
            began = datetime.now(UTC)
            around = time.monotonic() - self._surroundings_at >= SURROUNDINGS_EVERY_S
            facts = await self._facts(names, around)
            await self._feel(must_wait=self._last is None)
            self._known = {name: known for name, known in self._known.items() if name in self.discovery.names}
            await self._learn(facts)
            self._last, self._error = self._snapshot(began), None
            self._tried_at = time.monotonic()
        except TorilError as error:
            self._fail(error)
        finally:
            self._reading = None

    async def _facts(self, names: frozenset[str], around: bool) -> list[QueueFacts]:
        """Of those that are queues. Only what looks like nothing, or is new, is asked whether its `meta` is there."""
        seen = await reads.board(self.connection, sorted(names), around=around)
        if around:
            self._workers, self._server, self._surroundings_at = seen.workers, seen.server, time.monotonic()
        facts = await self._explained(seen.facts)
        doubtful = [fact.name for fact in facts if fact.name not in self.discovery.names or _looks_gone(fact)]
        if not doubtful:
            return facts
        exist = dict(zip(doubtful, await selection.queues_exist(self.connection, doubtful), strict=True))
        gone = frozenset(name for name, is_there in exist.items() if not is_there)
        self.discovery.add(frozenset(exist) - gone)
        self.discovery.drop(gone)
        for name in gone:
            self._known.pop(name, None)
        return [fact for fact in facts if fact.name not in gone]

    async def _feel(self, *, must_wait: bool) -> None:
        """The last hour: read beside the figures and shown with the next ones; nobody waits for it but the first."""
        if self._feeling is None or self._feeling.done():
            self._feeling = asyncio.create_task(self._read_pulses(), name=f"last hour of {self.connection}")
        if must_wait:
            await asyncio.wait({self._feeling}, timeout=ANSWER_WITHIN_S)

    async def _read_pulses(self) -> None:
        # Without the mirror's tables the figures are the same, but for the last hour.
        with contextlib.suppress(TorilError, DatabaseFailure):
            self._pulses = await metrics.pulses(self.connection)

    async def _explained(self, facts: list[QueueFacts]) -> list[QueueFacts]:
        """Broken queues with the sentence that names the wrong key."""
        names = [fact.name for fact in facts if fact.broken]
        if not names:
            return facts
        told = dict(zip(names, await asyncio.gather(*[broken_key(self.connection, n) for n in names]), strict=True))
        return [replace(fact, broken=told.get(fact.name) or fact.broken) for fact in facts]

    async def _learn(self, facts: list[QueueFacts]) -> None:
        paused = frozenset(fact.name for fact in facts if fact.is_paused)
        await self._pausers.look(paused, frozenset(fact.name for fact in facts) - paused)
        for fact in facts:
            workers = None if self._workers is None else self._workers.get(fact.name, 0)
            pauser, pulse = self._pausers.known.get(fact.name), self._pulses.get(fact.name)
            seen, known = (fact, workers, pauser, pulse), self._known.get(fact.name)
            if known is None or known[0] != seen:
                queue = Queue.from_facts(self.connection, fact, workers)
                queue.pauser, queue.pulse = pauser, pulse
                self._known[fact.name] = (seen, queue)

    def _snapshot(self, taken_at: datetime) -> Snapshot:
        queues = tuple(self._known[name][1] for name in sorted(self._known))
        return Snapshot(self.connection, queues, taken_at, server=self._server)

    def _fail(self, error: TorilError | TimeoutError) -> None:
        if isinstance(error, TimeoutError):
            error = RedisUnavailable(
                _("Redis did not answer within %(answer_within_s)s s.") % {"answer_within_s": f"{ANSWER_WITHIN_S:g}"}
            )
        self._error, self._tried_at = error, time.monotonic()

    def _answer(self) -> Snapshot:
        if self._error is None and self._last is not None:
            return self._last
        error = self._error or RedisUnavailable(_("Redis has not answered yet."))
        if self._last is None:
            # A new one each time: a raised exception gathers the traceback of whoever raised it.
            raise type(error)(str(error))
        return replace(self._last, error=str(error))


def _looks_gone(fact: QueueFacts) -> bool:
    return not any(fact.counts.values()) and not fact.version and not fact.is_paused and not fact.broken


class _LocalSource:
    """The same where jobs run in process: every look that is not recent counts anew."""

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self._last: Snapshot | None = None
        self._read_at, self._took_s = NEVER, 0.0
        self._pausers = Pausers(connection)
        self._lock = asyncio.Lock()

    async def look(self, max_age_s: float) -> Snapshot:
        async with self._lock:
            age_s = time.monotonic() - self._read_at
            if self._last is not None and (age_s < max_age_s or age_s < COUNTING_REST * self._took_s):
                return self._last
            return await self.reread(frozenset())

    async def reread(self, names: frozenset[str]) -> Snapshot:
        began, taken_at = time.monotonic(), datetime.now(UTC)
        found = await local.all_queues(self.connection)
        paused = frozenset(queue.name for queue in found if queue.is_paused)
        await self._pausers.look(paused, frozenset(queue.name for queue in found) - paused)
        pulses = await metrics.pulses(self.connection)
        for queue in found:
            queue.pauser, queue.pulse = self._pausers.known.get(queue.name), pulses.get(queue.name)
        self._last = Snapshot(self.connection, found, taken_at)
        self._read_at = time.monotonic()
        self._took_s = self._read_at - began
        return self._last

    async def stop(self) -> None: ...


_Sources = dict[ConnectionOptions | str, _Source | _LocalSource]
_sources: WeakKeyDictionary[asyncio.AbstractEventLoop, _Sources] = WeakKeyDictionary()


def _source(connection: str) -> _Source | _LocalSource:
    """The running loop's; a connection configured anew begins anew."""
    options = get_options().connection(connection)
    sources = _sources.setdefault(asyncio.get_running_loop(), {})
    if is_in_process():
        return sources.setdefault(connection, _LocalSource(connection))
    if options not in sources:
        sources[options] = _Source(connection)
    return sources[options]
