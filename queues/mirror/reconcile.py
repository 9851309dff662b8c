"""A queue compared with its sets: where the stream was not read in time, where it is new, and now and then.

Both ways, a few hundred jobs at a time: every job that Redis lists gets its row, and every open row that Redis no
longer lists is closed. What moves meanwhile is told by events, which are followed all along.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from queues.mirror.incarnations import Told
from queues.mirror.policy import intake
from queues.mirror.sides import CHUNK, Sides
from queues.mirror.store import MOST_ROWS, Change
from queues.protocol import codec
from queues.protocol.reads import bulk
from queues.states import LISTED, State

#: Ids of waiting jobs remembered during one walk. Beyond it a job lost out of `wait` alone is not noticed.
SEEN_AT_MOST = 1_000_000
#: Looks into `wait` per round trip; each costs what the list is long.
LOOKS = 25


async def walk(
    sides: Sides, queue: str, states: Sequence[State] = LISTED, *, is_thorough: bool = False
) -> AsyncGenerator[None, None]:
    """Yields after each chunk. Finished jobs whose rows say that they ended just then are read only where it
    `is_thorough`: of what changes in them afterwards, no event tells either.
    """
    if intake(queue).keeps_none:
        # Rows from before the settings said so, which nothing follows any more.
        while not await sides.ask(sides.store.forget_open, queue):
            yield
        return
    seen: set[str] = set()
    for state in states:
        async for ids in _listed(sides, queue, state, is_thorough):
            if state is State.WAITING:
                seen.update(ids[: SEEN_AT_MOST - len(seen)])
            await sides.compare(queue, ids)
            yield
    after = ""
    while page := await sides.ask(sides.store.live_page, queue, states, after, CHUNK):
        after = page[-1][0]
        doubtful = await _doubtful(sides, queue, page, seen)
        if doubtful:
            await _settle(sides, queue, doubtful, seen)
        yield


async def _listed(sides: Sides, queue: str, state: State, is_thorough: bool) -> AsyncGenerator[list[str], None]:
    if is_thorough or not state.is_finished:
        async for ids in bulk.state_chunks(sides.on, sides.keys(queue), state, MOST_ROWS):
            yield ids
        return
    async for part in bulk.scored_chunks(sides.on, sides.keys(queue), state, MOST_ROWS):
        ends = await sides.ask(sides.store.ends, queue, state, [job_id for job_id, _ in part])
        yield [job_id for job_id, score in part if ends.get(job_id) != score]


async def _doubtful(sides: Sides, queue: str, page: Sequence[tuple[str, int, State]], seen: set[str]) -> list[str]:
    """The rows that Redis does not list as they stand."""
    places = await bulk.places(sides.on, sides.keys(queue), [job_id for job_id, _, _ in page])
    return [
        job_id
        for (job_id, ms, state), place in zip(page, places, strict=True)
        if place.timestamp is None
        or codec.integer("", place.timestamp)[0] != ms
        or (place.state or State.WAITING) is not state
        or (place.state is None and not _was_seen(job_id, seen))
    ]


def _was_seen(job_id: str, seen: set[str]) -> bool:
    return job_id in seen or len(seen) >= SEEN_AT_MOST


async def _settle(sides: Sides, queue: str, job_ids: Sequence[str], seen: set[str]) -> None:
    told = await sides.look(queue, dict.fromkeys(job_ids, ()))
    unsure = [t.job_id for t in told if t.sight and t.sight.state is State.WAITING and not _was_seen(t.job_id, seen)]
    listed: set[str] = set()
    for start in range(0, len(unsure), LOOKS):
        listed |= await bulk.listed(sides.on, sides.keys(queue), unsure[start : start + LOOKS])
    # A hash that no list names is no job any more, whatever it still says.
    lost = set(unsure) - listed
    await sides.write([Change(queue, [Told(t.job_id) if t.job_id in lost else t for t in told])])


async def close_rows(sides: Sides, queue: str) -> AsyncGenerator[None, None]:
    """The queue is gone: its rows are closed."""
    while not await sides.ask(sides.store.close_queue, queue):
        yield


async def retire(sides: Sides, queue: str, state: State, oldest: float | None) -> int:
    """Close the rows of finished jobs that retention took, which no event tells. Returns how many.

    `oldest` is the score of the oldest that Redis kept, None where it kept none.
    """
    job_ids = await sides.ask(sides.store.finished_until, queue, state, oldest, CHUNK)
    if not job_ids:
        return 0
    places = await bulk.places(sides.on, sides.keys(queue), job_ids)
    gone = [job_id for job_id, place in zip(job_ids, places, strict=True) if place.state is not state]
    if gone:
        await sides.compare(queue, gone)
    return len(gone)
