"""What stands in for Redis in a test: it keeps what is added in memory, and runs it when it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from asgiref.sync import async_to_sync

from queues import processors
from queues.errors import JobFailed, JobNotFound, Refused, TorilError
from queues.protocol.adding import NewJob
from queues.protocol.codec import JobRecord, QueueFacts
from queues.protocol.flows import NewFlow
from queues.protocol.reads import JobLogs
from queues.protocol.results import Children, Ending
from queues.states import LISTED, State
from queues.testing import inplace
from queues.testing.shelf import CapturedJob, Shelf

T = TypeVar("T")
#: A job, and whether it is new.
Put = tuple[CapturedJob, bool]
#: A job that adds itself again, or puts itself off for ever, would never let a test end.
MOST_RUNS = 10_000


class NotInTests(Refused):
    """Only a real queue can do that."""

    code = "not_in_tests"


class MemoryCarrier:
    """Keeps jobs, runs none. Schedulers, events and the rarer commands need a real queue, and say so."""

    def __init__(self) -> None:
        self.shelf = Shelf()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        async def refuse(*_: Any, **__: Any) -> Any:
            raise NotInTests(f"Jobs are kept in memory in this test, where nothing does {name}(); use a real queue.")

        return refuse

    def events(self, connection: str, queue: str, after: str | None) -> Any:
        raise NotInTests("Jobs are kept in memory in this test, where nothing tells events; use a real queue.")

    def run_sync(self, make: Callable[[], Awaitable[T]]) -> T:
        """Plain processors run in the caller's thread all the same: their database connection is the test's."""

        async def run() -> T:
            return await make()

        return async_to_sync(run)()

    # --- adding

    async def add(self, connection: str, queue: str, job: NewJob) -> str:
        return (await self._added([self.shelf.put(connection, queue, job)]))[0]

    async def add_bulk(self, connection: str, queue: str, jobs: Sequence[NewJob]) -> list[str]:
        return await self._added([self.shelf.put(connection, queue, job) for job in jobs])

    async def add_flows(self, connection: str, flows: Sequence[NewFlow]) -> None:
        await self._added([put for flow in flows for put in self._flow(connection, flow)])

    def _flow(self, connection: str, flow: NewFlow, parent: CapturedJob | None = None) -> list[Put]:
        put = self.shelf.put(connection, flow.queue, flow.job)
        job = put[0]
        if parent is not None and job.parent is None:
            job.parent = parent
            parent.children.append(job)
        found = [put, *(below for child in flow.children for below in self._flow(connection, child, job))]
        if flow.children:
            job.state = State.WAITING_CHILDREN
        return found

    async def _added(self, put: list[Put]) -> list[str]:
        return [job.id for job, _ in put]

    # --- one job

    def _find(self, connection: str, queue: str, job_id: str) -> CapturedJob:
        found = self.shelf.of(connection, queue).get(job_id)
        if found is None:
            raise JobNotFound(queue, job_id)
        return found

    async def job(self, connection: str, queue: str, job_id: str) -> JobRecord | None:
        found = self.shelf.of(connection, queue).get(job_id)
        return found.record() if found is not None else None

    async def state(self, connection: str, queue: str, job_id: str) -> State:
        found = self.shelf.of(connection, queue).get(job_id)
        return found.state if found is not None else State.UNKNOWN

    async def ending(self, connection: str, queue: str, job_id: str, timeout_s: float | None) -> Ending | None:
        """At once: nothing here goes on by itself while somebody waits."""
        found = self._find(connection, queue, job_id)
        if not found.state.is_finished:
            return None
        is_failed = found.state is State.FAILED
        return Ending(is_failed, found.return_value or "null", found.failed_reason if is_failed else "")

    async def children(self, connection: str, queue: str, job_id: str) -> Children:
        children = self._find(connection, queue, job_id).children
        done = [child for child in children if child.state is State.COMPLETED]
        failed = [child for child in children if child.state is State.FAILED]
        ignored = [child for child in failed if child.options.get("on_failure") in _IGNORED]
        return Children(
            {(child.queue, child.id): child.return_value for child in done},
            {(child.queue, child.id): child.failed_reason for child in ignored},
            failed=len(failed) - len(ignored),
            pending=len(children) - len(done) - len(failed),
        )

    async def logs(self, connection: str, queue: str, job_id: str, start: int, count: int) -> JobLogs:
        lines = self._find(connection, queue, job_id).logs
        first = max(0, len(lines) + start) if start < 0 else start
        return JobLogs(lines[first : first + count], len(lines))

    async def log(self, connection: str, queue: str, job_id: str, line: str, keep: int | None) -> int:
        lines = self._find(connection, queue, job_id).logs
        lines.append(line)
        if keep is not None:
            del lines[: max(0, len(lines) - keep)]
        return len(lines)

    async def retry(self, connection: str, queue: str, job_id: str, state: State, reset_attempts: bool = False) -> None:
        job = self._find(connection, queue, job_id)
        if reset_attempts:
            job.attempts_made = 0
        job.finished_on_ms, job.failed_reason, job.return_value = None, "", ""
        self.shelf.queue_up(job)
        await self._added([(job, True)])

    async def promote(self, connection: str, queue: str, job_id: str) -> None:
        job = self._find(connection, queue, job_id)
        if job.state is not State.DELAYED:
            raise Refused(f"Job “{job_id}” is not delayed; it is {job.state}.")
        self.shelf.queue_up(job)
        await self._added([(job, True)])

    async def remove(self, connection: str, queue: str, job_id: str, remove_children: bool = True) -> None:
        self._find(connection, queue, job_id)
        del self.shelf.of(connection, queue)[job_id]

    async def update_data(self, connection: str, queue: str, job_id: str, data: str) -> None:
        self._find(connection, queue, job_id).data_json = data

    # --- the queue

    async def facts(self, connection: str, queue: str) -> QueueFacts:
        states = [job.state for job in self.shelf.of(connection, queue).values()]
        counts = {state.value: states.count(state) for state in LISTED}
        return QueueFacts(queue, counts, is_paused=(connection, queue) in self.shelf.paused)

    async def jobs(self, connection: str, queue: str, state: State, start: int, count: int) -> list[JobRecord]:
        found = [job for job in self.shelf.of(connection, queue).values() if job.state is state]
        found.sort(key=lambda job: (job.priority, job.number), reverse=state.is_finished)
        return [job.record() for job in found[start : start + count]]

    async def pause(self, connection: str, queue: str) -> None:
        self.shelf.paused.add((connection, queue))

    async def resume(self, connection: str, queue: str) -> None:
        self.shelf.paused.discard((connection, queue))
        await self._added([])

    async def drain(self, connection: str, queue: str, delayed: bool) -> None:
        states = {State.WAITING, State.PRIORITIZED} | ({State.DELAYED} if delayed else set())
        jobs = self.shelf.of(connection, queue)
        for job_id in [job.id for job in jobs.values() if job.state in states]:
            del jobs[job_id]

    # --- running

    async def run(self, queues: frozenset[str] = frozenset(), *, delayed: bool = False) -> list[CapturedJob]:
        """Run what is there until nothing is left that may run; the jobs that ended, in the order they did."""
        processors.autodiscover()
        ended: list[CapturedJob] = []
        for _ in range(MOST_RUNS):
            job = self.shelf.next(queues, delayed=delayed)
            if job is None:
                return ended
            await inplace.run(self.shelf, job)
            if job.state.is_finished:
                ended.append(job)
        raise TorilError(f"After {MOST_RUNS:,} runs there is still something to run, the last was {job!r}.")


_IGNORED = ("ignore_dependency", "continue_parent", "remove_dependency")


class InlineCarrier(MemoryCarrier):
    """Runs each job as it is added; a delay is not waited for, nor the pause between two attempts.

    `raises`: what the processor raised in the last attempt comes out of `add`. Else it is the job's failure alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raises = True

    async def _added(self, put: list[Put]) -> list[str]:
        ids = await super()._added(put)
        # What a job adds runs when that job is through, as it would with a worker.
        if inplace.running.get() is None:
            ended = await self.run(delayed=True)
            await self._others(job for job, is_new in put if is_new)
            failed = next((job for job in ended if job.state is State.FAILED), None)
            if failed is not None and self.raises:
                raise failed.error or JobFailed(failed.queue, failed.id, failed.failed_reason)
        return ids

    async def _others(self, jobs: Any) -> None:
        """Another task of the test may be running them."""
        for job in jobs:
            while job.state is State.ACTIVE:  # noqa: ASYNC110  # for tests only
                await asyncio.sleep(0.001)

    async def ending(self, connection: str, queue: str, job_id: str, timeout_s: float | None) -> Ending | None:
        """A job that waits for another's result: that one runs now."""
        job = self._find(connection, queue, job_id)
        deadline = time.monotonic() + (timeout_s if timeout_s is not None else 5.0)
        while not job.state.is_finished and time.monotonic() < deadline:
            if self.shelf.next(frozenset(), delayed=True) is None:
                break
            await self.run(delayed=True)
        return await super().ending(connection, queue, job_id, timeout_s)
