"""A worker as a process of its own: its loop, its signals, its ready line, and what its exit code says."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from enum import IntEnum
from types import FrameType
from typing import Any

from queues.options import get_options
from queues.protocol.connections import close_wires
from queues.worker.engine import QueuePlan
from queues.worker.journal import line
from queues.worker.worker import Stopped, Worker

log = logging.getLogger("queues.worker")

DRAIN_TIMEOUT_S = 25.0
#: How long a stopped process may take to leave, before it is made to: a stuck processor must not keep it.
LEAVE_S = 5.0
LEAVE_AT_ONCE_S = 1.0


class Exit(IntEnum):
    """HANDED_BACK: jobs were not finished in time and went back to the head of their queues, no attempt counted."""

    DRAINED = 0
    DIED = 1
    HANDED_BACK = 3


def serve(
    plans: Sequence[QueuePlan], *, connection: str = "default", name: str = "", drain_timeout_s: float = DRAIN_TIMEOUT_S
) -> tuple[Exit, Stopped]:
    """Run a worker until SIGTERM or SIGINT; a second signal ends it without draining, a third at once.

    Raises ConfigurationError for a connection that cannot be. Call it in the main thread; leave by `leave`.
    """
    get_options().connection(connection)
    runner = asyncio.Runner(loop_factory=_loop_factory())
    code, stopped = runner.run(_serve(plans, connection, name, drain_timeout_s))
    if not stopped.stuck:
        # Closing would wait for processors that do not end.
        runner.close()
    return code, stopped


def leave(code: Exit, stopped: Stopped) -> None:
    """End the process with this code, soon, whatever its threads do."""
    if stopped.stuck:
        _end(code)
    _end_in(LEAVE_AT_ONCE_S if stopped.unfinished else LEAVE_S, code)
    sys.exit(code)


async def _serve(
    plans: Sequence[QueuePlan], connection: str, name: str, drain_timeout_s: float
) -> tuple[Exit, Stopped]:
    worker, stop = Worker(plans, connection=connection, name=name), asyncio.Event()
    with _Signals(worker, stop):
        worker.start()
        announcing = asyncio.create_task(_announce(worker))
        stopping = asyncio.create_task(stop.wait())
        ends: set[asyncio.Future[Any]] = {stopping, worker.died}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        announcing.cancel()
        stopping.cancel()
        if worker.died.done():
            log.error("worker %s stops: %s", worker.name, worker.died.result())
        else:
            log.info("worker %s stops: no new jobs, %d to finish in %g s", worker.name, worker.running, drain_timeout_s)
        stopped = await worker.stop(drain_timeout_s)
        await close_wires()
    code = Exit.DIED if worker.died.done() else Exit.HANDED_BACK if stopped.unfinished else Exit.DRAINED
    log.info("worker %s stopped (exit code %d)", worker.name, code)
    return code, stopped


async def _announce(worker: Worker) -> None:
    await worker.connected()
    log.info(
        "worker %s is ready on %s: %s",
        worker.name,
        get_options().connection(worker.connection).safe_url,
        "; ".join(map(_describe, worker.plans)),
    )


def _describe(plan: QueuePlan) -> str:
    known = [f"“{line(name)}” {found.path}" if name else found.path for name, found in plan.processors.items()]
    limiter = plan.options.limiter
    limit = f", {limiter.max} per {limiter.duration_ms / 1000:g} s" if limiter else ""
    return f"{line(plan.name)} ({plan.options.concurrency} at once{limit}): {', '.join(known)}"


class _Signals:
    """SIGTERM and SIGINT while it is entered. Python's own handlers, not the loop's: a processor that blocks the loop
    must not make the process deaf to a second signal.
    """

    def __init__(self, worker: Worker, stop: asyncio.Event) -> None:
        self._worker, self._stop = worker, stop
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._before: dict[int, Any] = {}
        self._backstop: threading.Timer | None = None

    def __enter__(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._came)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._backstop is not None:
            self._backstop.cancel()

    def _came(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self._loop.call_soon_threadsafe(self._stop.set)
        elif self._count == 2:
            self._loop.call_soon_threadsafe(self._worker.hurry)
            self._backstop = _end_in(LEAVE_AT_ONCE_S * 1.5, Exit.HANDED_BACK)
        else:
            os._exit(Exit.HANDED_BACK)


def _end_in(seconds: float, code: int) -> threading.Timer:
    timer = threading.Timer(seconds, _end, [code])
    timer.daemon = True
    timer.start()
    return timer


def _end(code: int) -> None:
    logging.shutdown()
    os._exit(code)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory
