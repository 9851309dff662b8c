"""Where a processor runs: async ones on the loop, plain ones in threads or in child processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from queues.processors import Processor
from queues.protocol.taken import TakenJob
from queues.runs import database
from queues.runs.calling import call_async
from queues.runs.ending import End, Running
from queues.runs.job import Job, PlainJob, Reporter, read_json
from queues.runs.outcome import Failed, Outcome
from queues.runs.processes import Processes
from queues.runs.threads import Threads


class LoopRun:
    """A task of its own per job: its context variables and its cancellation end with it."""

    def __init__(self, function: Callable[[Any], Any], job: Job[Any]) -> None:
        self.job, self.began = job, time.monotonic()
        self.future = asyncio.create_task(on_loop(function, job))

    def end(self, how: End) -> None:
        self.job._is_cancelled = True
        self.future.cancel()

    def is_cut_short(self, how: End) -> bool:
        # What a stop cancelled may say that it is done all the same; what an operator cancelled may not.
        return how is not End.STOP or self.job._has_seen


class Executors:
    """The places of one worker. `on_exhausted` is told, with a sentence, when its process has to be replaced."""

    def __init__(self, size: int, on_exhausted: Callable[[str], None] | None = None, name: str = "") -> None:
        #: The worker's name, for its jobs.
        self.name = name
        self.threads = Threads(size, on_exhausted)
        self.processes = Processes()

    @property
    def stuck(self) -> int:
        """How many processors are at work that nobody waits for any more."""
        return self.threads.stuck

    def start(self, processor: Processor, taken: TakenJob, queue: str, reporter: Reporter) -> Running:
        """Start a run, on the running loop. Raises ValueError, with a sentence, for data that the processor refuses."""
        data = processor.read(taken.data) if processor.read is not None else read_json(taken.data)
        if processor.executor == "async":
            return LoopRun(processor.function, Job(taken, queue, data, reporter, processor.timeout_s, self.name))
        plain = PlainJob(taken, queue, data, reporter, processor.timeout_s, self.name)
        if processor.executor == "process":
            return self.processes.start(processor, taken, plain)
        return self.start_plain(processor, plain)

    def start_plain(self, processor: Processor, job: PlainJob[Any]) -> Running:
        """Run a plain function in this process."""
        return self.threads.start(processor.function, job)

    async def stop(self, timeout_s: float = 1.0) -> int:
        """Returns how many processors are stuck. Callable twice."""
        await self.processes.stop()
        return await self.threads.stop(timeout_s)


async def on_loop(function: Callable[[Any], Any], job: Job[Any]) -> Outcome:
    outcome = await call_async(function, job)
    if isinstance(outcome, Failed):
        database.check_async()
    try:
        return outcome
    finally:
        # As in `call_async`.
        del outcome
