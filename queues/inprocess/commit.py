"""What a run came to, decided as a worker decides it, and written to its row however long the database is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from queues.inprocess import endings, ledger
from queues.inprocess.adding import stored
from queues.inprocess.ledger import Run
from queues.mirror.thread import DatabaseThread, DatabaseUnavailable
from queues.options import QueueOptions
from queues.protocol.codec import to_json
from queues.protocol.taken import keep_jobs
from queues.runs import backoff, journal, telling
from queues.runs.execution import Execution
from queues.runs.outcome import (
    Completed,
    Delayed,
    Failed,
    Outcome,
    Unfinished,
    WaitsForChildren,
    stack,
)

log = logging.getLogger("queues.inprocess")

AGAIN_S = 1.0
Write = Callable[[], bool]
Say = Callable[[], None]


class Committer:
    """The outcomes of one queue."""

    def __init__(self, queue: str, options: QueueOptions, database: DatabaseThread) -> None:
        self._queue, self._database = queue, database
        self._keep_completed = keep_jobs(options.remove_on_complete)
        self._keep_failed = keep_jobs(options.remove_on_fail)
        self._max_starts = options.max_started_attempts

    async def commit(self, run: Run, execution: Execution, outcome: Outcome) -> None:
        """Where the job is another's by now, the outcome is logged and dropped."""
        execution.is_committing = True
        write, say = await self._verdict(run, execution, outcome)
        while True:
            try:
                is_ours = await self._database.call(write)
            except DatabaseUnavailable as error:
                log.warning("%s The outcome of %s %s waits.", error, self._queue, run.taken.id)
                await asyncio.sleep(AGAIN_S)
            else:
                break
        if is_ours:
            say()
        else:
            journal.not_stored(self._queue, run.taken, "it was removed, or is another process's by now")

    async def _verdict(self, run: Run, execution: Execution, outcome: Outcome) -> tuple[Write, Say]:
        """What writes it, and what says so once it is written."""
        if isinstance(outcome, Completed):
            keep = run.taken.options.keep_completed or self._keep_completed
            write = partial(ledger.complete, run, stored(outcome.value_json), keep)
            return write, partial(self._completed, run, execution, outcome.value_json)
        if isinstance(outcome, Failed):
            return await self._failure(run, execution, outcome)
        taken, took_ms = run.taken, execution.duration_ms
        if isinstance(outcome, Unfinished):
            return partial(ledger.put_back, run), partial(journal.handed_back, self._queue, taken, took_ms)
        # There are no children here: a job that waits for them runs again at once.
        wish = "at once" if isinstance(outcome, WaitsForChildren) else outcome.words
        delay_ms = outcome.delay_ms if isinstance(outcome, Delayed) else 0
        return partial(ledger.put_back, run, delay_ms), partial(journal.put_off, self._queue, taken, took_ms, wish)

    async def _failure(self, run: Run, execution: Execution, outcome: Failed) -> tuple[Write, Say]:
        taken = run.taken
        reason, delay_ms = await backoff.next_attempt(execution, outcome, self._max_starts)
        stacks = stored(to_json(stack(taken.traces(), outcome.trace, taken.options.stack_trace_limit)))
        say = partial(self._failed, run, execution, reason, outcome.trace, delay_ms)
        if delay_ms is None:
            keep = taken.options.keep_failed or self._keep_failed
            return partial(ledger.fail, run, stored(reason), stacks, keep), say
        return partial(ledger.retry, run, stored(reason), stacks, delay_ms), say

    # --- once it is written

    def _completed(self, run: Run, execution: Execution, value_json: str) -> None:
        journal.completed(self._queue, run.taken, execution.duration_ms)
        telling.completed(execution, self._queue, value_json)
        endings.tell(run.pk)

    def _failed(self, run: Run, execution: Execution, reason: str, trace: str, delay_ms: int | None) -> None:
        journal.failed(self._queue, run.taken, execution.duration_ms, reason, delay_ms)
        telling.failed(execution, self._queue, reason, trace, delay_ms)
        if delay_ms is None:
            endings.tell(run.pk)
