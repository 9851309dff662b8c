"""Ways through a queue's jobs, a chunk at a time: each step touches some, passes by others, and never looks back.

Others change the same sets meanwhile: so a walk leaves the decision to BullMQ's scripts, and ends whatever they answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from django.utils.translation import gettext as _

from queues.actions.local import RowWalk
from queues.errors import RedisRefused, RedisUnavailable
from queues.models.local import is_in_process
from queues.protocol import selection, writes
from queues.protocol.keys import RESERVED_IDS, STATE_KEYS
from queues.protocol.selection import Candidate
from queues.states import State

#: As many places one script call may look at; what stands behind more that stay is removed job by job.
MOST_PLACES = 1000
#: For one job the script walks the list it is in, 16 ns an item: this many items take about what a chunk may.
MOST_WALKED = 200_000


@dataclass(frozen=True, slots=True)
class Step:
    """What one chunk did: how many it touched, and per job why it was left."""

    done: int
    skipped: dict[str, str] = field(default_factory=dict)
    is_last: bool = False
    unanswered: int = 0

    def check(self) -> None:
        """Raises what stops all further steps: silence, or a refusal of every single job."""
        if self.unanswered:
            raise RedisUnavailable(_("Redis stopped answering."))
        reasons = set(self.skipped.values())
        if not self.done and len(reasons) == 1 and (reason := reasons.pop()).startswith("Redis refused"):
            raise RedisRefused(reason)


class Walk(Protocol):
    #: Round trips per step.
    trips: ClassVar[int]

    async def step(self, limit: int, most: int) -> Step:
        """Look at `limit` places and touch at most `most` jobs."""
        ...


class ScoreWalk:
    """Along a sorted set by rising score; where several share a score, past those of them that stayed."""

    trips: ClassVar[int] = 2

    def __init__(self, connection: str, queue: str, state: State, before_ms: int) -> None:
        self.connection, self.queue, self.state, self.before_ms = connection, queue, state, before_ms
        self._lowest, self._passed = "0", 0
        self._touched: set[str] = set()

    async def step(self, limit: int, most: int) -> Step:
        found = await selection.scored_ids(
            self.connection, self.queue, self.state, self._lowest, self._highest(), self._passed, limit
        )
        # One that comes back (it failed again, on a machine whose clock is behind) is not touched twice.
        meant = (await self._meant([job_id for job_id, _ in found if job_id not in self._touched]))[:most]
        answers = dict(zip(meant, await self._act(meant), strict=True)) if meant else {}
        left = writes.REASONS[writes.NOT_IN_STATE]
        gone = {job_id for job_id, answer in answers.items() if answer is None or answer == left}
        self._touched.update(job_id for job_id, answer in answers.items() if answer is None)
        self._pass(found, gone)
        return _step(answers, is_last=len(found) < limit)

    def _highest(self) -> str:
        return str(self.before_ms)

    async def _meant(self, job_ids: list[str]) -> list[str]:
        return [job_id for job_id in job_ids if job_id not in RESERVED_IDS]

    async def _act(self, job_ids: Sequence[str]) -> list[str | None]:
        return await writes.retry_jobs(self.connection, self.queue, self.state, job_ids)

    def _pass(self, found: list[tuple[str, str]], gone: set[str]) -> None:
        if not found:
            return
        last = found[-1][1]
        stayed = sum(1 for job_id, score in found if score == last and job_id not in gone)
        self._lowest, self._passed = last, stayed + (self._passed if last == self._lowest else 0)


class PromoteWalk(ScoreWalk):
    """The delayed jobs that were there when it was planned; a scheduler's coming run keeps its time."""

    trips: ClassVar[int] = 4

    def _highest(self) -> str:
        return "+inf"

    async def _meant(self, job_ids: list[str]) -> list[str]:
        return await meant_ids(self.connection, self.queue, "delayed", job_ids, self.before_ms, must_exist=True)

    async def _act(self, job_ids: Sequence[str]) -> list[str | None]:
        return await writes.promote_jobs(self.connection, self.queue, job_ids)


class FinishedWalk:
    """Removes completed or failed jobs, oldest first, until those that finished after `before_ms`."""

    trips: ClassVar[int] = 1

    def __init__(self, connection: str, queue: str, state: State, before_ms: int) -> None:
        self.connection, self.queue, self.before_ms = connection, queue, before_ms
        self._suffix = STATE_KEYS[state][0]

    async def step(self, limit: int, most: int) -> Step:
        limit = min(limit, most)
        removed = await selection.sweep(self.connection, self.queue, self._suffix, self.before_ms, limit)
        return Step(len(removed), is_last=len(removed) < limit)


