"""What an operation would touch, before anything is touched: how many, how old, where, and whether it can be undone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _

from queues.lookups.mirror_state import leads
from queues.models.local import is_in_process
from queues.operations import stored
from queues.operations.books import Found
from queues.operations.finding import Chunk, find, since
from queues.operations.kinds import ACTIONS, checked
from queues.operations.target import Kind, Reach, Target
from queues.protocol import selection, taking
from queues.protocol.keys import STATE_KEYS
from queues.protocol.reads.held import held
from queues.restrictions import refusal_of
from queues.states import State

#: So many jobs are looked at, for so long; then the count says "at least".
MOST_LOOKED_AT, MOST_S = 10_000, 3.0
SAMPLES, LOOKED_AT = 5, 50
#: What packing leaves of what Redis holds, at most, for most jobs.
PACKED = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the jobs meant. `name` is what its producer wrote, to be shown like any job's name."""

    queue: str
    job_id: str
    state: str
    name: str = ""
    timestamp_ms: int = 0
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """`count` jobs, or no fewer where `is_least`; what the operation freezes may differ by what happens until then.

    `oldest_ms` and `newest_ms`: when the oldest and the newest of those looked at was added, or ended; None: unknown.
    `why_not`: it cannot begin, in a sentence. `restorable`: what it removes can be brought back; else `why_lost` says
    why not. `warnings`: sentences that a person should read before consenting.
    """

    target: Target
    action: str
    parameters: Mapping[str, Any]
    count: int = 0
    is_least: bool = False
    oldest_ms: int | None = None
    newest_ms: int | None = None
    samples: tuple[Sample, ...] = ()
    #: Queue → how many of the jobs counted.
    queues: Mapping[str, int] = field(default_factory=dict)
    restorable: bool = False
    why_lost: str = ""
    why_not: str = ""
    warnings: tuple[str, ...] = ()


async def preview(
    target: Target, action: str, reach: Reach | None = None, parameters: Mapping[str, Any] | None = None
) -> Preview:
    """Changes nothing, and looks at a bounded number of jobs. Raises InvalidInput for what makes no sense,
    RedisUnavailable where nothing can be said.
    """
    shown = Preview(target, action, checked(action, target, parameters))
    if is_in_process():
        return replace(
            shown, why_not=_("Operations are for jobs in Redis; here they run in the process that adds them.")
        )
    if target.kind is Kind.STORED:
        shown = replace(shown, count=await stored.count(target.of))
    else:
        shown = await _looked(shown, reach or Reach())
    lost = await _why_lost(shown) if ACTIONS[action].removes and action != "move" else ""
    restorable = ACTIONS[action].removes and action != "move" and not lost
    shown = replace(shown, restorable=restorable, why_lost=lost, why_not=_why_not(shown))
    return replace(shown, warnings=tuple(await _warnings(shown)))


