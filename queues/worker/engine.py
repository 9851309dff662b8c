"""One queue's slots: fetch, run, commit, and the next job that comes with the answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from queues.errors import RedisRefused, RedisUnavailable, TorilError
from queues.protocol.clock import now_ms
from queues.protocol.commands import Command
from queues.protocol.connections import keys
from queues.protocol.running import RunningCommands
from queues.protocol.taken import UNKNOWN, Fetched, TakenJob
from queues.runs import journal
from queues.runs.execution import Execution
from queues.runs.outcome import RateLimited, Unfinished, refusal_of
from queues.worker import schedulers
from queues.worker.commit import Committer
from queues.worker.marker import Marker
from queues.worker.means import Means
from queues.worker.plans import QueuePlan
from queues.worker.ratelimit import RateLimit
from queues.worker.recovery import Recovery
from queues.worker.reporter import RedisReporter

log = logging.getLogger("queues.worker")

#: An idle queue is asked at least this often, marker or not (THREATS.md A3.5).
POLL_S = 2.0
#: A rate limit may be lifted before its time.
LONGEST_LIMIT_S = 5.0
LARGEST_BURST = 16
ABANDON_S = 0.2


class Engine:
    """1. `feed`: while a slot is free, fetch; where there is nothing, wait for the marker, the next delayed job, the
    end of the rate limit, or the poll.
    2. Each slot: run a job, commit it, go on with the job that the answer brought.
    3. `quiet`, `cancel`, `hand_back_rest`: the ways to stop, in that order; `resume` takes `quiet` back.
    """

    def __init__(self, plan: QueuePlan, means: Means) -> None:
        self.plan, self._means = plan, means
        self.commands = RunningCommands(
            keys(means.connection, plan.name),
            name=means.name,
            lock_ms=plan.options.lock_duration_ms,
            limiter=plan.options.limiter,
            metrics=plan.options.metrics or 0,
        )
        #: By lock token.
        self.running: dict[str, Execution] = {}
        self._slots: set[asyncio.Task[None]] = set()
        self._marker = Marker(means.connection, self.commands, means.outage, self._heard)
        self._recovery = Recovery(means.wire, self.commands, plan.options, means.outage, means.leases, self._is_running)
        self._committer = Committer(
            means.wire,
            self.commands,
            plan.options,
            means.outage,
            self._recovery.suspect,
            means.leases,
            means.recorder.book(plan.name),
        )
        self._news = asyncio.Event()
        self._resumed = asyncio.Event()
        #: Set while `feed` fetches nothing because of `quiet`.
        self._is_fed = asyncio.Event()
        self.is_quiet = False
        #: The last answer brought no job; `_was_called` that there is news since the last fetch.
        self._has_nothing = False
        self._was_called = False
        #: When Redis last answered a fetch, by the monotonic clock; 0 before the first time.
        self.last_answer = 0.0
        self._due_ms = 0.0
        self._limit = RateLimit(means.wire, self.commands)
        self._burst = 1

    @property
    def name(self) -> str:
        return self.plan.name

    def duties(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        return [
            (f"feed {self.name}", self.feed()),
            (f"marker {self.name}", self._marker.run()),
            (f"stalled check {self.name}", self._recovery.check_stalled()),
            (f"sweep {self.name}", self._recovery.sweep()),
        ]

    # --- fetching

    @property
    def finished(self) -> int:
        """How many runs' outcomes were written down; those handed back don't count."""
        return self._committer.finished

    @property
    def is_drained(self) -> bool:
        """The last answer said that there is nothing to run: not that a rate limit holds it back."""
        return self._has_nothing and self._limit.left_s <= 0

    @property
    def free(self) -> int:
        """How many slots run nothing."""
        return self.plan.options.concurrency - len(self._slots)

    async def feed(self) -> None:
        """Until it is cancelled; after `quiet` it waits for `resume`."""
        patience = self._means.outage.patience(self.name)
        try:
            while True:
                while self.is_quiet:
                    self._is_fed.set()
                    await self._resumed.wait()
                self._is_fed.clear()
                answered = self.last_answer
                try:
                    await self._feed_once()
                    # To have slept until there may be work is no answer: a broken queue refuses that work again.
                    if self.last_answer != answered:
                        patience.over()
                except (RedisUnavailable, RedisRefused) as error:
                    await patience.wait(error)
        finally:
            self._is_fed.set()

    async def _feed_once(self) -> None:
        self._news.clear()
        if self.free <= 0:
            if self._was_called:
                # Heard while the last free slot was being filled.
                self._was_called = False
                self._pass_on()
            await self._news.wait()
        elif (self._has_nothing and not self._was_called) or self._limit.left_s > 0:
            await self._until_work()
        elif self._burst > 1 or not await self._limit.holds():
            await self._fetch()
        else:
            self.last_answer = time.monotonic()

    async def _fetch(self) -> None:
        """Ask for a job, or for more at once while every asking brings one. Raises the first error of all."""
        tokens = [self._means.token() for _ in range(min(self.free, self._burst))]
        self._was_called = False
        answers = [(token, self._means.wire.submit(self.commands.fetch(token))) for token in tokens]
        brought, first_error = 0, None
        for token, answer in answers:
            try:
                found = await answer
            except TorilError as error:
                first_error = first_error or error
                if isinstance(error, RedisUnavailable):
                    self._recovery.suspect(token)
                continue
            self._note(found)
            if found.job is not None:
                brought += 1
                self._open_slot(found.job, token)
        self._burst = min(self._burst * 2, LARGEST_BURST) if brought == len(answers) else 1
        if first_error is not None:
            raise first_error

    async def _until_work(self) -> None:
        """Sleep until there may be something to run."""
        limit_s, pause_s = self._limit.left_s, POLL_S
        if limit_s > 0:
            pause_s = min(limit_s, LONGEST_LIMIT_S)
        else:
            self._marker.listen()
            if self._due_ms:
                pause_s = min(pause_s, max(self._due_ms - now_ms(), 0) / 1000)
        try:
            async with asyncio.timeout(pause_s):
                await self._news.wait()
        except TimeoutError:
            self._was_called = True
            self._limit.forget()

    def look(self) -> None:
        """Fetch now, marker or not."""
        self._heard(0.0)

    def _heard(self, due_ms: float) -> None:
        """The marker: work at once, or a delayed job's time."""
        if self.is_quiet or self.free <= 0:
            self._pass_on()
        elif due_ms <= now_ms():
            self._was_called = True
        else:
            self._due_ms = min(self._due_ms or due_ms, due_ms)
        self._news.set()

    def _pass_on(self) -> None:
        """The marker was heard by a worker that cannot use it: let another hear it."""
        self._means.wire.submit(self.commands.put_marker()).add_done_callback(_forget)

    def _note(self, found: Fetched) -> None:
        if found.is_known:
            self.last_answer = time.monotonic()
            self._limit.told(found.limited_ms)
        self._has_nothing = found.is_known and found.job is None
        if self._has_nothing:
            # A score that is no time, below nought or infinite, never falls due: that would be to ask without pause.
            self._due_ms = max(found.due_ms, 0)

    # --- running

    def _open_slot(self, taken: TakenJob, token: str) -> None:
        slot = asyncio.create_task(self._slot(taken, token), name=f"slot {self.name}")
        self._slots.add(slot)
        slot.add_done_callback(self._slot_ended)
        if self.free <= 0:
            self._marker.unlisten()

    def _slot_ended(self, slot: asyncio.Task[None]) -> None:
        self._slots.discard(slot)
        self._news.set()

    async def _slot(self, first: TakenJob, token: str) -> None:
        taken: TakenJob | None = first
        while taken is not None:
            try:
                found = await self._take(taken, token)
            except TorilError as error:
                log.warning("%s %s: %s", journal.line(self.name), journal.line(taken.id), error)
                found = UNKNOWN
            except Exception:
                log.exception("%s %s: the worker itself failed", journal.line(self.name), journal.line(taken.id))
                found = UNKNOWN
            self._note(found)
            taken = found.job

    async def _take(self, taken: TakenJob, token: str) -> Fetched:
        if taken.is_ghost:
            log.warning("skipped %s %s: the job is gone, only its id was left", self.name, journal.line(taken.id))
            await self._means.wire.run(self.commands.forget_ghost(taken.raw_id))
            return UNKNOWN
        if taken.odd_fields:
            names = b", ".join(taken.odd_fields).decode()
            log.warning("dropped what cannot be read of %s %s: %s", self.name, journal.line(taken.id), names)
            await self._means.wire.call(self.commands.drop_fields(taken, taken.odd_fields))
        run = Execution(taken, token)
        self.running[token] = run
        self._means.leases.hold(self.commands, taken, token)
        try:
            return await self._run(run)
        finally:
            self._means.leases.drop(token)
            self.running.pop(token, None)

    async def _run(self, run: Execution) -> Fetched:
        if self.is_quiet:
            # Fetched in the moment of stopping.
            return await self._committer.commit(run, Unfinished(), self._may_fetch)
        if run.taken.scheduler_id:
            await schedulers.add_next(run.taken, self.commands, self._send)
        journal.started(self.name, run.taken)
        reporter = RedisReporter(run.taken, self.commands, self._send)
        refused = refusal_of(run.taken, self.plan.options.max_started_attempts)
        outcome = refused or await run.run(self.name, self.plan.processors, self._means.executors, reporter)
        if not isinstance(outcome, RateLimited):
            return await self._committer.commit(run, outcome, self._may_fetch)
        # Known here before it is known in Redis, and for as long as there.
        self._limit.set_by_hand(outcome.duration_ms)
        found = await self._committer.commit(run, outcome, self._may_fetch)
        self._limit.set_by_hand(outcome.duration_ms)
        return found

    def _may_fetch(self) -> bool:
        return not self.is_quiet and self._limit.lets_go_on()

    async def _send(self, command: Command[Any]) -> Any:
        """Waits where Redis is away; a job should not fail because a report could not be written just then."""
        patience = self._means.outage.patience()
        while True:
            try:
                answer = await self._means.wire.call(command)
            except RedisUnavailable as error:
                await patience.wait(error)
            else:
                patience.over()
                return answer

    def _is_running(self, token: str, raw_id: bytes) -> bool:
        run = self.running.get(token)
        return run is not None and run.taken.raw_id == raw_id

    def lock_lost(self, token: str, taken: TakenJob) -> None:
        """Whatever the run comes to, it will be refused; perhaps another worker runs the job by now."""
        run = self.running.get(token)
        # A slot goes on under its token: the news may be of the job before, which was finished meanwhile.
        if run is not None and run.taken is taken and not run.is_committing:
            log.warning("lost the lock of %s %s; its outcome will be refused", self.name, journal.line(run.taken.id))
            run.cancel("The job's lock was lost.")

    # --- stopping

    def quiet(self) -> None:
        """Fetch nothing more; what runs, runs on. Callable twice."""
        self.is_quiet = True
        self._resumed.clear()
        self._marker.unlisten()
        self._news.set()

    def resume(self) -> None:
        """Fetch again after `quiet`. Callable twice."""
        self.is_quiet = False
        self._was_called = True
        self._resumed.set()

    async def idle(self) -> None:
        """Wait, after `quiet`, until nothing is fetched and no slot is in use."""
        await self._is_fed.wait()
        while self._slots:
            await asyncio.wait(self._slots)

    def cancel(self) -> None:
        """Stop async processors; each job that ends so goes back to the queue."""
        for run in list(self.running.values()):
            run.cancel()

    async def hand_back_rest(self) -> int:
        """Put back what still runs; returns how many jobs that were. Their outcomes will be refused."""
        rest = [run for run in self.running.values() if not run.is_committing]
        commands = [self.commands.hand_back(run.taken.raw_id, run.token) for run in rest]
        await self._means.wire.run([*commands, self.commands.put_marker()], return_errors=True)
        return len(rest)

    async def abandon(self) -> int:
        """End the slots that are left; returns how many async processors would not be cancelled."""
        for slot in self._slots:
            slot.cancel()
        if self._slots:
            await asyncio.wait(self._slots, timeout=ABANDON_S)
        return len(self._slots)


def _forget(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()
