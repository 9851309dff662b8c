"""Writes down what came of a run, however long Redis is away, as long as the job's lock is ours."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from queues.errors import LockLost, RedisRefused, RedisUnavailable, Refused
from queues.options import QueueOptions
from queues.protocol import codec
from queues.protocol.commands import Command
from queues.protocol.running import RunningCommands
from queues.protocol.taken import UNKNOWN, ChildrenPending, Fetched, JobRemoved, NoChildPending, keep_jobs
from queues.protocol.wire import Wire
from queues.runs import backoff, journal, telling
from queues.runs.execution import Execution
from queues.runs.outcome import (
    Completed,
    Delayed,
    Failed,
    Outcome,
    RateLimited,
    Unfinished,
    WaitsForChildren,
    refusal,
    stack,
)
from queues.worker.leases import Leases
from queues.worker.outage import Outage, Patience, will_pass
from queues.worker.recorder import COMPLETED, FAILED, RETRIED, Book

#: How often a commit that Redis refuses for a reason that stays is tried again.
PATIENT_TRIES = 30
Say = Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failure, and when the next attempt is due: in so long, at once (0) or never (None)."""

    reason: str
    trace: str
    delay_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Again:
    """The job waits for nothing: to the head of the queue with it."""


Ending = Completed | Unfinished | Delayed | WaitsForChildren | RateLimited | _Failure | _Again


class Committer:
    """`suspect` is told of a token under which a lost answer may have locked another job."""

    def __init__(
        self,
        wire: Wire,
        commands: RunningCommands,
        options: QueueOptions,
        outage: Outage,
        suspect: Callable[[str], None],
        leases: Leases,
        book: Book,
    ) -> None:
        self._wire, self._commands, self._outage, self._suspect = wire, commands, outage, suspect
        self._leases, self._book = leases, book
        self._queue = commands.keys.queue
        self._keep_completed = keep_jobs(options.remove_on_complete)
        self._keep_failed = keep_jobs(options.remove_on_fail)
        self._max_starts = options.max_started_attempts
        self.finished = 0

    async def commit(self, run: Execution, outcome: Outcome, may_fetch: Callable[[], bool]) -> Fetched:
        """Read as the slot's next job, where `may_fetch` then says so. Raises RedisRefused after many tries."""
        run.is_committing = True
        patience = self._outage.patience(self._queue)
        ending: Ending = await self._failure(run, outcome) if isinstance(outcome, Failed) else outcome
        while True:
            fetch_next = may_fetch()
            # Made anew for each try: it carries the time.
            command, say = self._verdict(run, ending, fetch_next)
            try:
                if isinstance(ending, RateLimited):
                    await self._wire.call(self._commands.limit(ending.duration_ms))
                found = await self._write(run, command, patience)
            except LockLost as error:
                return await self._not_ours(run, error, patience)
            except Refused as error:
                ending = await self._instead(run, ending, error)
            except (RedisUnavailable, RedisRefused) as error:
                if patience.tries >= PATIENT_TRIES and not will_pass(error):
                    raise
                await patience.wait(error)
            else:
                patience.over()
                say()
                self.finished += not isinstance(ending, Unfinished)
                if not fetch_next or isinstance(ending, Unfinished):
                    await self._wake()
                return found

    async def _instead(self, run: Execution, ending: Ending, error: Refused) -> Ending:
        """What becomes of a job whose children do not allow the ending."""
        if isinstance(error, NoChildPending):
            return _Again()
        if isinstance(ending, _Failure):
            raise error
        if isinstance(error, ChildrenPending):
            return await self._failure(run, Failed(str(error), str(error), error=error))
        return await self._failure(run, refusal(str(error)))

    async def _wake(self) -> None:
        """Somebody else may take a job now: this slot takes none, and the scripts tell nobody of a place that became
        free below the global concurrency, nor of a job with a priority that was handed back.
        """
        with contextlib.suppress(RedisUnavailable, RedisRefused):
            await self._wire.call(self._commands.put_marker())

    async def _write(self, run: Execution, command: Command[Fetched], patience: Patience) -> Fetched:
        """Once more where the lock ran out in an outage and the job is still ours."""
        sent, was_away = time.monotonic(), patience.tries > 0
        try:
            return await self._wire.call(command)
        except JobRemoved:
            raise
        except LockLost:
            if not await self._leases.retake(self._wire, run.token, sent, was_away=was_away):
                raise
        return await self._wire.call(command)

    async def _not_ours(self, run: Execution, error: LockLost, patience: Patience) -> Fetched:
        if isinstance(error, JobRemoved):
            await self._wire.run(self._commands.forget_id(run.taken.raw_id))
        why = str(error)
        if patience.tries:
            self._suspect(run.token)
            why += ", or the outcome was stored before the connection broke"
            patience.over()
        journal.not_stored(self._queue, run.taken, why)
        return UNKNOWN

    def _verdict(self, run: Execution, ending: Ending, fetch_next: bool) -> tuple[Command[Fetched], Say]:
        """The command that writes the ending, and the line that says so once it is written."""
        taken, token, commands = run.taken, run.token, self._commands
        if isinstance(ending, Completed):
            keep = taken.options.keep_completed or self._keep_completed
            command = commands.complete(taken, token, ending.value_json, keep, fetch_next=fetch_next)
            return command, lambda: self._completed(run, ending.value_json)
        if isinstance(ending, _Failure):
            return self._failing(run, ending, fetch_next)
        if isinstance(ending, Unfinished):
            command = commands.hand_back(taken.raw_id, token)
            return command, lambda: journal.handed_back(self._queue, taken, run.duration_ms)
        if isinstance(ending, Delayed):
            command, wish = commands.postpone(taken, token, ending.delay_ms, fetch_next=fetch_next), ending.words
        elif isinstance(ending, WaitsForChildren):
            command, wish = commands.wait_for_children(taken, token), "when its children are done"
        elif isinstance(ending, RateLimited):
            command, wish = commands.hand_back(taken.raw_id, token), ending.words
        else:
            command, wish = commands.hand_back(taken.raw_id, token), "at once"
        return command, lambda: journal.put_off(self._queue, taken, run.duration_ms, wish)

    def _failing(self, run: Execution, failure: _Failure, fetch_next: bool) -> tuple[Command[Fetched], Say]:
        taken, token, reason, delay_ms = run.taken, run.token, failure.reason, failure.delay_ms
        stacks = codec.to_json(stack(taken.traces(), failure.trace, taken.options.stack_trace_limit))
        if delay_ms is None:
            keep = taken.options.keep_failed or self._keep_failed
            command = self._commands.fail(taken, token, reason, stacks, keep, fetch_next=fetch_next)
        elif delay_ms:
            command = self._commands.delay(taken, token, reason, stacks, delay_ms, fetch_next=fetch_next)
        else:
            command = self._commands.retry(taken, token, reason, stacks)
        return command, lambda: self._failed(run, failure)

    def _completed(self, run: Execution, value_json: str) -> None:
        journal.completed(self._queue, run.taken, run.duration_ms)
        self._book.record(run, COMPLETED)
        telling.completed(run, self._queue, value_json)

    def _failed(self, run: Execution, failure: _Failure) -> None:
        journal.failed(self._queue, run.taken, run.duration_ms, failure.reason, failure.delay_ms)
        self._book.record(run, FAILED if failure.delay_ms is None else RETRIED)
        telling.failed(run, self._queue, failure.reason, failure.trace, failure.delay_ms)

    async def _failure(self, run: Execution, failed: Failed) -> _Failure:
        reason, delay_ms = await backoff.next_attempt(run, failed, self._max_starts)
        return _Failure(reason, failed.trace, delay_ms)
