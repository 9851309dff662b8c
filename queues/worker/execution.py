"""One run of one job: find its processor, read its data, run it, and give what came of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from queues.processors import Processor
from queues.protocol.running import RunningCommands
from queues.protocol.taken import TakenJob
from queues.worker.executors import Threads, on_loop
from queues.worker.job import Job, JobFacts, Send, ThreadJob
from queues.worker.outcome import Failed, Outcome, Unfinished, refusal


class Execution:
    """`run` once; `cancel` at any time. It never raises for what a job or its processor does."""

    def __init__(self, taken: TakenJob, token: str) -> None:
        self.taken, self.token = taken, token
        self.started = time.monotonic()
        self.ended: float | None = None
        self.is_cancelled = False
        #: Its outcome is on the way to Redis; whether the lock is still ours, the script decides now.
        self.is_committing = False
        #: Whose backoff decides when the next attempt is due, and the job as it saw it.
        self.processor: Processor | None = None
        self.job: JobFacts | None = None
        self._task: asyncio.Future[Outcome] | None = None

    @property
    def duration_ms(self) -> int:
        """How long it has run, or ran."""
        return round(((self.ended or time.monotonic()) - self.started) * 1000)

    async def run(
        self, processors: Mapping[str | None, Processor], threads: Threads, commands: RunningCommands, send: Send
    ) -> Outcome:
        try:
            return await self._outcome(processors, threads, commands, send)
        finally:
            self.ended = time.monotonic()

    async def _outcome(
        self, processors: Mapping[str | None, Processor], threads: Threads, commands: RunningCommands, send: Send
    ) -> Outcome:
        taken = self.taken
        if taken.deferred_failure:
            return refusal(taken.deferred_failure)
        if taken.options.is_corrupt:
            return refusal("The job's options in Redis are not a JSON object.")
        processor = processors.get(taken.name) or processors.get(None)
        if processor is None:
            return _unknown(taken.name, commands.keys.queue, processors)
        data = _data(taken)
        if isinstance(data, Failed):
            return data
        return await self._run(processor, data, threads, commands, send)

    def cancel(self) -> None:
        """Stop an async processor; a plain function cannot be stopped, and is no longer waited for."""
        self.is_cancelled = True
        if self._task is not None:
            self._task.cancel()

    async def _run(
        self, processor: Processor, data: Any, threads: Threads, commands: RunningCommands, send: Send
    ) -> Outcome:
        if self.is_cancelled:
            return Unfinished()
        # A task of its own per job: its context variables and its cancellation end with it.
        self.processor = processor
        self.job = (Job if processor.is_async else ThreadJob)(self.taken, data, commands, send)
        if processor.is_async:
            self._task = asyncio.create_task(on_loop(processor.function, self.job))
        else:
            self._task = threads.run(processor.function, self.job)
        try:
            outcome = await self._task
        except asyncio.CancelledError:
            if not self._task.cancelled():
                raise
            outcome = refusal("The processor cancelled its own task.")
        finally:
            self._task = None
        return Unfinished() if self.is_cancelled and isinstance(outcome, Failed) else outcome


def _data(taken: TakenJob) -> Any:
    try:
        return json.loads(taken.data)
    except (ValueError, RecursionError) as error:
        return refusal(f"The job's data in Redis is not JSON: {error}.")


def _unknown(name: str, queue: str, processors: Mapping[str | None, Processor]) -> Failed:
    known = ", ".join(sorted(f"“{known}”" for known in processors if known is not None)) or "no name"
    return refusal(f"UnknownJob: this worker has no processor for “{name}” in queue “{queue}”; it knows {known}.")