async def _looked(shown: Preview, reach: Reach) -> Preview:
    exact = await _ended_counts(shown.target, reach)
    tally = _Tally(Counter(exact))
    if (rest := _without(shown.target)) is not None:
        await tally.count(rest, shown.action, reach)
    if exact:
        await tally.look_into(shown.target, shown.action, reach)
    moments = tally.moments + await _bounds(shown.target, exact)
    found = tally.samples[:: max(1, len(tally.samples) // SAMPLES)][:SAMPLES]
    return replace(
        shown,
        count=tally.counted.total(),
        is_least=tally.is_least,
        oldest_ms=min(moments, default=None),
        newest_ms=max(moments, default=None),
        samples=tuple(await _samples(shown.target.connection, found)),
        queues={queue: count for queue, count in tally.counted.most_common() if count},
    )


@dataclass(slots=True)
class _Tally:
    counted: Counter[str]
    is_least: bool = False
    samples: list[Found] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)

    async def count(self, target: Target, action: str, reach: Reach) -> None:
        """One by one, as far as that goes."""
        until, looked = time.monotonic() + MOST_S, 0
        async with aclosing(find(target, action, reach)) as chunks:
            async for chunk in chunks:
                self._take(chunk)
                self.counted.update(one.queue for one in chunk.found if one.state != State.UNKNOWN)
                looked += len(chunk.found)
                self.is_least = looked >= MOST_LOOKED_AT or time.monotonic() > until
                if self.is_least:
                    return

    async def look_into(self, target: Target, action: str, reach: Reach) -> None:
        """For samples, where the number is known."""
        async with aclosing(find(target, action, reach)) as chunks:
            async for chunk in chunks:
                self._take(chunk)
                if len(self.samples) >= LOOKED_AT:
                    return

    def _take(self, chunk: Chunk) -> None:
        there = [one for one in chunk.found if one.state != State.UNKNOWN]
        self.samples += there[: LOOKED_AT - len(self.samples)]
        told = [moment for moment in chunk.since if moment]
        self.moments += [min(told), max(told)] if told else []


async def _ended_counts(target: Target, reach: Reach) -> dict[str, int]:
    """Of sets in order of their end the number is known at once, however many there are."""
    if target.kind is not Kind.STATE:
        return {}
    found: Counter[str] = Counter()
    for queue in (queue for queue in target.queues if reach.has(queue)):
        for state in (state for state in target.states if state.is_finished):
            found[queue] += await selection.count_finished(target.connection, queue, state, target.before_ms)
    return dict(found)


def _without(target: Target) -> Target | None:
    """What is left to be looked at one by one."""
    if target.kind is not Kind.STATE:
        return target
    states = tuple(state for state in target.states if not state.is_finished)
    return replace(target, states=states) if states else None


async def _bounds(target: Target, exact: Mapping[str, int]) -> list[int]:
    """When the first and the last ended, of the sets that were only counted."""
    found: list[int] = []
    for queue in [queue for queue, count in exact.items() if count][:LOOKED_AT]:
        for state in (state for state in target.states if state.is_finished):
            until = str(target.before_ms)
            count = await selection.count_finished(target.connection, queue, state, target.before_ms)
            for skip in {0, max(0, count - 1)}:
                ends = await selection.scored_ids(target.connection, queue, state, "0", until, skip, 1)
                found += [int(float(score)) for _id, score in ends]
    return found


async def _samples(connection: str, found: Sequence[Found]) -> list[Sample]:
    shown = []
    for queue, group in groupby(sorted(found), key=lambda one: one.queue):
        for one in await held(connection, queue, [item.job_id for item in group]):
            state = one.state.value if one.state else ""
            shown.append(Sample(queue, one.id, state, one.name, one.timestamp_ms, since(one)))
    return shown


async def _why_lost(shown: Preview) -> str:
    """Why what it removes could not be brought back; empty where it can."""
    weights = [await taking.weight(shown.target.connection, one.queue, one.job_id) for one in shown.samples]
    needed = sum(weights) / max(1, len(weights)) * shown.count * PACKED
    left = await stored.room()
    if needed <= left:
        return ""
    told = {"needed": f"{needed / 1024**2:,.0f}", "left": f"{left / 1024**2:,.0f}"}
    return _("It cannot be undone: about %(needed)s MB would have to be kept, and there is room for %(left)s.") % told


def _why_not(shown: Preview) -> str:
    if not shown.count and not shown.is_least:
        return _("There are no such jobs (any more).")
    closed = [refusal_of(ACTIONS[shown.action].needed, queue) for queue in shown.queues or [None]]
    return str(closed[0]) if all(closed) else ""


async def _warnings(shown: Preview) -> list[str]:
    said = []
    if not await leads():
        said.append(_("No mirror runs: the operation waits until one does (manage.py runmirror)."))
    refusals = (refusal_of(ACTIONS[shown.action].needed, queue) for queue in shown.queues)
    said += [str(refusal) for refusal in refusals if refusal]
    if shown.why_lost:
        said.append(shown.why_lost)
    return said + _consequences(shown)


def _consequences(shown: Preview) -> list[str]:
    states = shown.target.states
    lists = any(STATE_KEYS[state][1] for state in states)
    if shown.action in ("remove", "clean"):
        return [_("Their children stay. Locks, and dependencies that are resolved by then, cannot be restored.")]
    if shown.action == "move":
        said = [_("They run there as if for the first time; numbered jobs are numbered anew. Those of flows stay.")]
        return [*said, _("They run before what waits there already.")] if lists else said
    if shown.action == "retry" and State.COMPLETED in states:
        return [_("Completed jobs are run again.")]
    return []
