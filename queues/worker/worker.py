"""A process's worker: one engine per queue over shared connections, locks and threads."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from asgiref.sync import sync_to_async
from django.db import connections

from queues.errors import RedisRefused, RedisUnavailable
from queues.options import get_options
from queues.protocol.commands import command
from queues.protocol.connections import open_wire
from queues.protocol.slots import untagged
from queues.protocol.taken import TakenJob
from queues.protocol.topology import known
from queues.runs.execution import Execution
from queues.runs.executors import Executors
from queues.signals import worker_started, worker_stopped
from queues.worker.aside import Aside
from queues.worker.duties import Duties
from queues.worker.engine import Engine
from queues.worker.leases import Leases
from queues.worker.marker import wire_name
from queues.worker.means import Means
from queues.worker.outage import Outage
from queues.worker.plans import QueuePlan
from queues.worker.recorder import Recorder

log = logging.getLogger("queues.worker")

#: Long enough for a Redis that stalls (a fork, a slow disk); not so long that a cut cable goes unnoticed.
ANSWER_S = 3.0
#: What async processors get to end after they were cancelled.
CANCEL_S = 1.0
HAND_BACK_S = 1.0
#: Threads are not waited for where their jobs were handed back.
STUCK_S = 0.1


def _nobody() -> None:
    return


def default_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Stopped:
    """`unfinished` jobs went back to their queues; `stuck` processors did not end and live as long as the process."""

    unfinished: int
    stuck: int


class Worker:
    """1. Hold the shared means: wire, leases, threads, and the aside with what must go on beside the loop.
    2. Run the engines and their side tasks, and set `died` if one of those dies.
    3. Stop in order: fetch nothing, drain, cancel, hand back, close.

    `start` and `stop` are callable twice.
    """

    def __init__(self, plans: Sequence[QueuePlan], *, connection: str = "default", name: str = "") -> None:
        self.plans, self.connection, self.name = plans, connection, name or default_name()
        self.died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._duties = Duties(self._death)
        self.id = str(uuid4())
        #: Duties are added to it before `start`.
        self.aside = Aside(connection, self._death, name=wire_name(self.name, self.id))
        self._leases = Leases(self.aside, self.id, self._lock_lost)
        self._executors = Executors(sum(plan.options.concurrency for plan in plans), self._death, self.name)
        self._outage = Outage()
        self._wire = open_wire(connection, name=wire_name(self.name, self.id), timeout_s=ANSWER_S)
        self.recorder = Recorder(connection, self.id, self.aside)
        means = Means(
            connection,
            self.name,
            self.id,
            self._wire,
            self._leases,
            self._executors,
            self._outage,
            self.recorder,
        )
        self.engines = [Engine(plan, means) for plan in plans]
        self.aside.add("leases", lambda: self._leases.keep([engine.commands for engine in self.engines]))
        self._is_started = self._is_stopping = False
        self._hurry = asyncio.Event()
        #: Called when `state` becomes another.
        self.on_change: Callable[[], None] = _nobody

    @property
    def running(self) -> int:
        return sum(len(engine.running) for engine in self.engines)

    @property
    def finished(self) -> int:
        """How many outcomes were stored."""
        return sum(engine.finished for engine in self.engines)

    @property
    def is_drained(self) -> bool:
        """Nothing runs, and every queue's last answer said that there is nothing to run."""
        return not self.running and all(engine.is_drained for engine in self.engines)

    @property
    def is_quiet(self) -> bool:
        return all(engine.is_quiet for engine in self.engines)

    @property
    def state(self) -> str:
        """running, quiet or stopping"""
        return "stopping" if self._is_stopping else "quiet" if self.is_quiet else "running"

    def start(self) -> None:
        """Where Redis is away the engines wait for it."""
        if self._is_started:
            return
        self._is_started = True
        worker_started.tell(Worker, worker=self)
        self.aside.start()
        for engine in self.engines:
            for name, duty in engine.duties():
                self._duties.start(name, duty)

    async def connected(self) -> None:
        """Wait until Redis answers, saying so while it does not."""
        patience = self._outage.patience()
        while True:
            try:
                await self._wire.call(command("PING"))
            except RedisUnavailable as error:
                await patience.wait(error)
            else:
                patience.over()
                break
        self._refuse_untagged()
        await self._warn_of_eviction()

    def _refuse_untagged(self) -> None:
        options = get_options().connection(self.connection)
        # Of several hosts it is known now, which of them is a Cluster.
        if known(options) == "cluster" and (why := untagged(options.prefix, [plan.name for plan in self.plans])):
            self._death(why)

    async def _warn_of_eviction(self) -> None:
        with suppress(RedisRefused, RedisUnavailable):
            found = re.search(rb"^maxmemory_policy:(.*?)\r?$", await self._wire.call(command("INFO", "memory")), re.M)
            policy = found[1].decode("ascii", "replace") if found else "noeviction"
            if policy != "noeviction":
                log.warning("Redis may throw jobs away: its maxmemory-policy is %s, and should be noeviction", policy)

    def quiet(self) -> None:
        """Fetch nothing more."""
        for engine in self.engines:
            engine.quiet()
        self.on_change()

    def resume(self) -> None:
        """Fetch again after `quiet`."""
        for engine in self.engines:
            engine.resume()
        self.on_change()

    def cancel_job(self, queue: str, job_id: str, reason: str, retry: bool = False) -> bool:
        """Let a running job fail with this reason; False where it does not run here, or has just ended."""
        cancelled = [run.cancel(reason, retry) for run in self._runs(queue, job_id)]
        return any(cancelled)

    def is_running(self, queue: str, job_id: str) -> bool:
        """Also while the outcome is being written down. To be asked on any thread."""
        return bool(self._runs(queue, job_id))

    def _runs(self, queue: str, job_id: str) -> list[Execution]:
        engines = [engine for engine in self.engines if engine.name == queue]
        return [run for engine in engines for run in engine.running.copy().values() if run.taken.id == job_id]

    def hurry(self) -> None:
        """Do not wait for running jobs any longer: `stop` goes on to cancel them and hand them back."""
        self._hurry.set()

    async def stop(self, drain_timeout_s: float = 0.0) -> Stopped:
        """Stop, letting what runs finish for so long, then handing it back."""
        is_first = self._is_started and not self._is_stopping
        self._is_stopping = True
        self.quiet()
        unfinished = 0
        if self._is_started and not await self._drained(drain_timeout_s):
            unfinished = await self._hand_back()
        self._outage.close()
        await self._duties.stop()
        await self.aside.stop()
        stuck = sum([await engine.abandon() for engine in self.engines])
        stuck += await self._executors.stop(STUCK_S if unfinished else CANCEL_S)
        stuck += await self._close_database()
        await self._wire.close()
        if is_first:
            worker_stopped.tell(Worker, worker=self, unfinished=unfinished, stuck=stuck)
        return Stopped(unfinished, stuck)

    async def _drained(self, timeout_s: float) -> bool:
        draining = asyncio.create_task(self.idle())
        hurrying = asyncio.create_task(self._hurry.wait())
        try:
            await asyncio.wait({draining, hurrying}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return draining.done()
        finally:
            draining.cancel()
            hurrying.cancel()

    async def idle(self) -> None:
        """Wait, after `quiet`, until nothing is fetched and nothing runs."""
        for engine in self.engines:
            await engine.idle()

    async def _hand_back(self) -> int:
        unfinished = self.running
        log.warning("%d jobs are unfinished; handing them back to their queues", unfinished)
        for engine in self.engines:
            engine.cancel()
        try:
            async with asyncio.timeout(CANCEL_S):
                await self.idle()
        except TimeoutError:
            await self._hand_back_rest()
        return unfinished

    async def _hand_back_rest(self) -> None:
        try:
            async with asyncio.timeout(HAND_BACK_S):
                await asyncio.gather(*(engine.hand_back_rest() for engine in self.engines))
        except (TimeoutError, RedisUnavailable):
            log.error("Redis is away: %d jobs stay active until their locks expire", self.running)

    async def _close_database(self) -> int:
        """Close the async ORM's connections; 1 where a cancelled processor's call still keeps their thread, else 0."""
        try:
            async with asyncio.timeout(CANCEL_S):
                await sync_to_async(connections.close_all)()
        except TimeoutError:
            return 1
        return 0

    # --- what the side tasks tell

    def _death(self, sentence: str) -> None:
        if not self.died.done():
            self.died.set_result(sentence)

    def _lock_lost(self, token: str, taken: TakenJob) -> None:
        for engine in self.engines:
            engine.lock_lost(token, taken)
