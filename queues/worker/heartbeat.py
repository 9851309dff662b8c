"""A worker process's heartbeat in Redis: what it is, what it runs, how it fares. Sent from the aside, so that a loop
which stands still does not silence it: it shows how long it has stood.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Protocol

from queues.errors import RedisRefused, RedisUnavailable, TorilError
from queues.options import get_options
from queues.processors import Processor
from queues.protocol import clock, fleet
from queues.protocol.connections import prefix
from queues.protocol.fleet import BEAT_EVERY_S, Beat, RunningJob, Share
from queues.protocol.keys import FleetKeys
from queues.runs.execution import Execution
from queues.version import VERSION
from queues.worker.aside import Aside
from queues.worker.engine import Engine
from queues.worker.health import rss_mib, say_beside
from queues.worker.outage import will_pass

log = logging.getLogger("queues.worker")

#: How often it is tried again where Redis forbids it, or the heartbeat itself fails.
RETRY_S = 30.0
AWAY_RETRY_S = 1.0
#: How often the loop's lag is looked at; the heartbeat tells the longest.
SAMPLE_S = 0.5
LEAVE_S = 1.0


class Subject(Protocol):
    """Of a worker: what a heartbeat tells."""

    id: str
    name: str
    connection: str
    engines: list[Engine]

    @property
    def state(self) -> str: ...


class Heartbeat:
    """1. Beat every few seconds, and at once when the worker's state changes.
    2. Measure how long the worker's loop lets a call wait.
    3. Take the heartbeat away when the worker stops.

    Where Redis forbids it, that is said once; the worker goes on without.
    """

    def __init__(self, worker: Subject, aside: Aside) -> None:
        self._worker, self._aside = worker, aside
        self._keys = FleetKeys(prefix(worker.connection))
        self._host, self._started = socket.gethostname(), time.monotonic()
        self._lag, self._meter = Lag(aside), Meter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Event | None = None
        #: Redis's clock minus this process's monotonic one, in ms.
        self._offset_ms: float | None = None
        self._said = ""
        self._is_clock_said = False

    def changed(self) -> None:
        """The worker's state is another: beat now. To be called on any thread."""
        if self._loop is not None and self._news is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._news.set)

    async def run(self) -> None:
        """The duty; in the aside's loop."""
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        due = time.monotonic()
        try:
            while True:
                if self._news.is_set() or time.monotonic() >= due:
                    self._news.clear()
                    due = time.monotonic() + await self._try()
                self._lag.sample(time.monotonic())
                # Not wait_for: where news and the end come together, Python 3.11's loses the cancellation.
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(SAMPLE_S, max(0.0, due - time.monotonic()))):
                        await self._news.wait()
        finally:
            clock.learn(None)
            await self._leave()

    async def _try(self) -> float:
        """Beat once; how long to wait for the next."""
        try:
            await self._beat()
        except RedisUnavailable:
            # The worker says so already.
            return AWAY_RETRY_S
        except RedisRefused as error:
            if will_pass(error):
                return AWAY_RETRY_S
            self._say(f"This worker is not listed, for its heartbeat is refused. {error}")
            return RETRY_S
        except Exception as error:
            # A worker that runs jobs is worth more than the news of it.
            self._say(f"This worker's heartbeat failed: {type(error).__name__}: {error}")
            return RETRY_S
        self._said = ""
        return BEAT_EVERY_S

    async def _beat(self) -> None:
        if self._offset_ms is None:
            sent = time.monotonic()
            self._learn(await self._aside.wire.call(fleet.time_command()), sent)
        commands = fleet.beat_commands(self._keys, self._told())
        sent = time.monotonic()
        self._learn((await self._aside.wire.run(commands))[-1], sent)

    async def _leave(self) -> None:
        with suppress(TorilError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._aside.wire.run(fleet.farewell_commands(self._keys, self._worker.id))

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            say_beside(log.warning, "%s", sentence)

    # --- what it tells

    def _told(self) -> Beat:
        now = time.monotonic()
        worker, running = self._worker, sorted(self._running(), key=lambda one: one[1].started)
        listed = running[: fleet.MOST_RUNNING]
        return Beat(
            id=worker.id,
            name=fleet.short(worker.name),
            host=fleet.short(self._host),
            pid=os.getpid(),
            version=VERSION,
            release=fleet.short(get_options().release),
            connection=worker.connection,
            state=worker.state,
            started_ms=self._redis_ms(self._started),
            beat_ms=self._redis_ms(now),
            queues=tuple(self._share(engine) for engine in worker.engines),
            running=tuple(self._job(queue, run) for queue, run in listed),
            running_count=len(running),
            rss_bytes=round(rss_mib() * 2**20),
            cpu_percent=self._meter.percent(now),
            lag_ms=self._lag.longest(now),
            clock_ms=round(time.time() * 1000) - self._redis_ms(now),
        )

    def _running(self) -> Iterator[tuple[str, Execution]]:
        for engine in self._worker.engines:
            # A copy is one step under the interpreter's lock; the worker's thread writes meanwhile.
            for run in engine.running.copy().values():
                yield engine.name, run

    def _job(self, queue: str, run: Execution) -> RunningJob:
        taken = run.taken
        return RunningJob(
            queue=fleet.short(queue, fleet.LONGEST_QUEUE),
            id=fleet.short(taken.id, fleet.LONGEST_ID),
            name=fleet.short(taken.name),
            attempt=taken.attempts_made + 1,
            started_ms=self._redis_ms(run.started),
            progress=fleet.short(getattr(run.reporter, "last_progress", "")),
        )

    def _share(self, engine: Engine) -> Share:
        limiter = engine.plan.options.limiter
        return Share(
            queue=fleet.short(engine.name, fleet.LONGEST_QUEUE),
            slots=engine.plan.options.concurrency,
            used=len(engine.running),
            executors=executors(engine.plan.processors.values()),
            fetched_ms=self._redis_ms(engine.last_answer) if engine.last_answer else 0,
            names=job_names(engine.plan.processors),
            limit_max=limiter.max if limiter else 0,
            limit_ms=limiter.duration_ms if limiter else 0,
        )

    # --- Redis's clock

    def _redis_ms(self, moment: float) -> int:
        return round(moment * 1000 + (self._offset_ms or 0.0))

    def _learn(self, redis_ms: int, sent: float) -> None:
        got = time.monotonic()
        self._offset_ms = redis_ms - (sent + got) * 500
        clock.learn(self._offset_ms)
        off_ms = round(time.time() * 1000) - self._redis_ms(got)
        if abs(off_ms) > clock.OFF_MS and not self._is_clock_said:
            self._is_clock_said = True
            way = "ahead of" if off_ms > 0 else "behind"
            sentence = (
                "This host's clock is %.0f s %s Redis's. This worker goes by Redis's; what this host adds with a delay "
                "runs so far off."
            )
            say_beside(log.warning, sentence, abs(off_ms) / 1000, way)


class Lag:
    """How long the worker's loop lets a call wait."""

    def __init__(self, aside: Aside) -> None:
        self._aside = aside
        self._asked = 0.0
        self._longest_s = 0.0

    def sample(self, now: float) -> None:
        if not self._asked:
            self._asked = now
            self._aside.tell(self._turned, now)

    def longest(self, now: float) -> int:
        """Milliseconds: the longest wait since this was last asked, one under way included."""
        waiting_s = now - self._asked if self._asked else 0.0
        longest_s, self._longest_s = max(self._longest_s, waiting_s), 0.0
        return round(longest_s * 1000)

    def _turned(self, asked: float) -> None:
        """On the worker's loop."""
        self._longest_s, self._asked = max(self._longest_s, time.monotonic() - asked), 0.0


class Meter:
    """Processor time since the last look, in per cent of one processor."""

    def __init__(self) -> None:
        self._used, self._at = time.process_time(), time.monotonic()

    def percent(self, now: float) -> float:
        used, passed = time.process_time(), max(now - self._at, 0.001)
        share = 100 * (used - self._used) / passed
        self._used, self._at = used, now
        return round(share, 1)


def executors(processors: Iterable[Processor]) -> tuple[str, ...]:
    return tuple(sorted({processor.executor for processor in processors}))


def job_names(processors: Mapping[str | None, Processor]) -> tuple[str, ...]:
    """The only names that have a processor; none where one takes every job, or where there are too many to tell."""
    names = sorted(fleet.short(name) for name in processors if name is not None)
    return () if None in processors or len(names) > fleet.MOST_NAMES else tuple(names)
