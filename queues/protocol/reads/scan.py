"""A walk through all jobs of a state, a few hundred at a time, and what a filter reads of them: never a large field
unmeasured, never one command over a large set.

Jobs come and go meanwhile, so a walk knows its place by the job it saw last and not by counting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queues.protocol.codec import raw, text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import STATE_KEYS
from queues.protocol.reads.lists import waiting_total
from queues.states import State

#: Fields of several jobs are read together until they are so large together.
GROUP_BYTES = 2 * 1024 * 1024
#: A job of a list is looked for so many places around the one where it was, and then among so many items from its
#: end; Redis takes about 1 ms for these.
NEAR, MOST_WALKED = 1_000, 50_000
#: So often a place is looked for where others move it meanwhile.
TRIES = 3
#: Of a list a place knows so many of the jobs before it, in so many characters: should its own be gone, one of these
#: is not.
MOST_SEEN, MOST_SEEN_CHARS = 16, 800


@dataclass(frozen=True, slots=True)
class Place:
    """Behind this job, the last that was seen. `source`: in which of the state's keys; `score` of a set's member, of a
    list's how many stood behind it. `seen`, which is not written: those of a list before it, the nearest first.
    """

    source: int
    position: int
    score: str
    id: str
    seen: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.source},{self.position},{self.score},{self.id}"

    @classmethod
    def read(cls, written: str) -> Place | None:
        """What `str` wrote; None for anything else."""
        source, _, rest = written.partition(",")
        position, _, rest = rest.partition(",")
        score, comma, job_id = rest.partition(",")
        numbers = all(part.isascii() and part.isdecimal() and len(part) < 16 for part in (source, position))
        if not (comma and numbers and _is_score(score)):
            return None
        return cls(int(source), int(position), score, job_id)


def seen_last(ids: Sequence[str], before: Place | None) -> tuple[str, ...]:
    """Of these, which were just seen, all but the last; and of those before them: as many as a place keeps."""
    known = [*reversed(ids[-1 - MOST_SEEN : -1]), *((before.id, *before.seen) if before else ())][:MOST_SEEN]
    while sum(map(len, known)) > MOST_SEEN_CHARS:
        known.pop()
    return tuple(known)


def _is_score(score: str) -> bool:
    try:
        return not score or (len(score) < 40 and score.isascii() and float(score) == float(score))
    except ValueError:
        return False


class Walk:
    """`step` gives the next ids, in running order (finished: newest first) or its reverse; none at the end."""

    def __init__(
        self, connection: str, queue: str, state: State, is_reversed: bool = False, after: Place | None = None
    ) -> None:
        self.connection, self.is_reversed = connection, is_reversed
        self._keys = keys(connection, queue)
        self._is_list = STATE_KEYS[state][1]
        names = ["wait", "paused"] if state is State.WAITING else [STATE_KEYS[state][0]]
        self._sources = names[::-1] if is_reversed else names
        # Of a list the next to run is its tail; of a finished set the newest has the highest score.
        self._from_high = self._is_list is not is_reversed if self._is_list else state.is_finished is not is_reversed
        self._source = min(after.source, len(names)) if after else 0
        self.place = after if after and after.source < len(names) else None

    async def step(self, count: int) -> list[str]:
        """At most `count` ids; one that was seen before may come again where a list was cut meanwhile."""
        while self._source < len(self._sources):
            if found := await self._next(count):
                if ids := [job_id for job_id in found if not job_id.startswith("0:")]:
                    return ids
                continue
            self._source, self.place = self._source + 1, None
        return []

    async def _next(self, count: int) -> list[str]:
        place = self.place
        if place is None:
            return self._take(0, await self._range(0, count))
        position, job_id = place.position, place.id
        for _ in range(TRIES):
            found = await self._range(position, count + 1)
            if found and found[0][0] == job_id:
                return self._take(position + 1, found[1:])
            if (at := await (self._find_listed(place) if self._is_list else self._find(place))) is None:
                break
            position, job_id = at
        return await (self._behind_listed(place, count) if self._is_list else self._behind(place, count))

    def _take(self, start: int, found: Sequence[tuple[str, str]]) -> list[str]:
        ids = [job_id for job_id, _ in found]
        if found:
            seen = seen_last(ids, self.place) if self._is_list else ()
            self.place = Place(self._source, start + len(found) - 1, found[-1][1], ids[-1], seen)
        return ids

    async def _behind_listed(self, place: Place, count: int) -> list[str]:
        """What follows where nothing is left of what was seen: taken in order, what was before is gone too; against
        the order there are no more behind it than there were.
        """
        start = 0
        if not self._from_high and place.score:
            length = int(await wire(self.connection).call(command("LLEN", self._key)))
            start = max(0, length - int(float(place.score)))
        return self._take(start, await self._range(start, count))

    async def _behind(self, place: Place, count: int) -> list[str]:
        """What follows a member of a set that is gone, by its score."""
        start = await self._before(place.score)
        while found := await self._range(start, count):
            rest = [one for one in found if not self._is_before(one, place)]
            if rest:
                # Asked for anew from there, or steps would become shorter and shorter.
                start += len(found) - len(rest)
                return self._take(start, await self._range(start, count))
            start += len(found)
        return []

    def _is_before(self, one: tuple[str, str], place: Place) -> bool:
        """Members of one score stand in the order of their bytes."""
        if float(one[1]) != float(place.score or 0):
            return False
        return raw(one[0]) >= raw(place.id) if self._from_high else raw(one[0]) <= raw(place.id)

    # --- commands

    @property
    def _key(self) -> bytes:
        return self._keys(self._sources[self._source])

    async def _range(self, start: int, count: int) -> list[tuple[str, str]]:
        """(id, score) from this position on; a list's is the number of those behind it."""
        on = wire(self.connection)
        if self._is_list:
            asked = (-(start + count), -(start + 1)) if self._from_high else (start, start + count - 1)
            length, ids = await on.run([command("LLEN", self._key), command("LRANGE", self._key, *asked)])
            told = ids[::-1] if self._from_high else ids
            return [(text(job_id), str(max(0, length - 1 - at))) for at, job_id in enumerate(told, start)]
        verb = "ZREVRANGE" if self._from_high else "ZRANGE"
        flat = await on.call(command(verb, self._key, start, start + count - 1, "WITHSCORES"))
        return [(text(job_id), score.decode()) for job_id, score in zip(flat[::2], flat[1::2], strict=True)]

    async def _find(self, place: Place) -> tuple[int, str] | None:
        rank = command("ZREVRANK" if self._from_high else "ZRANK", self._key, raw(place.id))
        found = await wire(self.connection).call(rank)
        return None if found is None else (int(found), place.id)

    async def _find_listed(self, place: Place) -> tuple[int, str] | None:
        """Where the last of those that were seen stands that is left, and which it is."""
        start = max(0, place.position - NEAR)
        near = {job_id: at for at, (job_id, _) in enumerate(await self._range(start, 2 * NEAR), start)}
        for job_id in (place.id, *place.seen):
            at = near[job_id] if job_id in near else await self._far(job_id)
            if at is not None:
                return at, job_id
        return None

    async def _far(self, job_id: str) -> int | None:
        asked = ("LPOS", self._key, raw(job_id), "RANK", -1 if self._from_high else 1, "MAXLEN", MOST_WALKED)
        length, at = await wire(self.connection).run([command("LLEN", self._key), command(*asked)])
        if at is None:
            return None
        return int(length - 1 - at if self._from_high else at)

    async def _before(self, score: str) -> int:
        """How many members stand before all that have this score."""
        bounds = (f"({score}", "+inf") if self._from_high else ("-inf", f"({score}")
        return int(await wire(self.connection).call(command("ZCOUNT", self._key, *bounds)))


