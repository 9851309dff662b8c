"""One run of one job: find its processor, read its data, run it, and give what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queues.processors import Processor
from queues.protocol.taken import TakenJob
from queues.runs.ending import End, Running
from queues.runs.executors import Executors
from queues.runs.job import NOBODY, JobFacts, Reporter
from queues.runs.outcome import Completed, Failed, Outcome, Unfinished, refusal, safe

MAX_REASON = 1_000


class Execution:
    """`run` once; `cancel` at any time, on the loop. It never raises for what a job or its processor does."""

    def __init__(self, taken: TakenJob, token: str = "") -> None:
        self.taken, self.token = taken, token
        self.started = time.monotonic()
        self.ended: float | None = None
        #: What its processor was given, and which that was; None where the job never got so far.
        self.job: JobFacts[Any] | None = None
        self.processor: Processor | None = None
        self.reporter: Reporter | None = None
        #: Its outcome is on the way to Redis; whether the lock is still ours, the script decides now.
        self.is_committing = False
        self._ending: _Ending | None = None
        self._running: Running | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def duration_ms(self) -> int:
        """How long it has run, or ran."""
        return round(((self.ended or time.monotonic()) - self.started) * 1000)

    @property
    def task(self) -> asyncio.Future[Outcome] | None:
        """What its processor runs in, while it runs: of an async one the task."""
        return self._running.future if self._running is not None else None

    def facts(self, queue: str) -> JobFacts[Any]:
        """Its job as its processor saw it; without data where it was refused before."""
        return self.job or JobFacts(self.taken, queue, None, NOBODY)

    async def run(
        self, queue: str, processors: Mapping[str | None, Processor], executors: Executors, reporter: Reporter
    ) -> Outcome:
        self.reporter = reporter
        try:
            return await self._outcome(queue, processors, executors, reporter)
        finally:
            self.ended = time.monotonic()

    def cancel(self, reason: str | None = None, retry: bool = False) -> bool:
        """End the run; False where it has ended already. An async processor is cancelled, a plain function sees
        `job.cancelled`.

        With a reason the job fails with exactly that, for good unless `retry`. Without one the worker stops: the job
        goes back to its queue, and a plain function, which cannot be stopped, is no longer waited for.
        """
        if reason is None:
            return self._end(_Ending(End.STOP, Unfinished()))
        reason = safe(reason, MAX_REASON)
        return self._end(_Ending(End.CANCEL, Failed(reason, reason, may_retry=retry)))

    async def _outcome(
        self, queue: str, processors: Mapping[str | None, Processor], executors: Executors, reporter: Reporter
    ) -> Outcome:
        taken = self.taken
        if taken.options.is_corrupt:
            return refusal("The job's options in Redis are not a JSON object.")
        processor = processors.get(taken.name) or processors.get(None)
        if processor is None:
            return _unknown(taken.name, queue, processors)
        self.processor = processor
        if self._ending is not None:
            return self._ending.outcome
        try:
            self._running = running = executors.start(processor, taken, queue, reporter)
        except ValueError as error:
            return refusal(str(error))
        self.job = running.job
        if processor.timeout_s is not None:
            self._expire_in(processor.timeout_s, processor.timeout_s)
        try:
            return await self._ended(running)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._running = None

    async def _ended(self, running: Running) -> Outcome:
        try:
            outcome = await running.future
        except asyncio.CancelledError:
            if not running.future.cancelled():
                raise
            outcome = refusal("The processor cancelled its own task.")
        ending = self._ending
        if ending is None or (isinstance(outcome, Completed) and not running.is_cut_short(ending.how)):
            return outcome
        return ending.outcome

    def _expire_in(self, seconds: float, timeout_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire, timeout_s)

    def _expire(self, timeout_s: float) -> None:
        began = self._running.began if self._running is not None else None
        if (left_s := timeout_s if began is None else began + timeout_s - time.monotonic()) > 0:
            self._expire_in(left_s, timeout_s)
            return
        reason = f"TimeoutError: the job took longer than its {timeout_s:g} s"
        self._end(_Ending(End.TIMEOUT, Failed(reason, reason, error=TimeoutError(reason))))

    def _end(self, ending: _Ending) -> bool:
        if self.is_committing or (self._running is not None and self._running.future.done()):
            return False
        # The first sentence stands; that the worker stops is none.
        if self._ending is None or self._ending.how is End.STOP:
            self._ending = ending
        if self._running is not None:
            self._running.end(ending.how)
        return True


@dataclass(frozen=True, slots=True)
class _Ending:
    how: End
    outcome: Outcome


def _unknown(name: str, queue: str, processors: Mapping[str | None, Processor]) -> Failed:
    known = ", ".join(sorted(f"“{known}”" for known in processors if known is not None)) or "no name"
    return refusal(f"UnknownJob: this worker has no processor for “{name}” in queue “{queue}”; it knows {known}.")
