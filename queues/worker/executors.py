"""Where a processor runs: async ones on the loop, plain ones in threads. Each gives an Outcome and never raises."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connections

from queues.worker.outcome import Failed, Outcome, of_error, of_result

log = logging.getLogger(__name__)

Function = Callable[[Any], Any]


async def on_loop(function: Function, job: Any) -> Outcome:
    """Run an async processor to its end. A CancelledError of whatever origin is an outcome like any other error."""
    try:
        outcome = of_result(await function(job))
    except BaseException as error:
        outcome = of_error(error)
        if isinstance(error, GeneratorExit):
            # Perhaps the loop is being closed, and then nothing may be awaited any more.
            return outcome
    if isinstance(outcome, Failed):
        await sync_to_async(_drop_broken_connections)()
    return outcome


class Threads:
    """At most `size` threads, started as they are needed; each closes its database connections when it ends.

    Daemon threads: a processor that never returns must not keep a stopped worker alive.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0

    def run(self, function: Function, job: Any) -> asyncio.Future[Outcome]:
        """Run a plain processor in a thread, in a context of its own."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        context = contextvars.copy_context()

        def call() -> None:
            outcome = context.run(in_thread, function, job)
            try:
                loop.call_soon_threadsafe(self._finish, future, outcome)
            except RuntimeError:
                log.warning("A job in a thread ended after its worker; its result is dropped.")

        self._busy += 1
        self._calls.put(call)
        if len(self._threads) < min(self._busy, self.size):
            self._start_one()
        return future

    def _finish(self, future: asyncio.Future[Outcome], outcome: Outcome) -> None:
        self._busy -= 1
        if not future.done():
            future.set_result(outcome)

    def _start_one(self) -> None:
        thread = threading.Thread(target=self._work, name=f"job thread {len(self._threads) + 1}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        try:
            while (call := self._calls.get()) is not None:
                call()
                # Or the last job of an idle thread, with its data, would stay in memory.
                del call
        finally:
            connections.close_all()

    async def stop(self, timeout_s: float = 1.0) -> int:
        """End the idle threads; returns how many are stuck in a processor. Callable twice."""
        for _ in self._threads:
            self._calls.put(None)
        deadline = time.monotonic() + timeout_s
        await asyncio.to_thread(self._join, deadline)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        return len(self._threads)

    def _join(self, deadline: float) -> None:
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def in_thread(function: Function, job: Any) -> Outcome:
    """Run a plain processor here, with fresh database connections before and none too old after (as a request has)."""
    _close_old_connections()
    try:
        return of_result(function(job))
    except BaseException as error:
        return of_error(error)
    finally:
        _close_old_connections()


def _close_old_connections() -> None:
    try:
        close_old_connections()
    except Exception:
        log.warning("A database connection could not be closed.", exc_info=True)


def _drop_broken_connections() -> None:
    """In the thread of the async ORM: what broke under one job is gone before the next. Healthy connections stay, for
    another job may be reading from one.
    """
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred and not connection.in_atomic_block:
            if connection.is_usable():
                connection.errors_occurred = False
            else:
                connection.close()
