"""One queue's slots in this process: what runs, how many may, and how often they may start."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from queues.inprocess.commit import Committer
from queues.inprocess.ledger import Run
from queues.inprocess.reporter import SqlReporter
from queues.mirror.thread import DatabaseThread
from queues.options import Limiter
from queues.runs import journal
from queues.runs.execution import Execution
from queues.runs.executors import Executors
from queues.runs.outcome import Outcome, RateLimited
from queues.worker.plans import QueuePlan

log = logging.getLogger("queues.inprocess")


class Lane:
    """`on_free` is told, on the loop, when a slot has become free."""

    def __init__(
        self,
        plan: QueuePlan,
        database: DatabaseThread,
        executors: Executors,
        on_free: Callable[[], None],
    ) -> None:
        self.plan, self._database = plan, database
        self._executors, self._on_free = executors, on_free
        self._committer = Committer(plan.name, plan.options, database)
        self._pace = Pace(plan.options.limiter)
        self._running: dict[str, Execution] = {}
        self.slots: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        """How many jobs may start now."""
        return max(0, min(self.plan.options.concurrency - len(self.slots), self._pace.allowed))

    @property
    def limited_s(self) -> float:
        """For how long nothing may start; 0 where nothing holds it up."""
        return self._pace.closed_s

    def hold(self, duration_ms: int) -> None:
        self._pace.close(duration_ms / 1_000)

    def open(self, run: Run) -> None:
        """Start a job."""
        self._pace.count()
        slot = asyncio.create_task(self._slot(run), name=f"slot {self.plan.name}")
        self.slots.add(slot)
        slot.add_done_callback(self._closed)

    def find(self, job_id: str) -> Execution | None:
        return self._running.get(job_id)

    def cancel(self, job_id: str, reason: str, retry: bool) -> None:
        if (execution := self.find(job_id)) is not None:
            execution.cancel(reason, retry)

    def cancel_all(self) -> None:
        """The process stops: what does not end by itself goes back."""
        for execution in list(self._running.values()):
            execution.cancel()

    def _closed(self, slot: asyncio.Task[None]) -> None:
        self.slots.discard(slot)
        self._on_free()

    async def _slot(self, run: Run) -> None:
        execution = Execution(run.taken)
        self._running[run.taken.id] = execution
        journal.started(self.plan.name, run.taken)
        try:
            outcome = await self._outcome(run, execution)
            if isinstance(outcome, RateLimited):
                self.hold(outcome.duration_ms)
            await self._committer.commit(run, execution, outcome)
        except Exception:
            log.exception("%s %s: the runner itself failed", journal.line(self.plan.name), journal.line(run.taken.id))
        finally:
            self._running.pop(run.taken.id, None)

    async def _outcome(self, run: Run, execution: Execution) -> Outcome:
        reporter = SqlReporter(run, self._database)
        return await execution.run(self.plan.name, self.plan.processors, self._executors, reporter)


class Pace:
    """The queue's `limiter` as BullMQ counts it, over this process alone: a window opened by its first job."""

    def __init__(self, limiter: Limiter | None) -> None:
        self._limiter = limiter
        self._ends_at = self._closed_until = 0.0
        self._started = 0

    @property
    def allowed(self) -> int:
        if self.closed_s > 0:
            return 0
        return 2**31 if self._limiter is None else self._limiter.max - self._count_now

    @property
    def closed_s(self) -> float:
        now = time.monotonic()
        is_full = self._limiter is not None and self._count_now >= self._limiter.max
        return max(0.0, self._closed_until - now, self._ends_at - now if is_full else 0.0)

    @property
    def _count_now(self) -> int:
        return self._started if time.monotonic() < self._ends_at else 0

    def count(self) -> None:
        if self._limiter is None:
            return
        if time.monotonic() >= self._ends_at:
            self._started, self._ends_at = 0, time.monotonic() + self._limiter.duration_ms / 1_000
        self._started += 1

    def close(self, seconds: float) -> None:
        self._closed_until = time.monotonic() + seconds
