"""Adds the next iteration of the scheduler that made a job, as BullMQ's workers do before they run it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from queues.errors import InvalidInput, RedisRefused
from queues.protocol import codec, cron
from queues.protocol.clock import now_ms
from queues.protocol.commands import Command
from queues.protocol.running import RunningCommands
from queues.protocol.taken import TakenJob
from queues.runs import journal
from queues.worker.reporter import Send

log = logging.getLogger("queues.worker")


class CannotSchedule(Exception):
    """The scheduler's rule cannot be read; the job itself runs all the same."""


async def add_next(taken: TakenJob, commands: RunningCommands, send: Send) -> None:
    """Add the next iteration, where there is to be one; says in the log why not, where that is a fault."""
    try:
        command = next_iteration(taken, commands)
        if command is not None and not await send(command) and is_legacy(taken.scheduler_id):
            raise CannotSchedule("it is a repeatable job of BullMQ 5; make it a scheduler")
    except (CannotSchedule, RedisRefused) as error:
        scheduler = journal.line(codec.text(taken.scheduler_id))
        log.error("scheduler %s of %s will not run again: %s", scheduler, journal.line(commands.keys.queue), error)


def next_iteration(taken: TakenJob, commands: RunningCommands) -> Command[Any] | None:
    """The command that adds it, or None where the scheduler's limit or end is reached. Raises CannotSchedule."""
    repeat = taken.options.raw.get("repeat")
    if not isinstance(repeat, Mapping) or not (repeat.get("every") or repeat.get("pattern")):
        raise CannotSchedule("its job does not say when to run again")
    count, end_ms = _whole(repeat.get("count")) + 1, _moment_ms(repeat.get("endDate"))
    if _is_over(repeat, count, end_ms):
        return None
    next_ms = _next_ms(taken, repeat) if repeat.get("pattern") else None
    if next_ms is not None and end_ms is not None and next_ms > end_ms:
        return None
    try:
        return commands.next_iteration(taken, next_ms, taken.data, _options(taken, repeat, count, next_ms))
    except (ValueError, OverflowError) as error:
        # JSON says what msgpack cannot: numbers of any length, any depth.
        raise CannotSchedule(f"its job's options cannot be passed on: {error}") from None


def is_legacy(scheduler_id: bytes) -> bool:
    """Whether that is a key of BullMQ 5's repeatable jobs, `name:id:end:tz:pattern`, with which no script goes on."""
    parts = scheduler_id.split(b":", 4)
    return len(parts) == 5 and (not parts[2] or parts[2].isdigit()) and (b" " in parts[4] or parts[4].isdigit())


def _is_over(repeat: Mapping[str, Any], count: int, end_ms: int | None) -> bool:
    is_done = repeat.get("limit") is not None and count > _whole(repeat["limit"])
    return is_done or (end_ms is not None and now_ms() > end_ms)


def _next_ms(taken: TakenJob, repeat: Mapping[str, Any]) -> int:
    now, pattern, zone = max(now_ms(), _whole(taken.options.raw.get("prevMillis"))), repeat["pattern"], repeat.get("tz")
    if not isinstance(pattern, str) or not isinstance(zone or "", str):
        raise CannotSchedule("its rule is not text")
    try:
        return max(now, cron.next_ms(pattern, now, start_ms=_moment_ms(repeat.get("startDate")), tz=zone or ""))
    except InvalidInput as error:
        raise CannotSchedule(str(error)) from None


def _options(taken: TakenJob, repeat: Mapping[str, Any], count: int, next_ms: int | None) -> dict[str, Any]:
    """As Node's getNextJobOpts; delay and jobId are set by the script, which reckons the time of `every`, too."""
    dates = {key: moment for key in ("startDate", "endDate") if (moment := _moment_ms(repeat.get(key))) is not None}
    kept = {key: value for key, value in repeat.items() if key != "immediately"}
    options = {
        **taken.options.raw,
        "timestamp": now_ms(),
        "repeatJobKey": codec.text(taken.scheduler_id),
        "repeat": {**kept, "count": count, **dates},
    }
    options.pop("prevMillis", None)
    return options if next_ms is None else {**options, "prevMillis": next_ms}


def _moment_ms(value: Any) -> int | None:
    """Milliseconds, or an ISO date, as Node accepts both; without a zone it is UTC's."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            return None
    return _whole(value) or None


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and abs(value) < codec.LARGEST else 0
