"""One action on jobs that somebody named, or that a filter found: in chunks, each job's outcome counted.

A job that has left the state in which it was seen is never touched; BullMQ's scripts decide over the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from queues.actions import restorable
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Ending, Offer, record
from queues.actions.pace import Pace
from queues.actions.walks import MOST_WALKED
from queues.errors import InvalidInput, RedisUnavailable, TorilError
from queues.models import Outcome, moves
from queues.models.local import is_in_process, jobs
from queues.protocol import selection, writes
from queues.protocol.connections import keys, wire
from queues.protocol.copying import Copy
from queues.protocol.keys import RESERVED_IDS, STATE_KEYS
from queues.protocol.reads.bulk import places
from queues.states import JOB_ACTIONS, State

ACTIONS = ("retry", "promote", "remove")
#: So many ids one form may name.
MOST_NAMED = 1_000
#: So many of them the audit row tells: with these, what was done to a job stands on its page.
TOLD_IDS = 50
CANNOT = {
    "retry": gettext_lazy("%(state)s jobs cannot be retried."),
    "promote": gettext_lazy("%(state)s jobs cannot be promoted."),
    "remove": gettext_lazy("%(state)s jobs cannot be removed."),
}
TOLD = {
    "retry": gettext_lazy("%(count)s retried"),
    "promote": gettext_lazy("%(count)s promoted"),
    "remove": gettext_lazy("%(count)s removed"),
}
MOVED_ON = writes.REASONS[writes.NOT_IN_STATE]


@dataclass(slots=True)
class Outcomes:
    """What became of the jobs: `done`; `moved` had left the state; `stayed` says why the others did not follow, with
    how many each. `left` were not come to in the time; `error` is what stopped it early.
    """

    done: int = 0
    moved: int = 0
    stayed: Counter[str] = field(default_factory=Counter)
    left: int = 0
    error: str = ""
    #: What was removed, as it was, of few jobs; `undo` brings it back.
    copies: dict[str, Copy] = field(default_factory=dict)
    undo: Offer | None = None

    def add(self, answers: Mapping[str, str | None]) -> None:
        for reason in answers.values():
            if reason is None:
                self.done += 1
            elif reason in (MOVED_ON, writes.REASONS[writes.MISSING_JOB]):
                self.moved += 1
            else:
                self.stayed[reason] += 1


async def act_on(
    actor: Actor,
    connection: str,
    queue: str,
    action: str,
    state: State,
    job_ids: Sequence[str],
    budget_s: float = 5.0,
    parameters: Mapping[str, Any] | None = None,
) -> Outcomes:
    """`action` on these jobs as long as they are in `state`; one audit row. Raises InvalidInput, and what Redis says
    where nothing was done at all.
    """
    if action not in ACTIONS or state not in JOB_ACTIONS[action]:
        refusal = CANNOT.get(action, gettext_lazy("%(state)s jobs cannot be changed like this."))
        raise InvalidInput(str(refusal) % {"state": state.label})
    ids = list(dict.fromkeys(job_ids))
    told = {"state": state.value, "count": len(ids), "ids": ids[:TOLD_IDS], **(parameters or {})}
    deed = Deed(actor, f"queue.{action}_selected", connection, queue, parameters=told)
    deadline = time.monotonic() + budget_s
    return await record(deed, lambda: _act(deed, action, state, ids, deadline), lambda all: _ending(action, all))


async def _act(deed: Deed, action: str, state: State, ids: list[str], deadline: float) -> Outcomes:
    outcomes, pace, at = Outcomes(), Pace(), 0
    walked = await _walked(deed, action, state)
    keeps = action == "remove" and len(ids) <= restorable.MOST_JOBS and not is_in_process()
    while at < len(ids) and not deed.is_unwanted and time.monotonic() < deadline:
        size = max(1, min(pace.size, MOST_WALKED // walked)) if walked else pace.size
        piece = ids[at : at + size]
        try:
            with pace.chunk(len(piece), 2):
                answers = await _piece(deed, action, state, piece, outcomes.copies if keeps else None)
        except TorilError as error:
            if not outcomes.done:
                raise
            outcomes.error = str(error)
            break
        outcomes.add(answers)
        at += len(piece)
        if writes.UNANSWERED in answers.values():
            outcomes.error = str(RedisUnavailable(_("Redis stopped answering.")))
            break
        if at < len(ids):
            await pace.rest()
    outcomes.left = len(ids) - at
    if keeps:
        outcomes.undo = await restorable.offer(deed.connection, deed.queue, outcomes.copies, outcomes.done)
    return outcomes


async def _walked(deed: Deed, action: str, state: State) -> int:
    """How long the list is that a script walks for each job."""
    if action != "remove" or is_in_process() or not STATE_KEYS[state][1]:
        return 0
    return await selection.key_length(deed.connection, deed.queue, STATE_KEYS[state][0])


async def _piece(
    deed: Deed, action: str, state: State, ids: Sequence[str], copies: dict[str, Copy] | None
) -> dict[str, str | None]:
    """Per id None where it was done, else why not. What is removed is copied into `copies`, unless they are None."""
    if is_in_process():
        return await sync_to_async(_rows)(deed.queue, action, state, ids)
    answers: dict[str, str | None] = dict.fromkeys(ids, MOVED_ON)
    # A name in the queue's keyspace that is no job must never reach a script.
    meant = [job_id for job_id in ids if job_id not in RESERVED_IDS]
    found = await places(wire(deed.connection), keys(deed.connection, deed.queue), meant)
    there = [job_id for job_id, place in zip(meant, found, strict=True) if _is_in(state, place)]
    if action != "remove":
        gone = {i for i, place in zip(meant, found, strict=True) if _is_in(state, place) and place.timestamp is None}
        answers |= dict.fromkeys(gone, "its hash is gone")
        there = [job_id for job_id in there if job_id not in gone]
    if there and copies is not None:
        removed, kept = await restorable.remove(deed.connection, deed.queue, state, there)
        copies |= kept
        answers |= removed
    elif there:
        answers |= await _do(deed, action, state, there)
    return answers


def _is_in(state: State, place: Any) -> bool:
    if place.state is None:
        # In no set and not active: where it is a job it waits. A scheduler has a hash too, without a moment.
        return state is State.WAITING and bool(place.timestamp)
    return bool(place.state is state)


async def _do(deed: Deed, action: str, state: State, ids: list[str]) -> dict[str, str | None]:
    connection, queue = deed.connection, deed.queue
    if action == "retry":
        return dict(zip(ids, await writes.retry_jobs(connection, queue, state, ids), strict=True))
    if action == "promote":
        return dict(zip(ids, await writes.promote_jobs(connection, queue, ids), strict=True))
    _other, stayed = await selection.remove_placed(connection, queue, STATE_KEYS[state][0], ids)
    return {job_id: stayed.get(job_id) for job_id in ids}


def _rows(queue: str, action: str, state: State, ids: Sequence[str]) -> dict[str, str | None]:
    found = jobs(queue, state).filter(job_id__in=ids)
    there = set(found.values_list("job_id", flat=True))
    meant = [job_id for job_id in ids if job_id in there]
    if action == "retry":
        done = moves.retry(queue, meant, state)
    elif action == "promote":
        done = moves.promote(queue, meant)
    else:
        done = moves.remove(found)
    # Of rows only the number is told; each that went elsewhere meanwhile has moved on.
    return {job_id: None if job_id in set(meant[:done]) else MOVED_ON for job_id in ids}


def _ending(action: str, outcomes: Outcomes) -> Ending:
    parts = [str(TOLD[action]) % {"count": f"{outcomes.done:,}"}]
    if outcomes.moved:
        parts.append(_("%(count)s had moved on") % {"count": f"{outcomes.moved:,}"})
    for reason, count in outcomes.stayed.most_common(3):
        parts.append(_("%(count)s stayed: %(reason)s") % {"count": f"{count:,}", "reason": reason})
    said = ", ".join(parts)
    if outcomes.left:
        said += "; " + _("%(count)s left") % {"count": f"{outcomes.left:,}"}
    return Ending(
        Outcome.FAILED if outcomes.error else Outcome.DONE, f"{said}. {outcomes.error}".rstrip(), outcomes.done
    )
