"""One chunk of an operation: looked at, done, and what became of each job.

A job is touched only where it is found as it was frozen. What was in hand when something broke is looked at the same
way: who is not there any more was done then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from queues.actions.ages import refusal_of as refusal_of_age
from queues.errors import RedisRefused
from queues.models import Operation, OperationItem
from queues.operations.books import Hand, Item, Verdict
from queues.operations.kinds import ACTIONS
from queues.protocol import operating, writes
from queues.protocol.ages import age_of
from queues.protocol.keys import RESERVED_IDS
from queues.protocol.operating import Answers
from queues.protocol.reads.held import held, next_runs, still
from queues.protocol.taking import CHANGED, GONE
from queues.restrictions import refusal_of
from queues.states import State

Outcome = OperationItem.Outcome
DONE, MOVED = Verdict(Outcome.DONE), Verdict(Outcome.MOVED)
_LEFT = (writes.REASONS[writes.NOT_IN_STATE], writes.REASONS[writes.MISSING_JOB], GONE)
NEXT_RUN = "it is the next run of a scheduler"


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs of one hand that are in one queue and were found in one state."""

    operation: Operation
    queue: str
    state: State
    items: tuple[Item, ...]

    @property
    def connection(self) -> str:
        return self.operation.connection

    @property
    def ids(self) -> list[str]:
        return [item.job_id for item in self.items]

    def of(self, items: Iterable[Item]) -> Group:
        return Group(self.operation, self.queue, self.state, tuple(items))


async def act(hand: Hand, *, finishes_only: bool = False) -> dict[int, Verdict]:
    """Per item what became of it. `finishes_only` touches none that was not begun, and says nothing of it.

    Raises RedisUnavailable: what is in hand may have been done or not. RedisRefused: where Redis refuses every one.
    """
    verdicts: dict[int, Verdict] = {}
    for group in groups(hand):
        meant, told = await look(group, hand.is_again)
        verdicts |= told
        if finishes_only or not meant.items:
            continue
        answers = await _do(meant, hand.is_again)
        verdicts |= {item.seq: verdict(answer) for item, answer in zip(meant.items, answers, strict=True)}
    refuse_if_all_are(verdicts)
    return verdicts


def groups(hand: Hand) -> Iterator[Group]:
    ordered = sorted(hand.items, key=lambda item: (item.queue, item.state, item.seq))
    for (queue, state), items in groupby(ordered, key=lambda item: (item.queue, item.state)):
        yield Group(hand.operation, queue, State(state), tuple(items))


async def look(group: Group, is_again: bool) -> tuple[Group, dict[int, Verdict]]:
    """Those to be touched, and what is known of the others already."""
    if closed := _closed(group) or await _too_old(group):
        return group.of(()), {item.seq: Verdict(Outcome.STAYED, closed) for item in group.items}
    told = {item.seq: MOVED for item in group.items if item.job_id in RESERVED_IDS or group.state is State.UNKNOWN}
    rest = group.of(item for item in group.items if item.seq not in told)
    if rest.items:
        there = await still(rest.connection, rest.queue, rest.state, [(item.job_id, item.mark) for item in rest.items])
        absent = DONE if is_again else MOVED
        told |= {item.seq: absent for item, is_there in zip(rest.items, there, strict=True) if not is_there}
    rest = group.of(item for item in rest.items if item.seq not in told)
    stays = await _next_runs(rest)
    told |= {item.seq: Verdict(Outcome.STAYED, NEXT_RUN) for item in rest.items if item.job_id in stays}
    return group.of(item for item in rest.items if item.seq not in told), told


def _closed(group: Group) -> str:
    """Why nobody may do this in that queue; empty where it is open."""
    action = group.operation.action
    needed = "job.retry-completed" if action == "retry" and group.state is State.COMPLETED else ACTIONS[action].needed
    refusal = refusal_of(needed, group.queue)
    return str(refusal) if refusal else ""


async def _too_old(group: Group) -> str:
    """Why the library that works on that queue must not meet it; empty where it may."""
    age = await age_of(group.connection, group.queue)
    return refusal_of_age(age, f"queue.{group.operation.action}_selected", group.queue)


async def _next_runs(group: Group) -> set[str]:
    """A scheduler's coming run keeps its time; only its own id can look so."""
    ids = [item.job_id for item in group.items if item.job_id.startswith("repeat:")]
    if not ids or group.state.is_finished:
        return set()
    return await next_runs(group.connection, group.queue, await held(group.connection, group.queue, ids))


async def _do(group: Group, is_again: bool) -> Answers:
    operation, ids = group.operation, group.ids
    given = json.loads(operation.parameters)
    if operation.action == "retry":
        reset = bool(given.get("reset_attempts"))
        return await operating.retry(group.connection, group.queue, group.state, ids, reset)
    if operation.action == "promote":
        return await operating.promote(group.connection, group.queue, ids)
    return await _reprioritize(group, int(given["priority"]), is_again)


async def _reprioritize(group: Group, priority: int, is_again: bool) -> Answers:
    ids, done = group.ids, set()
    if is_again:
        # Once more, and it would lose its place among its equals.
        held_now = await operating.priorities(group.connection, group.queue, ids)
        done = {job_id for job_id, now in zip(ids, held_now, strict=True) if now == priority}
    asked = [job_id for job_id in ids if job_id not in done]
    answers = dict(
        zip(asked, await operating.change_priority(group.connection, group.queue, asked, priority), strict=True)
    )
    return [answers.get(job_id) for job_id in ids]


def verdict(answer: str | None) -> Verdict:
    if answer is None:
        return DONE
    if answer == CHANGED:
        return Verdict(Outcome.DONE, answer)
    return MOVED if answer in _LEFT else Verdict(Outcome.STAYED, answer)


def refuse_if_all_are(verdicts: dict[int, Verdict]) -> None:
    """Raises RedisRefused where Redis itself said no to each: it would to all that follow."""
    reasons = {one.note for one in verdicts.values() if one.outcome == Outcome.STAYED}
    touched: Sequence[Verdict] = [one for one in verdicts.values() if one.outcome == Outcome.DONE]
    if not touched and len(reasons) == 1 and (reason := reasons.pop()).startswith("Redis refused"):
        raise RedisRefused(reason)
