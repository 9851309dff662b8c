"""Runs a test's jobs here and now, by the same code as a worker: processors, data models, attempts, outcomes."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Mapping, Sequence
from typing import Any

from asgiref.sync import sync_to_async

from queues import processors
from queues.processors import Processor
from queues.protocol import codec
from queues.protocol.taken import TakenJob
from queues.runs import backoff
from queues.runs.calling import call_async, call_plain
from queues.runs.ending import End, Running
from queues.runs.execution import Execution
from queues.runs.job import Job, JobFacts, PlainJob, Reporter, read_json
from queues.runs.outcome import Completed, Delayed, Failed, Outcome, Unfinished, WaitsForChildren, stack
from queues.states import State
from queues.testing.shelf import CapturedJob, Shelf

#: The job that runs in this context; what it adds runs after it.
running: contextvars.ContextVar[CapturedJob | None] = contextvars.ContextVar("running", default=None)


class InPlace:
    """Executors of one test: async processors on its loop, plain ones where its own database connection is."""

    def start(self, processor: Processor, taken: TakenJob, queue: str, reporter: Reporter) -> Running:
        data = processor.read(taken.data) if processor.read is not None else read_json(taken.data)
        kind: type[JobFacts[Any]] = Job if processor.is_async else PlainJob
        job = kind(taken, queue, data, reporter, processor.timeout_s, "test")
        return _Run(processor, job)


class _Run:
    def __init__(self, processor: Processor, job: JobFacts[Any]) -> None:
        self.job, self.began = job, time.monotonic()
        call = call_async if processor.is_async else sync_to_async(call_plain, thread_sensitive=True)
        self.future: asyncio.Future[Outcome] = asyncio.ensure_future(call(processor.function, job))

    def end(self, how: End) -> None:
        self.job._is_cancelled = True
        if isinstance(self.job, Job):
            self.future.cancel()

    def is_cut_short(self, how: End) -> bool:
        return how is not End.STOP or self.job._has_seen


class _Reports:
    """Where a job's reports go: into the job itself."""

    def __init__(self, job: CapturedJob) -> None:
        self._job = job

    async def log(self, text: str) -> None:
        self._job.logs.append(text)

    async def progress(self, value_json: str) -> None:
        self._job.progress_json = value_json

    async def update_data(self, data_json: str) -> None:
        self._job.data_json = data_json

    async def notify(self, told: Sequence[str]) -> None:
        self._job.notices.append(tuple(told))

    async def children(self) -> Mapping[str, Any]:
        done = (child for child in self._job.children if child.state is State.COMPLETED)
        return {child.key: codec.parse_json(child.return_value) for child in done}


async def run(shelf: Shelf, job: CapturedJob) -> None:
    """One attempt, and what comes of it. Raises nothing that the job's processor raises; `job.error` keeps it."""
    job.state, job.processed_on_ms, job.error = State.ACTIVE, _now_ms(), None
    execution = Execution(job.taken())
    context = running.set(job)
    try:
        known = processors.registry.of(job.queue)
        outcome = await execution.run(job.queue, known, InPlace(), _Reports(job))  # type: ignore[arg-type]
    finally:
        running.reset(context)
    await _settle(shelf, job, execution, outcome)
    if job.state.is_finished and job.parent is not None:
        _tell_parent(shelf, job, job.parent)


async def _settle(shelf: Shelf, job: CapturedJob, execution: Execution, outcome: Outcome) -> None:
    if isinstance(outcome, Completed):
        job.attempts_made += 1
        _finish(job, State.COMPLETED)
        job.return_value = outcome.value_json
    elif isinstance(outcome, Failed):
        await _fail(shelf, job, execution, outcome)
    elif isinstance(outcome, Delayed):
        shelf.queue_up(job, _now_ms() + outcome.delay_ms)
    elif isinstance(outcome, WaitsForChildren) and not all(child.state.is_finished for child in job.children):
        job.state = State.WAITING_CHILDREN
    elif isinstance(outcome, Unfinished):
        raise asyncio.CancelledError
    else:
        shelf.queue_up(job)


async def _fail(shelf: Shelf, job: CapturedJob, execution: Execution, failed: Failed) -> None:
    job.attempts_made += 1
    job.error = failed.error
    job.traces = stack(job.traces, failed.trace, execution.taken.options.stack_trace_limit)
    job.failed_reason, delay_ms = await backoff.next_attempt(execution, failed)
    if delay_ms is None:
        _finish(job, State.FAILED)
    else:
        shelf.queue_up(job, _now_ms() + delay_ms if delay_ms else 0)


def _finish(job: CapturedJob, state: State) -> None:
    job.state, job.finished_on_ms = state, _now_ms()


def _tell_parent(shelf: Shelf, child: CapturedJob, parent: CapturedJob) -> None:
    """A parent runs when all its children are done; what a child's failure does, the child's options say."""
    policy = child.options.get("on_failure")
    if child.state is State.FAILED and policy == "fail_parent":
        parent.failed_reason = f"child {child.key} failed"
        _finish(parent, State.FAILED)
        if parent.parent is not None:
            _tell_parent(shelf, parent, parent.parent)
        return
    if parent.state is not State.WAITING_CHILDREN:
        return
    goes_on = child.state is State.FAILED and policy == "continue_parent"
    if goes_on or all(_is_done(other) for other in parent.children):
        shelf.queue_up(parent)


def _is_done(child: CapturedJob) -> bool:
    is_forgiven = child.options.get("on_failure") in ("ignore_dependency", "continue_parent", "remove_dependency")
    return child.state is State.COMPLETED or (child.state is State.FAILED and is_forgiven)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
