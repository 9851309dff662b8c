"""Job schedulers: the records from which a queue makes a job at each turn, as Node's JobScheduler writes and reads."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from queues.errors import Refused
from queues.protocol import codec
from queues.protocol.adding import wire_options
from queues.protocol.commands import Command, call_script, command, pack
from queues.protocol.connections import keys, wire
from queues.protocol.cron import next_ms
from queues.protocol.keys import Keys

_UPSERT = "repeat delayed wait paused meta prioritized marker id events pc active"
_COLLISIONS = {
    -10: "its next job exists already",
    -11: "its next turns are taken by jobs of an earlier scheduler of that id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a scheduler makes its jobs: either `every_ms` or `pattern` (cron) is set."""

    id: str
    name: str
    every_ms: int | None = None
    offset_ms: int | None = None
    pattern: str = ""
    tz: str = ""
    limit: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule(Rule):
    """A scheduler to be stored, checked. `data` is the template's JSON; `options` are the template's, with Python's
    names; `stored_options`, where given, are those as BullMQ stores them, and count instead.

    `count` is which of its jobs the next one is, for its limit.
    """

    data: str = "{}"
    options: Mapping[str, Any] = field(default_factory=dict)
    stored_options: Mapping[str, Any] | None = None
    is_immediate: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Rule):
    """A scheduler as it is stored. `next_ms` is when its next job is due, `iterations` how many it has made.

    `data` and `opts` are its template, JSON as stored (opts with BullMQ's names); empty where it has none.
    """

    next_ms: int | None = None
    iterations: int = 0
    data: str = ""
    opts: str = ""


async def upsert(connection: str, queue: str, schedule: NewSchedule) -> str | None:
    """The id of the next job; None where the end is reached. Raises Refused where its next job cannot be added."""
    now_ms = time.time_ns() // 1_000_000
    if schedule.end_ms is not None and now_ms > schedule.end_ms:
        return None
    due_ms = _due_ms(schedule, now_ms)
    return await wire(connection).call(adding(keys(connection, queue), schedule, now_ms, due_ms))


def _due_ms(schedule: NewSchedule, now_ms: int) -> int | None:
    """Of `every` the script reckons the time itself."""
    if not schedule.pattern:
        return None
    if schedule.is_immediate:
        return now_ms
    return max(now_ms, next_ms(schedule.pattern, now_ms, start_ms=schedule.start_ms, tz=schedule.tz))


def adding(k: Keys, schedule: NewSchedule, now_ms: int, due_ms: int | None) -> Command[str]:
    """The command that stores it, its next job due at `due_ms`; of `every` the script reckons that itself."""
    template = _template(k, schedule)
    arguments = (
        "" if due_ms is None else due_ms,
        pack(_rule(schedule)),
        schedule.id,
        schedule.data,
        pack(template),
        pack(_first_options(schedule, template, now_ms, due_ms)),
        now_ms,
        k.base,
        "",
    )

    def read(reply: Any) -> str:
        if isinstance(reply, int):
            raise Refused(f"Scheduler “{schedule.id}” was not stored: {_COLLISIONS.get(reply, f'code {reply}')}.")
        return codec.text(reply[0])

    return call_script("addJobScheduler", k.many(_UPSERT), arguments, read)


def _template(k: Keys, schedule: NewSchedule) -> dict[str, Any]:
    if schedule.stored_options is not None:
        return dict(schedule.stored_options)
    template = wire_options(schedule.options, k.prefix)
    if "attempts" not in schedule.options:
        # A job's default; Node writes none into a template.
        del template["attempts"]
    return template


def _rule(schedule: NewSchedule) -> dict[str, Any]:
    rule = {
        "name": schedule.name,
        "startDate": schedule.start_ms,
        "endDate": schedule.end_ms,
        "tz": schedule.tz or None,
        "pattern": schedule.pattern or None,
        "every": schedule.every_ms,
        "limit": schedule.limit,
        "offset": schedule.offset_ms or None,
    }
    return {key: value for key, value in rule.items() if value is not None}


def _first_options(
    schedule: NewSchedule, template: Mapping[str, Any], now_ms: int, due_ms: int | None
) -> dict[str, Any]:
    """As Node's getNextJobOpts; delay and jobId are set by the script."""
    told = {
        "every": schedule.every_ms,
        "pattern": schedule.pattern or None,
        "tz": schedule.tz or None,
        "limit": schedule.limit,
    }
    dates = {"startDate": schedule.start_ms, "endDate": schedule.end_ms}
    offset = {
        "offset": schedule.offset_ms if schedule.every_ms and schedule.offset_ms else None,
        "count": schedule.count,
    }
    repeat = {key: value for key, value in {**told, **dates}.items() if value is not None} | offset
    first = {**template, "repeat": repeat, "jobId": "", "delay": 0, "timestamp": now_ms}
    return {**first, **({} if due_ms is None else {"prevMillis": due_ms}), "repeatJobKey": schedule.id}


def fields_of(schedule: NewSchedule) -> dict[str, str]:
    """The record's hash as the script would store it, without what it counts itself."""
    fields = {name: value if isinstance(value, str) else str(value) for name, value in _rule(schedule).items()}
    if schedule.data not in ("", "{}"):
        fields["data"] = schedule.data
    if template := _template(Keys("", ""), schedule):
        fields["opts"] = codec.to_json(template)
    return fields


async def schedules(connection: str, queue: str, start: int, count: int) -> list[Schedule]:
    """The next due first."""
    on, k = wire(connection), keys(connection, queue)
    flat = await on.call(command("ZRANGE", k("repeat"), start, start + count - 1, "WITHSCORES"))
    ids, scores = flat[::2], flat[1::2]
    hashes = await on.run([command("HGETALL", k("repeat:") + found) for found in ids], return_errors=True)
    return [schedule_of(*row) for row in zip(ids, hashes, scores, strict=True)]


async def schedule(connection: str, queue: str, schedule_id: str) -> Schedule | None:
    on, k, raw_id = wire(connection), keys(connection, queue), codec.raw(schedule_id)
    stored, score = await on.run([command("HGETALL", k("repeat:") + raw_id), command("ZSCORE", k("repeat"), raw_id)])
    return None if score is None else schedule_of(raw_id, stored, score)


async def remove(connection: str, queue: str, schedule_id: str) -> bool:
    """Remove it and its next job, where that still waits for its time; whether it was there."""
    return await wire(connection).call(removing(keys(connection, queue), schedule_id))


def removing(k: Keys, schedule_id: str) -> Command[bool]:
    given = (codec.raw(schedule_id), k.base)
    return call_script("removeJobScheduler", k.many("repeat delayed events"), given, lambda reply: reply == 0)


def schedule_of(raw_id: bytes, stored: Any, score: bytes) -> Schedule:
    """The scheduler from its hash (HGETALL's reply, a mapping, or what Redis refused) and its score."""
    fields = {} if isinstance(stored, Exception) else codec.pairs(stored)

    def number(name: bytes) -> int | None:
        return codec.integer("", fields[name])[0] if name in fields else None

    def words(name: bytes) -> str:
        return codec.text(fields.get(name, b""))

    return Schedule(
        id=codec.text(raw_id),
        name=words(b"name"),
        every_ms=number(b"every"),
        offset_ms=number(b"offset"),
        pattern=words(b"pattern"),
        tz=words(b"tz"),
        limit=number(b"limit"),
        start_ms=number(b"startDate"),
        end_ms=number(b"endDate"),
        next_ms=codec.integer("", score)[0],
        iterations=number(b"ic") or 0,
        data=words(b"data"),
        opts=words(b"opts"),
    )
