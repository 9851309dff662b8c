"""A worker as a process of its own: its loop, its ready line, what it serves until, and what its exit code says."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any

from queues.options import get_options
from queues.protocol.connections import close_wires
from queues.runs.journal import line
from queues.worker import probes
from queues.worker.control import operate
from queues.worker.health import Health, say_beside
from queues.worker.interrupts import Interrupts
from queues.worker.limits import Quota, until_drained, until_grown
from queues.worker.link import DONE, READY, RECYCLING, STARTED, Link
from queues.worker.plans import QueuePlan
from queues.worker.probes import HealthFile, Report, Verdict
from queues.worker.worker import Stopped, Worker, default_name

log = logging.getLogger("queues.worker")

DRAIN_TIMEOUT_S = 25.0
#: How long a stopped process may take to leave, before it is made to: a stuck processor must not keep it.
LEAVE_S = 5.0
LEAVE_AT_ONCE_S = 1.0
FLUSH_S = 0.3


class Exit(IntEnum):
    """HANDED_BACK: jobs were not finished in time and went back to the head of their queues, no attempt counted."""

    DRAINED = 0
    DIED = 1
    HANDED_BACK = 3


@dataclass(frozen=True, slots=True)
class Manner:
    """How a process serves. `max_jobs` and `max_rss_mib` end it, drained, when they are reached."""

    name: str = ""
    connection: str = "default"
    drain_timeout_s: float = DRAIN_TIMEOUT_S
    is_burst: bool = False
    max_jobs: int | None = None
    max_rss_mib: int | None = None
    health_port: tuple[str, int] | None = None
    health_file: Path | None = None
    link: Link | None = None
    #: Whether the process ends when `serve` returns.
    is_own_process: bool = False


def serve(plans: Sequence[QueuePlan], manner: Manner | None = None) -> tuple[Exit, Stopped]:
    """Run a worker until SIGTERM or SIGINT; a second signal ends it without draining, a third at once.

    Raises ConfigurationError for a connection that cannot be. Call it in the main thread; leave by `leave`. Without
    plans it waits for the signal, and says so.
    """
    manner = manner or Manner()
    get_options().connection(manner.connection)
    listening = None if manner.health_port is None else probes.listen(manner.health_port)
    runner = asyncio.Runner(loop_factory=_loop_factory())
    serving = _Serving(plans, manner, listening)
    code, stopped = runner.run(serving.run() if plans else serving.wait())
    if not stopped.stuck:
        # Closing would wait for processors that do not end.
        runner.close()
    return code, stopped


def leave(code: Exit, stopped: Stopped) -> None:
    """End the process with this code, soon, whatever its threads do."""
    if stopped.stuck:
        _end(code)
    timer = threading.Timer(LEAVE_AT_ONCE_S if stopped.unfinished else LEAVE_S, _end, [code])
    timer.daemon = True
    timer.start()
    sys.exit(code)


class _Serving:
    def __init__(self, plans: Sequence[QueuePlan], manner: Manner, listening: socket.socket | None) -> None:
        self._plans, self._manner, self._listening = plans, manner, listening
        self._has_failed = False
        complain = partial(say_beside, log.warning, "%s")
        self._file = HealthFile(manner.health_file, complain) if manner.health_file is not None else None
        listeners = [self._file and self._file.write, manner.link and manner.link.beat]
        self._listeners = [listener for listener in listeners if listener]

    async def run(self) -> tuple[Exit, Stopped]:
        manner, worker = self._manner, Worker(self._plans, connection=self._manner.connection, name=self._manner.name)
        self._worker, self._health = worker, Health(worker)
        for name, duty in self._probing(self._health.report):
            worker.aside.add(name, duty)
        self._interrupts = Interrupts(
            worker,
            self._health,
            manner.drain_timeout_s,
            _end,
            unfinished=Exit.HANDED_BACK,
            is_last=manner.is_own_process,
        )
        operate(worker, self._interrupts.begin)
        with ExitStack() as stack:
            stack.enter_context(self._interrupts)
            if manner.link is not None:
                self._interrupts.is_supervised = True
                manner.link.obey(self._interrupts.order)
            worker.start()
            self._enter(STARTED)
            await self._until_end(stack)
            stopped = await worker.stop(self._interrupts.drain_timeout_s)
            await close_wires()
        if self._file is not None:
            self._file.remove()
        has_died = worker.died.done() or self._has_failed
        code = Exit.DIED if has_died else Exit.HANDED_BACK if stopped.unfinished else Exit.DRAINED
        log.info("worker %s stopped (exit code %d)", worker.name, code)
        return code, stopped

    async def wait(self) -> tuple[Exit, Stopped]:
        """There is nothing to run. A manager of processes would take an end for a crash, and end the web with it."""
        name = self._manner.name or default_name()
        why = "There is no processor: write functions with @processor(…) in jobs.py of an installed app."
        log.warning("worker %s waits to be stopped. %s", name, why)
        facts = {"name": name, "pid": os.getpid(), "running": 0, "finished": 0}
        report = Report(Verdict(True), Verdict(False, (why,)), facts)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        duties = [asyncio.create_task(duty(), name=name) for name, duty in self._probing(lambda: report)]
        self._enter(READY)
        await stop.wait()
        for duty in duties:
            duty.cancel()
        await asyncio.gather(*duties, return_exceptions=True)
        if self._file is not None:
            self._file.remove()
        return Exit.DRAINED, Stopped(0, 0)

    def _probing(self, report: Callable[[], Report]) -> list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        duties: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        if (listening := self._listening) is not None:
            duties.append(("health port", lambda: probes.answer(listening, report)))
        if self._listeners:
            duties.append(("beat", lambda: probes.tell(report, self._listeners)))
        return duties

    def _enter(self, phase: str) -> None:
        if self._manner.link is not None:
            self._manner.link.enter(phase)

    # --- until when

    async def _until_end(self, stack: ExitStack) -> None:
        """Until a signal, a death, or the end of what it was started for; says which."""
        worker = self._worker
        announcing = asyncio.create_task(self._announce())
        stopping = asyncio.create_task(self._interrupts.stop.wait())
        done = asyncio.create_task(self._until_done(stack))
        ends: set[asyncio.Future[Any]] = {stopping, worker.died, done}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in (announcing, stopping, done):
            task.cancel()
        for ended in await asyncio.gather(announcing, stopping, done, return_exceptions=True):
            if isinstance(ended, Exception):
                self._has_failed = True
                log.error("worker %s stops: it failed itself", worker.name, exc_info=ended)
        self._health.ending = "it stops"
        if worker.died.done():
            log.error("worker %s stops: %s", worker.name, worker.died.result())
        elif stopping.done() and not stopping.cancelled():
            drain_s = self._interrupts.drain_timeout_s
            # Whoever asked for it: where the supervisor stays, it puts another in this one's place.
            self._enter(RECYCLING)
            log.info("worker %s stops: no new jobs, %d to finish in %g s", worker.name, worker.running, drain_s)

    async def _until_done(self, stack: ExitStack) -> None:
        worker, manner = self._worker, self._manner
        waits = [self._ordered()]
        if manner.is_burst:
            waits.append(until_drained(worker))
        if manner.max_jobs is not None:
            waits.append(stack.enter_context(Quota(worker, manner.max_jobs)).until_used())
        if manner.max_rss_mib is not None:
            waits.append(until_grown(manner.max_rss_mib))
        tasks = [asyncio.create_task(wait) for wait in waits]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        is_burst_over = manner.is_burst and tasks[1] in done
        await self._rest(done.pop().result(), DONE if is_burst_over else RECYCLING)

    async def _ordered(self) -> str:
        await self._interrupts.recycle.wait()
        return "its supervisor replaces it"

    async def _rest(self, why: str, phase: str) -> None:
        """End without haste: what runs is finished, however long it takes."""
        worker = self._worker
        self._health.ending = f"it ends: {why}"
        worker.quiet()
        self._enter(phase)
        log.info("worker %s ends: %s; %d jobs to finish", worker.name, why, worker.running)
        await worker.idle()

    async def _announce(self) -> None:
        await self._worker.connected()
        log.info(
            "worker %s is ready on %s: %s",
            self._worker.name,
            get_options().connection(self._worker.connection).safe_url,
            "; ".join(map(_describe, self._worker.plans)),
        )
        self._enter(READY)


def _describe(plan: QueuePlan) -> str:
    known = [f"“{line(name)}” {found.path}" if name else found.path for name, found in plan.processors.items()]
    limiter = plan.options.limiter
    limit = f", {limiter.max} per {limiter.duration_ms / 1000:g} s" if limiter else ""
    return f"{line(plan.name)} ({plan.options.concurrency} at once{limit}): {', '.join(known)}"


def _end(code: int) -> None:
    # Who hangs in the writing of a log holds its lock for ever.
    flushing = threading.Thread(target=logging.shutdown, daemon=True)
    flushing.start()
    flushing.join(FLUSH_S)
    os._exit(code)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory
