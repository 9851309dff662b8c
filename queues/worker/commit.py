"""Writes down what came of a run, however long Redis is away, as long as the job's lock is ours."""

from __future__ import annotations

from collections.abc import Callable

from queues.errors import LockLost, RedisRefused, RedisUnavailable, Refused
from queues.options import QueueOptions
from queues.protocol import codec
from queues.protocol.commands import Command
from queues.protocol.running import RunningCommands
from queues.protocol.taken import UNKNOWN, Fetched, JobRemoved, keep_jobs
from queues.protocol.wire import Wire
from queues.worker import backoff, journal
from queues.worker.execution import Execution
from queues.worker.leases import Leases
from queues.worker.outage import Outage, Patience, will_pass
from queues.worker.outcome import Completed, Failed, Outcome, Unfinished, refusal, stack

#: How often a commit that Redis refuses for a reason that stays is tried again.
PATIENT_TRIES = 30
Say = Callable[[], None]


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
    ) -> None:
        self._wire, self._commands, self._outage, self._suspect = wire, commands, outage, suspect
        self._leases = leases
        self._queue = commands.keys.queue
        self._keep_completed = keep_jobs(options.remove_on_complete)
        self._keep_failed = keep_jobs(options.remove_on_fail)
        self.finished = 0

    async def commit(self, run: Execution, outcome: Outcome, may_fetch: Callable[[], bool]) -> Fetched:
        """Read as the slot's next job, where `may_fetch` then says so. Raises RedisRefused after many tries."""
        run.is_committing = True
        patience = self._outage.patience()
        while True:
            # Made anew for each try: it carries the time.
            command, say = self._verdict(run, outcome, may_fetch())
            try:
                found = await self._write(run, command, patience)
            except JobRemoved as error:
                await self._wire.run(self._commands.forget_id(run.taken.raw_id))
                return self._not_ours(run, error, patience)
            except LockLost as error:
                return self._not_ours(run, error, patience)
            except Refused as error:
                if isinstance(outcome, Failed):
                    raise
                outcome = refusal(str(error))
            except (RedisUnavailable, RedisRefused) as error:
                if patience.tries >= PATIENT_TRIES and not will_pass(error):
                    raise
                await patience.wait(error)
            else:
                patience.over()
                say()
                self.finished += not isinstance(outcome, Unfinished)
                if isinstance(outcome, Unfinished):
                    # The script wakes nobody for a job with a priority.
                    await self._wire.call(self._commands.put_marker())
                return found

    async def _write(self, run: Execution, command: Command[Fetched], patience: Patience) -> Fetched:
        """Once more where the lock ran out in an outage and the job is still ours."""
        try:
            return await self._wire.call(command)
        except LockLost as error:
            was_away = patience.tries > 0
            if isinstance(error, JobRemoved) or not await self._leases.retake(self._wire, run.token, was_away=was_away):
                raise
        return await self._wire.call(command)

    def _not_ours(self, run: Execution, error: LockLost, patience: Patience) -> Fetched:
        why = str(error)
        if patience.tries:
            self._suspect(run.token)
            why += ", or the outcome was stored before the connection broke"
            patience.over()
        journal.not_stored(self._queue, run.taken, why)
        return UNKNOWN

    def _verdict(self, run: Execution, outcome: Outcome, fetch_next: bool) -> tuple[Command[Fetched], Say]:
        """The command that writes the outcome, and the line that says so once it is written."""
        taken = run.taken
        if isinstance(outcome, Completed):
            keep = taken.options.keep_completed or self._keep_completed
            command = self._commands.complete(taken, run.token, outcome.value_json, keep, fetch_next=fetch_next)
            return command, lambda: journal.completed(self._queue, taken, run.duration_ms)
        if isinstance(outcome, Unfinished):
            command = self._commands.hand_back(taken.raw_id, run.token)
            return command, lambda: journal.handed_back(self._queue, taken, run.duration_ms)
        return self._failure(run, outcome, fetch_next)

    def _failure(self, run: Execution, outcome: Failed, fetch_next: bool) -> tuple[Command[Fetched], Say]:
        taken, reason = run.taken, outcome.reason
        delay_ms = None
        if outcome.may_retry and taken.attempts_made + 1 < taken.attempts:
            delay_ms = backoff.delay_ms(taken.options.backoff, taken.attempts_made + 1)
            if delay_ms is None:
                reason = f"{reason} (not tried again: this worker does not know the job's kind of backoff)"
        stacks = codec.to_json(stack(taken.traces(), outcome.trace, taken.options.stack_trace_limit))
        if delay_ms is None:
            keep = taken.options.keep_failed or self._keep_failed
            command = self._commands.fail(taken, run.token, reason, stacks, keep, fetch_next=fetch_next)
        elif delay_ms:
            command = self._commands.delay(taken, run.token, reason, stacks, delay_ms, fetch_next=fetch_next)
        else:
            command = self._commands.retry(taken, run.token, reason, stacks)
        return command, lambda: journal.failed(self._queue, taken, run.duration_ms, reason, delay_ms)
