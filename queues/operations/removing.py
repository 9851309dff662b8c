"""Chunks that take jobs out of Redis, or bring them back: first kept, then taken, then brought where they belong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from queues.actions.pace import LONGEST_REST_S, Pace
from queues.models import Operation, OperationItem
from queues.operations import stored
from queues.operations.books import Hand, Item, Verdict
from queues.operations.steps import DONE, MOVED, Group, groups, look, refuse_if_all_are, verdict
from queues.protocol import taking
from queues.protocol.copying import Copy
from queues.protocol.metered import metering
from queues.protocol.operating import Answers
from queues.protocol.taking import BROUGHT_BEFORE, THERE_AGAIN, TOO_LARGE
from queues.states import State

Outcome = OperationItem.Outcome
#: Runs a function where the database is spoken to.
Call = Callable[..., Awaitable[Any]]
IN_A_FLOW = "it belongs to a flow"
IS_TAKEN = "there is a job of this id already"
NOT_KEPT = "it is not kept any more"
LOOSE = "its parent no longer waits for it"


@dataclass(slots=True)
class Taken:
    """What became of a chunk: `kept` are the copies that stay in the store, of `bytes`; `spent` those that need not."""

    verdicts: dict[int, Verdict] = field(default_factory=dict)
    kept: dict[int, Copy] = field(default_factory=dict)
    #: More than `kept` were stored, before it was known which of them go.
    is_narrower: bool = False

    def settle(self, group: Group, answers: Answers) -> list[Item]:
        """Those that were taken."""
        told = {item.seq: verdict(answer) for item, answer in zip(group.items, answers, strict=True)}
        self.verdicts |= told
        return [item for item in group.items if told[item.seq].outcome == Outcome.DONE]


async def remove(
    hand: Hand, call: Call, check: Callable[[], None], pace_of: Callable[[str], Pace], *, finishes_only: bool = False
) -> Taken:
    """Remove, clean or move the jobs in hand: copied together, taken as their state's pace allows.

    Raises as `steps.act`, and Full before anything is taken.
    """
    operation, taken = hand.operation, Taken()
    before = await call(stored.read, operation.pk, [item.seq for item in hand.items]) if hand.is_again else {}
    there = [await _looked_at(group, taken, hand.is_again) for group in groups(hand)]
    if finishes_only:
        there = []
    copies, stores = dict(before), operation.keeps or operation.action == "move"
    if hand.is_again and stores:
        # Of who is gone without a copy somebody else disposed.
        others = (seq for seq, one in taken.verdicts.items() if one == DONE and seq not in before)
        taken.verdicts |= dict.fromkeys(others, MOVED)
    if stores and not finishes_only:
        there = [await _copied(group, taken, copies) for group in there]
        await call(_keep, operation, check, hand, copies)
    taken.kept = {seq: copy for seq, copy in copies.items() if taken.verdicts.get(seq) == DONE}
    gone = [item for item in hand.items if item.seq in before and taken.verdicts.get(item.seq) == DONE]
    for group in there:
        gone += taken.settle(group, await _take(group, copies, pace_of(group.state.value)))
    taken.kept |= {item.seq: copies[item.seq] for item in gone if item.seq in copies}
    taken.is_narrower = len(taken.kept) < len(copies)
    if operation.action == "move":
        await _bring(operation, gone, taken)
    refuse_if_all_are(taken.verdicts)
    return taken


async def _looked_at(group: Group, taken: Taken, is_again: bool) -> Group:
    meant, told = await look(group, is_again)
    taken.verdicts |= told
    return meant


async def _copied(group: Group, taken: Taken, copies: dict[int, Copy]) -> Group:
    """Those that can be kept."""
    if not group.items:
        return group
    found = await taking.copies(group.connection, group.queue, group.state, group.ids)
    stays: dict[int, Verdict] = {}
    for item in group.items:
        copy = found.get(item.job_id)
        if item.job_id in found and copy is None:
            stays[item.seq] = Verdict(Outcome.STAYED, TOO_LARGE)
        elif group.operation.action == "move" and (copy is None or taking.is_in_a_flow(copy)):
            stays[item.seq] = Verdict(Outcome.STAYED, IN_A_FLOW) if copy else MOVED
        elif copy is not None:
            copies[item.seq] = copy
    taken.verdicts |= stays
    return group.of(item for item in group.items if item.seq not in stays)


async def _take(group: Group, copies: dict[int, Copy], pace: Pace) -> Answers:
    answers: Answers = []
    while len(answers) < len(group.items):
        some = group.items[len(answers) : len(answers) + pace.size]
        known = {item.job_id: copies[item.seq] for item in some if item.seq in copies}
        with metering() as meter:
            answers += await taking.take(group.connection, group.queue, [item.job_id for item in some], known)
        pace.learn(len(some), meter.took_s)
        await asyncio.sleep(min(meter.took_s, LONGEST_REST_S))
    return answers


def _keep(operation: Operation, check: Callable[[], None], hand: Hand, copies: dict[int, Copy]) -> int:
    with transaction.atomic():
        check()
        first, last = hand.items[0].seq, hand.items[-1].seq
        # What is on its way to another queue is kept only until it is there.
        return stored.keep(operation.pk, first, last, copies, bounded=operation.action != "move")


async def _bring(operation: Operation, gone: list[Item], taken: Taken) -> None:
    """What was taken, into the other queue; what cannot be put there goes back where it was."""
    to = json.loads(operation.parameters)["queue"]
    for in_front in (True, False):
        some = [item for item in gone if item.seq in taken.kept and (item.state == State.WAITING.value) is in_front]
        if not some:
            continue
        copies, seqs = [taken.kept[item.seq] for item in some], [item.seq for item in some]
        once = str(operation.pk)
        answers = await taking.bring(operation.connection, to, copies, once, seqs, in_front=in_front)
        back = []
        for item, answer in zip(some, answers, strict=True):
            if isinstance(answer, str) or answer == BROUGHT_BEFORE:
                taken.verdicts[item.seq] = Verdict(Outcome.DONE, answer if isinstance(answer, str) else "")
            else:
                back.append(item)
                note = IS_TAKEN if answer == THERE_AGAIN else str(answer)
                taken.verdicts[item.seq] = Verdict(Outcome.STAYED, note)
        await _put_back(operation, back, taken)


async def _put_back(operation: Operation, items: list[Item], taken: Taken) -> None:
    for item in items:
        once = f"{operation.pk}:back"
        await taking.bring_back(operation.connection, item.queue, [taken.kept[item.seq]], once, [item.seq])


async def restore(hand: Hand, call: Call, *, finishes_only: bool = False) -> Taken:
    """Bring back what another operation removed; an item's mark is its number there."""
    operation, taken = hand.operation, Taken()
    if finishes_only or operation.restores_id is None:
        return taken
    copies = await call(stored.read, operation.restores_id, [item.mark for item in hand.items])
    taken.verdicts = {item.seq: Verdict(Outcome.STAYED, NOT_KEPT) for item in hand.items if item.mark not in copies}
    by_queue: dict[str, list[Item]] = {}
    for item in hand.items:
        if item.mark in copies:
            by_queue.setdefault(item.queue, []).append(item)
    for queue, items in by_queue.items():
        marks = [item.mark for item in items]
        wanted = [copies[mark] for mark in marks]
        once = f"{operation.restores_id}:restored"
        answers = await taking.bring_back(operation.connection, queue, wanted, once, marks)
        taken.verdicts |= {item.seq: _restored(answer) for item, answer in zip(items, answers, strict=True)}
    refuse_if_all_are(taken.verdicts)
    return taken


def _restored(answer: Any) -> Verdict:
    if answer in (1, BROUGHT_BEFORE):
        return DONE
    if answer == 2:
        return Verdict(Outcome.DONE, LOOSE)
    return Verdict(Outcome.STAYED, IS_TAKEN if answer == THERE_AGAIN else str(answer))