@dataclass(frozen=True, slots=True)
class Fields:
    """Of one job what was asked for and is there; `too_large` names what is over its limit and was not read."""

    values: Mapping[bytes, bytes]
    too_large: frozenset[bytes] = frozenset()


async def fields_within(
    connection: str, queue: str, job_ids: Sequence[str], plain: Sequence[bytes], measured: Mapping[bytes, int]
) -> AsyncIterator[list[Fields]]:
    """The fields of all these jobs in order, a few megabytes together. `measured` are the fields that may be of any
    size, with the bytes up to which one is read.
    """
    k, on = keys(connection, queue), wire(connection)
    asked = [command("HSTRLEN", k.job(job_id), name) for job_id in job_ids for name in measured]
    lengths = [0 if isinstance(size, Exception) else int(size) for size in await on.run(asked, return_errors=True)]
    width = len(measured)
    sizes = [dict(zip(measured, lengths[at * width : (at + 1) * width], strict=True)) for at in range(len(job_ids))]
    group: list[tuple[Command[Any], tuple[bytes, ...], frozenset[bytes]]] = []
    weight = 0
    for job_id, size in zip(job_ids, sizes, strict=True):
        large = frozenset(name for name, length in size.items() if length > measured[name])
        names = (*plain, *(name for name in measured if name not in large and size[name]))
        group.append((command("HMGET", k.job(job_id), *names) if names else command("PING"), names, large))
        weight += sum(length for name, length in size.items() if name not in large)
        if weight >= GROUP_BYTES:
            yield await _read(connection, group)
            group, weight = [], 0
    if group:
        yield await _read(connection, group)


async def _read(
    connection: str, group: Sequence[tuple[Command[Any], tuple[bytes, ...], frozenset[bytes]]]
) -> list[Fields]:
    replies = await wire(connection).run([asked for asked, names, _ in group if names], return_errors=True)
    answers = iter(replies)
    return [_fields(next(answers) if names else [], names, large) for _, names, large in group]


def _fields(reply: Any, names: tuple[bytes, ...], large: frozenset[bytes]) -> Fields:
    if isinstance(reply, Exception):
        return Fields({}, large)
    return Fields({name: value for name, value in zip(names, reply, strict=True) if value is not None}, large)


async def state_total(connection: str, queue: str, state: State) -> int:
    """How many jobs are in the state."""
    if state is State.WAITING:
        return await waiting_total(connection, queue)
    suffix, is_list = STATE_KEYS[state]
    return int(await wire(connection).call(command("LLEN" if is_list else "ZCARD", keys(connection, queue)(suffix))))
