"""Schedulers: what makes a queue's jobs by the clock, and what was read of one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings

from queues.errors import InvalidInput
from queues.producer.checks import CHECKS, flag, scheduler_id, whole
from queues.producer.making import new_job, queue_defaults
from queues.protocol import codec
from queues.protocol.adding import WIRE_NAMES, NewJob
from queues.protocol.cron import next_ms
from queues.protocol.scheduling import NewSchedule, Schedule

#: What a template may not say of its jobs: each has its own, or would be the second of its kind.
_NOT_IN_TEMPLATE = ("job_id", "delay_ms", "timestamp_ms", "parent", "on_failure")
_BY_WIRE_NAME = {
    wire: ours for ours, wire in WIRE_NAMES.items() if ours not in (*_NOT_IN_TEMPLATE, "trace", "deduplication")
}

_BY_ANY_NAME = _BY_WIRE_NAME | {ours: ours for ours in _BY_WIRE_NAME.values()} | {"keepLogs": "keep_logs"}


def new_schedule(
    queue: str,
    identity: str,
    *,
    every_ms: int | None,
    pattern: str | None,
    tz: str | None,
    offset_ms: int | None,
    limit: int | None,
    start: datetime | None,
    end: datetime | None,
    immediately: bool,
    name: str | None,
    data: Any,
    options: Mapping[str, Any],
) -> NewSchedule:
    """The checked scheduler. Raises InvalidInput naming the option."""
    identity = scheduler_id(identity)
    if refused := [key for key in _NOT_IN_TEMPLATE if options.get(key) is not None]:
        raise InvalidInput(f"{refused[0]} cannot be given to a scheduler's jobs.")
    job = new_job(name or identity, data, {**options, "omit_trace": True}, queue_defaults(queue))
    own = {key: value for key, value in job.options.items() if key != "omit_trace" or options.get("omit_trace")}
    schedule = NewSchedule(
        id=identity,
        name=job.name,
        data=job.data,
        options=own,
        every_ms=None if every_ms is None else whole(1)("every_ms", every_ms),
        offset_ms=None if offset_ms is None else whole(0)("offset_ms", offset_ms),
        pattern=_pattern(pattern),
        tz=_zone(tz) if pattern else "",
        limit=None if limit is None else whole(1)("limit", limit),
        start_ms=_moment_ms("start", start),
        end_ms=_moment_ms("end", end),
        is_immediate=flag("immediately", immediately),
    )
    _check_rule(schedule, tz)
    return schedule


class TemplateOptions(NamedTuple):
    """`checked` has Python's names, as `new_schedule` takes them; `stored` BullMQ's, as a record holds them."""

    checked: dict[str, Any]
    stored: dict[str, Any]


def template_options(given: Mapping[str, Any], stored: Mapping[str, Any]) -> TemplateOptions:
    """Options of a scheduler's jobs as a person wrote them, under BullMQ's names or Python's. One that is unknown here
    stays if it is among those `stored` already. Raises InvalidInput naming the option.
    """
    made = TemplateOptions({}, {})
    for name, value in given.items():
        ours = _BY_ANY_NAME.get(name)
        if ours is not None:
            made.checked[ours] = made.stored[WIRE_NAMES[ours]] = CHECKS[ours](name, value)
        elif name in stored and stored[name] == value:
            made.stored[name] = value
        else:
            raise InvalidInput(f"{name[:80]!r} is no option of a scheduler's jobs: {', '.join(sorted(_BY_WIRE_NAME))}.")
    return made


def _check_rule(rule: NewSchedule, tz: str | None) -> None:
    now_ms = time.time_ns() // 1_000_000
    if bool(rule.pattern) == (rule.every_ms is not None):
        raise InvalidInput("A scheduler needs either every_ms or pattern.")
    if rule.every_ms is not None and tz is not None:
        raise InvalidInput("tz belongs to a pattern; every_ms counts on one clock for all.")
    if rule.offset_ms is not None and (rule.every_ms is None or rule.offset_ms >= rule.every_ms):
        raise InvalidInput("offset_ms moves the turns of every_ms, and must be less than it.")
    if rule.is_immediate and rule.start_ms is not None:
        raise InvalidInput("immediately and start cannot be used together.")
    if rule.end_ms is not None and rule.end_ms <= max(now_ms, rule.start_ms or 0):
        raise InvalidInput("end must lie in the future, and after start.")
    if rule.pattern:
        next_ms(rule.pattern, now_ms, start_ms=rule.start_ms, tz=rule.tz)


def _pattern(pattern: str | None) -> str:
    if pattern is not None and not isinstance(pattern, str):
        raise InvalidInput(f"pattern must be text, not {pattern!r}.")
    return pattern or ""


def _zone(tz: str | None) -> str:
    """Always said: without it Node takes its own machine's, and Python UTC (PROTOCOL.md §5)."""
    name = tz if tz is not None else str(settings.TIME_ZONE or "UTC")
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, TypeError, OSError):
        raise InvalidInput(f"tz {name!r} is no time zone.") from None


def _moment_ms(option: str, value: datetime | None) -> int | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInput(f"{option} must be a datetime with a time zone, not {value!r}.")
    return int(value.timestamp() * 1000)


class FoundScheduler:
    """A scheduler as it is stored. `next_ms` is when its next job is due; `iterations` how many it has made.

    `options` are its jobs', as BullMQ stores them, under its own names.
    """

    __slots__ = ("connection", "data", "options", "queue", "record")

    def __init__(self, connection: str, queue: str, record: Schedule) -> None:
        self.connection, self.queue, self.record = connection, queue, record
        self.data: Any = codec.parse_json(record.data) if record.data else {}
        options = codec.parse_json(record.opts) if record.opts else {}
        self.options: dict[str, Any] = options if isinstance(options, dict) else {}

    def __getattr__(self, name: str) -> Any:
        """Its fields: id, name, next_ms, every_ms, offset_ms, pattern, tz, limit, start_ms, end_ms, iterations."""
        if name in _RECORD_FIELDS:
            return getattr(self.record, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<FoundScheduler {self.queue}/{self.record.id}>"

    def job(self) -> NewJob:
        """A job as it makes them, to be added now; the schedule goes on as it was."""
        ours = {_BY_WIRE_NAME[key]: value for key, value in self.options.items() if key in _BY_WIRE_NAME}
        ours = {option: value for option, value in ours.items() if _is_valid(option, value)}
        timestamp_ms = time.time_ns() // 1_000_000
        return NewJob(self.record.name or self.record.id, self.record.data or "{}", timestamp_ms, ours)


def _is_valid(option: str, value: Any) -> bool:
    """Others may have stored anything, and a script would choke on it."""
    try:
        CHECKS[option](option, value)
    except InvalidInput:
        return False
    return True


_RECORD_FIELDS = frozenset(Schedule.__dataclass_fields__) - {"data", "opts"}
