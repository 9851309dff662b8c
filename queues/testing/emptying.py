"""Runs what is queued until nothing is left: jobs that a test captured, or real ones by a real worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from queues import processors
from queues.errors import JobFailed
from queues.options import get_options
from queues.producer import carrier
from queues.protocol.codec import QueueFacts, parse_json
from queues.protocol.connections import close_wires
from queues.signals import job_finished
from queues.states import State
from queues.testing.carriers import MemoryCarrier
from queues.worker.plans import make_plans
from queues.worker.worker import Worker

CONNECTION = "default"
LOOK_EVERY_S = 0.01
#: Delayed jobs that are promoted at a time.
PORTION = 500


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that completed with `result`, or failed for good with `failed_reason`; `error` is what was raised last."""

    queue: str
    id: str
    name: str
    result: Any = None
    failed_reason: str = ""
    error: BaseException | None = None


@dataclass(slots=True)
class Ran:
    """The jobs that ended. One that is delayed, or waits for children, has not."""

    completed: list[EndedJob] = field(default_factory=list)
    failed: list[EndedJob] = field(default_factory=list)

    def add(self, job: EndedJob, state: State) -> None:
        (self.failed if state is State.FAILED else self.completed).append(job)


class RunUntilEmpty:
    """`run_until_empty("mails", delayed=True)`; in an async test it is awaited."""

    def __call__(
        self, *queues: str, delayed: bool = False, raises: bool = True, timeout_s: float = 30.0
    ) -> Any:  # Ran, or in a running loop an awaitable of it
        """Run the jobs of these queues (of all that have a processor) and those they add, until none is left.

        `delayed`: also those that are not due yet, failed attempts that wait for their next among them. `raises`: what
        the first job to fail for good has raised. Raises AssertionError where `timeout_s` was not enough.
        """
        running = self._run(queues, delayed, raises, timeout_s)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return carrier().run_sync(lambda: running) if _in_memory() else asyncio.run(_closing(running))
        return running

    async def _run(self, queues: Sequence[str], delayed: bool, raises: bool, timeout_s: float) -> Ran:
        memory = _in_memory()
        ran = await _of_memory(memory, queues, delayed) if memory else await _of_redis(queues, delayed, timeout_s)
        if raises and ran.failed:
            first = ran.failed[0]
            raise first.error or JobFailed(first.queue, first.id, first.failed_reason)
        return ran


def _in_memory() -> MemoryCarrier | None:
    installed = carrier()
    return installed if isinstance(installed, MemoryCarrier) else None


async def _closing(running: Any) -> Any:
    try:
        return await running
    finally:
        await close_wires()


async def _of_memory(memory: MemoryCarrier, queues: Sequence[str], delayed: bool) -> Ran:
    ran = Ran()
    for job in await memory.run(frozenset(queues), delayed=delayed):
        result = parse_json(job.return_value) if job.return_value else None
        ran.add(EndedJob(job.queue, job.id, job.name, result, job.failed_reason, job.error), job.state)
    return ran


async def _of_redis(queues: Sequence[str], delayed: bool, timeout_s: float) -> Ran:
    processors.autodiscover()
    worker = Worker(make_plans(processors.registry, get_options(), queues), connection=CONNECTION)
    #: By queue and id, in the order of their first run: what their last run raised.
    runs: dict[tuple[str, str], BaseException | None] = {}

    def ended(job: Any = None, error: BaseException | None = None, **_: Any) -> None:
        runs[job.queue, job.id] = error

    job_finished.connect(ended)
    try:
        worker.start()
        await _until_empty(worker, delayed, time.monotonic() + timeout_s)
    finally:
        await worker.stop(1.0)
        job_finished.disconnect(ended)
    return await _what_ran(runs)


async def _until_empty(worker: Worker, delayed: bool, deadline: float) -> None:
    names = [plan.name for plan in worker.plans]
    while True:
        facts = [await carrier().facts(CONNECTION, name) for name in names]
        if not any(_left(fact, delayed) for fact in facts):
            return
        if worker.died.done() or time.monotonic() > deadline:
            left = "; ".join(_words(fact, delayed) for fact in facts if _left(fact, delayed))
            raise AssertionError(f"There are still jobs: {left}.")
        if delayed:
            await _promote(names)
        await asyncio.sleep(LOOK_EVERY_S)


async def _promote(names: Sequence[str]) -> None:
    for name in names:
        for record in await carrier().jobs(CONNECTION, name, State.DELAYED, 0, PORTION):
            await carrier().promote(CONNECTION, name, record.id)


def _left(facts: QueueFacts, delayed: bool) -> dict[str, int]:
    states = [State.WAITING, State.PRIORITIZED, State.ACTIVE, *([State.DELAYED] if delayed else [])]
    return {state.value: count for state in states if (count := facts.counts.get(state.value, 0))}


def _words(facts: QueueFacts, delayed: bool) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in _left(facts, delayed).items())
    return f"{facts.name} {counts}{' (paused)' if facts.is_paused else ''}"


async def _what_ran(runs: dict[tuple[str, str], BaseException | None]) -> Ran:
    ran = Ran()
    for (queue, job_id), error in runs.items():
        record = await carrier().job(CONNECTION, queue, job_id)
        if record is None:
            # Removed as soon as it ended, as its queue is told to.
            ran.add(EndedJob(queue, job_id, "", error=error), State.FAILED if error else State.COMPLETED)
        elif record.finished_on_ms is not None:
            state = State.COMPLETED if record.return_value else State.FAILED
            result = parse_json(record.return_value) if record.return_value else None
            ran.add(EndedJob(queue, job_id, record.name, result, record.failed_reason, error), state)
    return ran
