"""What Redis says of schedulers: which are due next, how each stands, which of their jobs are still kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import Keys
from queues.protocol.scheduling import Schedule, schedule_of

#: Commands in one round trip: others get their turn between two.
CHUNK = 500
#: A rule longer than this is not read only to be listed.
LARGEST_LISTED = 4 * 1024
RULE = (b"name", b"every", b"offset", b"pattern", b"tz", b"limit", b"startDate", b"endDate", b"ic")
_MEASURED = (b"name", b"pattern", b"tz", b"data", b"opts")
_JOB = (b"processedOn", b"finishedOn")
_RUN = (b"timestamp", b"processedOn", b"finishedOn", b"atm")
#: The failure's text is read to this length at most.
LARGEST_REASON = 4 * 1024


class Place(NamedTuple):
    """A scheduler with the moment (ms) its next job is due; `score` as Redis writes it."""

    queue: str
    id: str
    next_ms: int
    score: bytes


@dataclass(frozen=True, slots=True)
class SchedulerSight:
    """A scheduler without its template, whose bytes are `data_size` and `opts_size`; and its next job.

    `has_moved`: a worker took its next job while we looked.
    """

    queue: str
    schedule: Schedule
    data_size: int = 0
    opts_size: int = 0
    has_job: bool = False
    is_delayed: bool = False
    processed_on_ms: int | None = None
    finished_on_ms: int | None = None
    has_moved: bool = False
    too_large: tuple[str, ...] = ()
    #: When its next job was added.
    added_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A job that a scheduler made. `state` is BullMQ's word for where it was found, empty where only its hash was."""

    job_id: str
    state: str
    due_ms: int
    processed_on_ms: int | None = None
    finished_on_ms: int | None = None
    reason: str = ""


async def counts(connection: str, queues: Sequence[str]) -> dict[str, int]:
    """Queue → how many schedulers it has, for those that have any."""
    found = await _all(connection, [command("ZCARD", keys(connection, name)("repeat")) for name in queues])
    return {name: count for name, count in zip(queues, found, strict=True) if isinstance(count, int) and count}


async def places(connection: str, queues: Sequence[str], most: int) -> list[Place]:
    """The schedulers due next in each of these queues, `most` of each at most."""
    asked = [command("ZRANGE", keys(connection, name)("repeat"), 0, most - 1, "WITHSCORES") for name in queues]
    replies = await _all(connection, asked)
    return [
        Place(name, codec.text(raw_id), codec.integer("", score)[0], score)
        for name, flat in zip(queues, replies, strict=True)
        if isinstance(flat, list)
        for raw_id, score in zip(flat[::2], flat[1::2], strict=True)
    ]


async def place(connection: str, queue: str, schedule_id: str) -> Place | None:
    score = await wire(connection).call(command("ZSCORE", keys(connection, queue)("repeat"), codec.raw(schedule_id)))
    return Place(queue, schedule_id, codec.integer("", score)[0], score) if isinstance(score, bytes) else None


async def sights(connection: str, at: Sequence[Place]) -> list[SchedulerSight]:
    """Each with how it stands; what is too large for a list is measured and not read."""
    measured = await _grouped(connection, at, lambda k, one: _measures(k, one))
    asked = [_without(sizes) for sizes in measured]
    fields = iter(asked)
    told = await _grouped(connection, at, lambda k, one: _stands(k, one, next(fields)))
    return [_sight(*row) for row in zip(at, measured, asked, told, strict=True)]


async def template(connection: str, queue: str, schedule_id: str, limit_bytes: int) -> tuple[str, str]:
    """Its jobs' data and options as they are stored; empty where there are none or they are larger than the limit."""
    on, key = wire(connection), keys(connection, queue)("repeat:") + codec.raw(schedule_id)
    sizes = await on.run([command("HSTRLEN", key, name) for name in ("data", "opts")], return_errors=True)
    both = zip(("data", "opts"), sizes, strict=True)
    names = [name for name, size in both if isinstance(size, int) and 0 < size <= limit_bytes]
    values = await on.run([command("HGET", key, name) for name in names], return_errors=True)
    found = {n: codec.text(value) for n, value in zip(names, values, strict=True) if isinstance(value, bytes)}
    return found.get("data", ""), found.get("opts", "")


async def kept_runs(connection: str, queue: str, most: int) -> list[tuple[str, str]]:
    """(job id, state) of those among the newest `most` jobs of each state that a scheduler made; newest first."""
    k = keys(connection, queue)
    active, completed, failed = await wire(connection).run(
        [
            command("LRANGE", k("active"), 0, most - 1),
            command("ZREVRANGE", k("completed"), 0, most - 1),
            command("ZREVRANGE", k("failed"), 0, most - 1),
        ],
        return_errors=True,
    )
    found = (("active", active), ("completed", completed), ("failed", failed))
    lists = [(state, ids) for state, ids in found if isinstance(ids, list)]
    made = [(codec.text(raw), state) for state, ids in lists for raw in ids if raw.startswith(b"repeat:")]
    return sorted(made, key=lambda one: -slot_ms(one[0]))


async def runs(connection: str, queue: str, wanted: Sequence[tuple[str, str]]) -> list[Run]:
    """How these jobs, each with its state or "", ended; without those whose hash is gone."""
    k = keys(connection, queue)
    asked = [
        made
        for job_id, _ in wanted
        for made in (command("HMGET", k.job(job_id), *_RUN), command("HSTRLEN", k.job(job_id), "failedReason"))
    ]
    replies = await _all(connection, asked)
    failed = [job_id for (job_id, _), size in zip(wanted, replies[1::2], strict=True) if _is_told(size)]
    reasons = await _all(connection, [command("HGET", k.job(job_id), "failedReason") for job_id in failed])
    told = {job_id: codec.text(text) for job_id, text in zip(failed, reasons, strict=True) if isinstance(text, bytes)}
    return [
        _run(job_id, state, values, told.get(job_id, ""))
        for (job_id, state), values in zip(wanted, replies[::2], strict=True)
        if isinstance(values, list) and values[0] is not None
    ]


def slot_ms(job_id: str) -> int:
    """The moment that an iteration's id names; 0 where it names none."""
    last = job_id.rpartition(":")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) < 16 else 0


def _is_told(size: Any) -> bool:
    return isinstance(size, int) and 0 < size <= LARGEST_REASON


def _run(job_id: str, state: str, values: list[bytes | None], reason: str) -> Run:
    _, processed, finished, _ = (None if value is None else codec.integer("", value)[0] for value in values)
    if not state and finished is not None:
        state = "failed" if reason else "completed"
    return Run(job_id, state, slot_ms(job_id), processed, finished, reason)


def _measures(k: Keys, at: Place) -> list[Command[Any]]:
    key = k("repeat:") + codec.raw(at.id)
    return [command("HSTRLEN", key, name) for name in _MEASURED]


def _without(sizes: Sequence[Any]) -> tuple[bytes, ...]:
    large = {n for n, size in zip(_MEASURED, sizes, strict=True) if isinstance(size, int) and size > LARGEST_LISTED}
    return tuple(name for name in RULE if name not in large)


def _stands(k: Keys, at: Place, fields: tuple[bytes, ...]) -> list[Command[Any]]:
    raw_id = codec.raw(at.id)
    next_id = b"repeat:" + raw_id + b":" + at.score
    return [
        command("HMGET", k("repeat:") + raw_id, *fields),
        command("HMGET", k.base + next_id, b"timestamp", *_JOB),
        command("ZSCORE", k("delayed"), next_id),
        command("ZSCORE", k("repeat"), raw_id),
    ]


def _sight(at: Place, sizes: Sequence[Any], fields: tuple[bytes, ...], told: Sequence[Any]) -> SchedulerSight:
    rule, job, delayed, score = (None if isinstance(reply, Exception) else reply for reply in told)
    held = {name: value for name, value in zip(fields, rule or [None] * len(fields), strict=True) if value is not None}
    added, processed, finished = job or (None, None, None)
    data_size, opts_size = (size if isinstance(size, int) else 0 for size in sizes[-2:])
    return SchedulerSight(
        at.queue,
        schedule_of(codec.raw(at.id), held, at.score),
        data_size,
        opts_size,
        has_job=added is not None,
        is_delayed=delayed is not None,
        processed_on_ms=None if processed is None else codec.integer("", processed)[0],
        finished_on_ms=None if finished is None else codec.integer("", finished)[0],
        has_moved=score != at.score,
        too_large=tuple(name.decode() for name in RULE if name not in fields),
        added_ms=None if added is None else codec.integer("", added)[0],
    )


async def _grouped(connection: str, at: Sequence[Place], ask: Any) -> list[list[Any]]:
    groups = [ask(keys(connection, one.queue), one) for one in at]
    replies = iter(await _all(connection, [asked for group in groups for asked in group]))
    return [[next(replies) for _ in group] for group in groups]


async def _all(connection: str, asked: Sequence[Command[Any]]) -> list[Any]:
    on, replies = wire(connection), []
    for piece in _pieces(asked):
        replies += await on.run(piece, return_errors=True)
    return replies


def _pieces(asked: Sequence[Command[Any]]) -> Iterator[Sequence[Command[Any]]]:
    yield from (asked[at : at + CHUNK] for at in range(0, len(asked), CHUNK))


def scheduler_of(job_id: str) -> str:
    """The scheduler whose iteration has this id."""
    return job_id.removeprefix("repeat:").rpartition(":")[0]


def of_scheduler(made: Iterable[tuple[str, str]], schedule_id: str, most: int) -> list[tuple[str, str]]:
    return [one for one in made if scheduler_of(one[0]) == schedule_id][:most]
