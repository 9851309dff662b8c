"""Adds the next iteration of the scheduler that made a job, as BullMQ's workers do before they run it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from queues.protocol import codec
from queues.protocol.commands import Command
from queues.protocol.running import RunningCommands, now_ms
from queues.protocol.taken import TakenJob


class CannotSchedule(Exception):
    """The scheduler's rule cannot be read; the job itself runs all the same."""


def next_iteration(taken: TakenJob, commands: RunningCommands) -> Command[Any] | None:
    """The command that adds it, or None where the scheduler's limit or end is reached. Raises CannotSchedule."""
    repeat = taken.options.raw.get("repeat")
    if not isinstance(repeat, Mapping) or not (repeat.get("every") or repeat.get("pattern")):
        raise CannotSchedule("its job does not say when to run again")
    count = _whole(repeat.get("count")) + 1
    now = max(now_ms(), _whole(taken.options.raw.get("prevMillis")))
    if _is_over(repeat, count):
        return None
    next_ms = max(_next_ms(repeat, now), now) if repeat.get("pattern") else None
    options = _options(taken, repeat, count, next_ms)
    try:
        return commands.next_iteration(taken, next_ms, taken.data, options)
    except (ValueError, OverflowError) as error:
        # JSON says what msgpack cannot: numbers of any length, any depth.
        raise CannotSchedule(f"its job's options cannot be passed on: {error}") from None


def _is_over(repeat: Mapping[str, Any], count: int) -> bool:
    limit, end_ms = _whole(repeat.get("limit")), _moment_ms(repeat.get("endDate"))
    return (limit > 0 and count > limit) or (end_ms is not None and now_ms() > end_ms)


def _options(taken: TakenJob, repeat: Mapping[str, Any], count: int, next_ms: int | None) -> dict[str, Any]:
    """As Node's getNextJobOpts; delay and jobId are set by the script."""
    dates = {key: moment for key in ("startDate", "endDate") if (moment := _moment_ms(repeat.get(key))) is not None}
    options = {
        **taken.options.raw,
        "timestamp": now_ms(),
        "repeatJobKey": codec.text(taken.scheduler_id),
        "repeat": {**{key: value for key, value in repeat.items() if key != "immediately"}, "count": count, **dates},
    }
    options.pop("prevMillis", None)
    return options if next_ms is None else {**options, "prevMillis": next_ms}


def _next_ms(repeat: Mapping[str, Any], after_ms: int) -> int:
    # Comes with bullmq, whose dialect of cron it is (PROTOCOL.md §5); only schedulers need it.
    from croniter import croniter

    start_ms = _moment_ms(repeat.get("startDate")) or 0
    try:
        after = datetime.fromtimestamp(max(after_ms, start_ms) / 1000, tz=_zone(repeat.get("tz")))
        due: datetime = croniter(repeat["pattern"], after, second_at_beginning=True).get_next(datetime)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, OverflowError) as error:
        raise CannotSchedule(f"its rule cannot be read: {error}") from None
    return int(due.timestamp() * 1000)


def _zone(name: Any) -> tzinfo:
    return ZoneInfo(name) if name else UTC


def _moment_ms(value: Any) -> int | None:
    """Milliseconds, or an ISO date, as Node accepts both."""
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except ValueError:
            return None
    return _whole(value) or None


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and abs(value) < codec.LARGEST else 0