class PlaceWalk:
    """Removes from a list or set whose order is not that of age. What may not go is stepped over, and looked at again
    in each call, for the script begins at the next to run; where too many stay, or too many might go, it goes on job by
    job.
    """

    trips: ClassVar[int] = 2

    def __init__(self, connection: str, queue: str, suffix: str, before_ms: int) -> None:
        self.connection, self.queue, self.suffix, self.before_ms = connection, queue, suffix, before_ms
        self._stay = self._length = 0
        self._unseen: int | None = None

    async def step(self, limit: int, most: int) -> Step:
        if self._unseen is None:
            # What is added meanwhile is younger: the places there were at first are all that need to be seen.
            self._length = await selection.key_length(self.connection, self.queue, self.suffix)
            self._unseen = self._length
        limit = min(limit, max(self._unseen, 1))
        if self._stay + limit <= MOST_PLACES and limit <= most:
            window = self._stay + limit
            removed = await selection.sweep(self.connection, self.queue, self.suffix, self.before_ms, window)
            step = Step(len(removed))
        else:
            if self.suffix in selection.LISTS:
                limit = max(1, min(limit, MOST_WALKED // max(1, self._length)))
            step = await self._one_by_one(limit, most)
        self._unseen -= limit
        self._stay = max(0, self._stay + limit - step.done)
        if not step.done:
            # Others may have taken what was to be seen.
            length = await selection.key_length(self.connection, self.queue, self.suffix)
            self._unseen = min(self._unseen, length - self._stay)
        return Step(step.done, step.skipped, self._unseen <= 0, step.unanswered)

    async def _one_by_one(self, limit: int, most: int) -> Step:
        ids = await selection.placed_ids(self.connection, self.queue, self.suffix, self._stay, limit)
        meant = (await meant_ids(self.connection, self.queue, self.suffix, ids, self.before_ms))[:most]
        if not meant:
            return Step(0)
        return Step(*await selection.remove_placed(self.connection, self.queue, self.suffix, meant))


class LocalWalk(RowWalk):
    """Along rows in SQL, where jobs run in process."""

    async def step(self, limit: int, most: int) -> Step:
        done, has_more = await self.touch(min(limit, most))
        return Step(done, is_last=not has_more)


async def meant_ids(
    connection: str, queue: str, suffix: str, job_ids: Sequence[str], before_ms: int, *, must_exist: bool = False
) -> list[str]:
    """Those of the jobs that the action means."""
    found = await selection.candidates(connection, queue, suffix, job_ids)
    return [job.id for job in found if is_meant(job, before_ms, must_exist=must_exist)]


def is_meant(job: Candidate, before_ms: int, *, must_exist: bool) -> bool:
    stays = job.is_next_run or job.is_locked or job.id in RESERVED_IDS or (must_exist and not job.exists)
    return not stays and job.is_older_than(before_ms)


def _step(answers: dict[str, str | None], *, is_last: bool = False) -> Step:
    skipped = {job_id: answer for job_id, answer in answers.items() if answer is not None}
    silent = [job_id for job_id, answer in skipped.items() if answer == writes.UNANSWERED]
    for job_id in silent:
        del skipped[job_id]
    return Step(len(answers) - len(skipped) - len(silent), skipped, is_last, len(silent))


def walks(connection: str, queue: str, action: str, state: State, before_ms: int) -> list[Walk]:
    """The ways of a bulk action, one after the other."""
    if is_in_process():
        return [LocalWalk(queue, action, state, before_ms)]
    if action == "retry-all":
        return [ScoreWalk(connection, queue, state, before_ms)]
    if action == "promote-all":
        return [PromoteWalk(connection, queue, state, before_ms)]
    if state.is_finished:
        return [FinishedWalk(connection, queue, state, before_ms)]
    return [PlaceWalk(connection, queue, suffix, before_ms) for suffix in places(action, state)]


def places(action: str, state: State) -> tuple[str, ...]:
    """The keys whose jobs an action means."""
    if action == "drain":
        return (*selection.suffixes(State.WAITING), *selection.suffixes(State.PRIORITIZED))
    return selection.suffixes(state)
