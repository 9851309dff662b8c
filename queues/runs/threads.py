"""The threads in which plain processors run."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connections

from queues.runs import database
from queues.runs.calling import call_plain
from queues.runs.ending import End
from queues.runs.job import PlainJob
from queues.runs.outcome import Outcome

log = logging.getLogger("queues.worker")
#: How many threads may hang in processors whose time was over, before the process has to be replaced.
MAX_STUCK = 10


class ThreadRun:
    """One job in a thread, or on its way to one."""

    def __init__(self, function: Callable[[Any], Any], job: PlainJob[Any], threads: Threads) -> None:
        self.function, self.job, self.began = function, job, time.monotonic()
        self._threads = threads
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Outcome] = self.loop.create_future()
        self.context = contextvars.copy_context()
        self.has_begun = False

    def end(self, how: End) -> None:
        """The function only sees that it is cancelled; where its time is over it is not waited for any longer."""
        self.job._is_cancelled = True
        if how is not End.CANCEL and self.future.cancel():
            self.job._given_up = True
            self._threads.give_up(self, how)

    def is_cut_short(self, how: End) -> bool:
        return self.job._has_seen


class Threads:
    """At most `size` threads that do their work, started as they are needed, and `MAX_STUCK` that hang.

    1. Run each job in a context of its own, with database connections fit for it.
    2. Count those given up, and tell `on_exhausted` when there are too many.

    Daemon threads: a processor that never returns must not keep a stopped worker alive.
    """

    def __init__(self, size: int, on_exhausted: Callable[[str], None] | None = None) -> None:
        self.size = size
        self._on_exhausted = on_exhausted
        self._runs: queue.SimpleQueue[ThreadRun | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        #: Runs that were given up and whose function has not returned.
        self._given_up: set[ThreadRun] = set()

    @property
    def stuck(self) -> int:
        """How many threads are in processors that nobody waits for any more."""
        return len(self._given_up)

    def start(self, function: Callable[[Any], Any], job: PlainJob[Any]) -> ThreadRun:
        run = ThreadRun(function, job, self)
        self._busy += 1
        self._runs.put(run)
        if len(self._threads) < min(self._busy + self.stuck, self.size + min(self.stuck, MAX_STUCK)):
            self._start_one()
        return run

    def give_up(self, run: ThreadRun, how: End) -> None:
        self._busy -= 1
        if not run.has_begun:
            return
        self._given_up.add(run)
        if how is not End.TIMEOUT:
            return
        log.warning("%d threads hang in processors whose time is over; the last is %s", self.stuck, run.job)
        if self.stuck >= MAX_STUCK and self._on_exhausted is not None:
            self._on_exhausted(f"{self.stuck} threads hang in processors whose time is over")

    def _finish(self, run: ThreadRun, outcome: Outcome | None) -> None:
        if run in self._given_up:
            self._given_up.discard(run)
        elif outcome is not None and not run.future.done():
            self._busy -= 1
            run.future.set_result(outcome)

    def _start_one(self) -> None:
        thread = threading.Thread(target=self._work, name=f"job thread {len(self._threads) + 1}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        try:
            while (run := self._runs.get()) is not None:
                self._run(run)
                # Or the last job of an idle thread, with its data, would stay in memory.
                del run
        finally:
            connections.close_all()

    def _run(self, run: ThreadRun) -> None:
        run.has_begun = True
        # Given up while it waited for a thread, perhaps in this moment: then it was counted as stuck.
        is_late = run.future.cancelled()
        outcome = None if is_late else run.context.run(in_thread, run.function, run.job)
        try:
            run.loop.call_soon_threadsafe(self._finish, run, outcome)
        except RuntimeError:
            log.warning("A job in a thread ended after its worker; its result is dropped.")
        # As in `call_plain`.
        del run, outcome

    async def stop(self, timeout_s: float = 1.0) -> int:
        """End the idle threads; returns how many are stuck in a processor. Callable twice."""
        for _ in self._threads:
            self._runs.put(None)
        deadline = time.monotonic() + timeout_s
        await asyncio.to_thread(self._join, deadline)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        return len(self._threads)

    def _join(self, deadline: float) -> None:
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def in_thread(function: Callable[[Any], Any], job: PlainJob[Any]) -> Outcome:
    """Run a plain processor here, with fresh database connections before and none too old after (as a request has)."""
    database.refresh()
    try:
        return call_plain(function, job)
    finally:
        database.refresh()
