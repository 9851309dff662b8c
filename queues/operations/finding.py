"""From a target to the jobs that it means, a chunk at a time, each with the mark by which it is known again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from queues.errors import Forbidden
from queues.lookups.filters import Filter
from queues.lookups.scan import Asked, scan
from queues.masking import mask_text
from queues.operations.books import Found
from queues.operations.kinds import ACTIONS
from queues.operations.rows import keys_of
from queues.operations.target import Kind, Reach, Target
from queues.protocol import selection
from queues.protocol.keys import RESERVED_IDS, STATE_KEYS
from queues.protocol.reads.held import Held, held, listed_ids, next_runs, whole
from queues.states import State

CHUNK = 500
#: Of sets whose scores are marks already, nothing else is read.
SCORE_CHUNK = 1_000
FAR_MS = 2**52


@dataclass(frozen=True, slots=True)
class Chunk:
    """`comes_last`: the chunks of this part are to be worked off in the opposite order, the last first."""

    found: Sequence[Found]
    part: str = ""
    comes_last: bool = False
    #: When each was added, or ended.
    since: Sequence[int] = ()


async def find(target: Target, action: str, reach: Reach) -> AsyncGenerator[Chunk, None]:
    """Everything that is meant, as of `before_ms`; nothing is held but a chunk. Some may come twice, where a list moves
    meanwhile: the second is not there any more when its turn comes.

    Raises InvalidInput, Forbidden, RedisUnavailable, RedisRefused.
    """
    if target.kind is Kind.STATE:
        chunks = _of_states(target, action, reach)
    elif target.kind is Kind.FILTER:
        chunks = _of_filter(target, action, reach)
    elif target.kind is Kind.IDS:
        chunks = _of_ids(target, action, reach)
    else:
        chunks = _of_rows(target, action, reach)
    async for chunk in chunks:
        yield chunk


async def _of_states(target: Target, action: str, reach: Reach) -> AsyncIterator[Chunk]:
    for queue in target.queues:
        if not reach.has(queue):
            continue
        for state in target.states:
            if STATE_KEYS[state][1]:
                chunks = _listed(target, queue, state, action)
            elif state.is_finished:
                chunks = _ended(target, queue, state)
            else:
                chunks = _scored(target, queue, state, action)
            async for chunk in chunks:
                yield chunk


async def _ended(target: Target, queue: str, state: State) -> AsyncIterator[Chunk]:
    """Oldest first; where several ended in one moment, past those that were seen."""
    lowest, passed = "0", 0
    while True:
        at = (target.connection, queue, state, lowest, str(target.before_ms), passed, SCORE_CHUNK)
        pairs = await selection.scored_ids(*at)
        marked = [(job_id, whole(score.encode())) for job_id, score in pairs if job_id not in RESERVED_IDS]
        found = [Found(queue, job_id, state.value, mark) for job_id, mark in marked]
        yield Chunk(found, since=[mark for _id, mark in marked])
        if len(pairs) < SCORE_CHUNK:
            return
        last = pairs[-1][1]
        alike = sum(score == last for _id, score in pairs)
        lowest, passed = last, alike + (passed if last == lowest else 0)


async def _scored(target: Target, queue: str, state: State, action: str) -> AsyncIterator[Chunk]:
    """By place: next to run, or due, first."""
    at, suffix = 0, STATE_KEYS[state][0]
    while ids := await selection.placed_ids(target.connection, queue, suffix, at, CHUNK):
        yield await _meant(target, queue, ids, action, (state,))
        at += len(ids)


async def _listed(target: Target, queue: str, state: State, action: str) -> AsyncIterator[Chunk]:
    """From the head, newest first: what is added meanwhile moves the rest back, so that none is missed.

    A removal finds the head at once, and a changed priority the tail: those begin there, and keep their order.
    """
    for suffix in selection.suffixes(state):
        at = 0
        while ids := await listed_ids(target.connection, queue, suffix, at, CHUNK):
            meant = await _meant(target, queue, ids, action, (state,))
            yield replace(meant, part=f"{queue}:{suffix}", comes_last=not ACTIONS[action].removes)
            at += CHUNK


async def _of_filter(target: Target, action: str, reach: Reach) -> AsyncIterator[Chunk]:
    (queue,), (state,) = target.queues, target.states
    wanted = replace(target.filter or Filter(), until_ms=target.before_ms)
    if wanted.text and not reach.reads(queue):
        raise Forbidden(_("Your account may not read what jobs hold, so nothing is searched for in it."))
    if not reach.has(queue):
        return
    mask = mask_text if reach.masks else None
    asked = Asked(target.connection, queue, state, wanted, target.before_ms, mask=mask, is_reversed=state.is_finished)
    while True:
        found = await scan(asked)
        # An empty one too: whoever counts looks at the clock.
        for at in range(0, max(1, len(found.ids)), CHUNK):
            yield await _meant(target, queue, found.ids[at : at + CHUNK], action, (state,))
        if found.after is None:
            return
        asked = replace(asked, after=found.after)


async def _of_ids(target: Target, action: str, reach: Reach) -> AsyncIterator[Chunk]:
    """Who is elsewhere by now is frozen too: it was chosen, and the operation says what became of it."""
    by_queue: dict[str, list[str]] = {}
    for queue, job_id in target.ids:
        by_queue.setdefault(queue, []).append(job_id)
    for queue, ids in by_queue.items():
        for at in range(0, len(ids) if reach.has(queue) else 0, CHUNK):
            some = ids[at : at + CHUNK]
            states = target.states or tuple(ACTIONS[action].legal)
            chunk = await _meant(target, queue, some, action, states, FAR_MS)
            there = {one.job_id: one for one in chunk.found}
            found = [there.get(job_id, Found(queue, job_id, State.UNKNOWN.value, 0)) for job_id in some]
            yield replace(chunk, found=found)


async def _of_rows(target: Target, action: str, reach: Reach) -> AsyncIterator[Chunk]:
    states = target.states or tuple(ACTIONS[action].legal)
    # Of thousands of queues each is asked for once per job.
    among = None if reach.queues is None else frozenset(reach.queues)
    async for keys in keys_of(target, reach):
        by_queue: dict[str, dict[str, int]] = {}
        for connection, queue, job_id, timestamp_ms in keys:
            if connection == target.connection and (among is None or queue in among):
                by_queue.setdefault(queue, {})[job_id] = timestamp_ms
        if not by_queue:
            # Whoever counts looks at the clock.
            yield Chunk(())
        for queue, jobs in by_queue.items():
            ids = list(jobs)
            for at in range(0, len(ids), CHUNK):
                found = await held(target.connection, queue, ids[at : at + CHUNK])
                # An id comes back: only the very job that the row tells of.
                same = [one for one in found if one.timestamp_ms == jobs[one.id]]
                yield await _of_held(target, queue, same, states, target.before_ms)


async def _meant(
    target: Target, queue: str, ids: Sequence[str], action: str, states: Sequence[State], before_ms: int | None = None
) -> Chunk:
    until = target.before_ms if before_ms is None else before_ms
    return await _of_held(target, queue, await held(target.connection, queue, ids), states, until)


async def _of_held(target: Target, queue: str, found: Sequence[Held], states: Sequence[State], until_ms: int) -> Chunk:
    meant = [one for one in found if one.state in states and one.id not in RESERVED_IDS and since(one) <= until_ms]
    coming = await next_runs(target.connection, queue, [one for one in meant if one.id.startswith("repeat:")])
    meant = [one for one in meant if one.id not in coming]
    marked = [Found(queue, one.id, str(one.state), one.mark) for one in meant]
    return Chunk(marked, since=[since(one) for one in meant])


def since(one: Held) -> int:
    """The moment its age counts from: it ended, else it was added."""
    return one.ended_ms if one.state is not None and one.state.is_finished else one.timestamp_ms
