"""Runs a process's own jobs: one thread with its own event loop, and on it each queue's slots."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections import Counter
from contextlib import suppress

from queues.inprocess import ledger
from queues.inprocess.lane import Lane
from queues.inprocess.presence import Presence
from queues.mirror.thread import DatabaseThread, DatabaseUnavailable
from queues.models import local
from queues.options import get_options
from queues.processors import Registry
from queues.protocol.clock import now_ms
from queues.runs.executors import Executors
from queues.worker.plans import make_plans

log = logging.getLogger("queues.inprocess")

#: What other processes gave free, or an operator let run from another process, is found this often.
POLL_S = 1.0
GRACE_S = 5.0
#: After the grace: for async processors to take their cancellation, and for what runs to be handed back.
LEAVE_S = 2.0


class Runner:
    """1. Say that this process lives (`presence`). 2. Fill free slots when something is added, due or given back.
    3. Each slot: run one job, write what came of it (`lane`). 4. `stop`: let running jobs end, hand back the rest.
    """

    def __init__(self, registry: Registry, presence: Presence | None = None) -> None:
        self.presence = presence or Presence()
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._registry = registry
        self._lanes: dict[str, Lane] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_up = threading.Event()
        self._is_quiet = False
        #: Jobs may have been added or given free since delayed ones were looked at; when the next of them is due.
        self._was_called = True
        self._looked_at = 0.0
        self._next_due_ms: int | None = None
        #: Queues that had less to run than there were slots for, since then: to ask each again costs every job 1 ms.
        self._dry: set[str] = set()
        self._grace_s = GRACE_S

    @property
    def id(self) -> str:
        return self.presence.id

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    # --- from any thread

    def start(self) -> None:
        """It takes jobs as soon as the database answers. Raises ConfigurationError; callable twice.

        Nothing here asks the database: whoever adds may be inside a transaction that the others wait for.
        """
        if self._thread is not None:
            return
        plans = make_plans(self._registry, get_options()) if self._registry.queues() else []
        self._database = DatabaseThread("in-process-database")
        self._executors = Executors(sum(plan.options.concurrency for plan in plans) or 1, name=self.name)
        for plan in plans:
            self._lanes[plan.name] = Lane(plan, self._database, self._executors, self._ring)
        self._thread = threading.Thread(target=self._serve, name="in-process jobs", daemon=True)
        self._thread.start()
        self._is_up.wait()

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Running jobs get `grace_s`; what is left then waits again, and anybody may take it. Callable twice.

        Not from the runner's own thread.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            self._grace_s = grace_s
            self._is_quiet = True
            self._ring()
            thread.join(grace_s + 3 * LEAVE_S)

    def cancel_job(self, queue: str, job_id: str, reason: str, retry: bool = False) -> bool:
        """End a job that runs in this process: it fails with exactly this reason. Whether it ran here."""
        lane, loop = self._lanes.get(queue), self._loop
        if lane is None or loop is None or lane.find(job_id) is None:
            return False
        loop.call_soon_threadsafe(lane.cancel, job_id, reason, retry)
        return True

    def hold(self, queue: str, duration_ms: int) -> None:
        """Start nothing of this queue for so long; 0 ends it."""
        if (lane := self._lanes.get(queue)) is not None:
            lane.hold(duration_ms)
            self._ring()

    def _ring(self) -> None:
        """There may be something to run, or a slot to run it in."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._news.set)

    def _call(self) -> None:
        self._was_called = True
        self._ring()

    # --- in its thread

    def _serve(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception:
            log.exception("the runner of this process has ended; its jobs wait for another process")
        finally:
            self._is_up.set()

    async def _run(self) -> None:
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        local.work.listen(self._call)
        self._is_up.set()
        try:
            while not self._is_quiet:
                self._news.clear()
                await self._turn()
            await self._leave()
        finally:
            local.work.unlisten(self._call)
            await self._executors.stop(LEAVE_S)
            with suppress(DatabaseUnavailable):
                await self._database.call(self.presence.stop)
            await self._database.close()

    async def _turn(self) -> None:
        try:
            # Nothing runs before others can see that we live: they would take it for a dead one's.
            await self._database.call(self.presence.start)
            await self._fill()
        except DatabaseUnavailable as error:
            log.warning("%s Trying again.", error)
        except Exception:
            log.exception("jobs could not be taken")
        pauses = [POLL_S, *(lane.limited_s for lane in self._lanes.values() if lane.limited_s > 0)]
        if self._next_due_ms is not None:
            pauses.append(max(0, self._next_due_ms - now_ms()) / 1_000)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(pauses)):
                await self._news.wait()

    def _may_be_due(self) -> bool:
        is_due = self._next_due_ms is not None and self._next_due_ms <= now_ms()
        return self._was_called or is_due or time.monotonic() - self._looked_at >= POLL_S

    async def _fill(self) -> None:
        """Start what there are slots for."""
        if self._may_be_due():
            self._was_called, self._looked_at = False, time.monotonic()
            self._dry.clear()
            self._next_due_ms = await self._database.call(ledger.awaken, self.id, list(self._lanes))
        if free := {name: lane.free for name, lane in self._lanes.items() if name not in self._dry and lane.free}:
            found = Counter[str]()
            for run in await self._database.call(ledger.feed, self.id, self.name, free):
                self._lanes[run.queue].open(run)
                found[run.queue] += 1
            self._dry.update(name for name, count in free.items() if found[name] < count)

    async def _leave(self) -> None:
        slots = {slot for lane in self._lanes.values() for slot in lane.slots}
        if slots:
            log.info("this process stops: %d jobs to finish in %g s", len(slots), self._grace_s)
            await asyncio.wait(slots, timeout=self._grace_s)
        for lane in self._lanes.values():
            lane.cancel_all()
        rest = {slot for slot in slots if not slot.done()}
        if rest:
            _, stuck = await asyncio.wait(rest, timeout=LEAVE_S)
            for slot in stuck:
                slot.cancel()
