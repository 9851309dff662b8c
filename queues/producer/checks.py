"""What `add` takes and how it is checked: everything before anything is written, each mistake by its option's name."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, TypedDict

from queues.errors import InvalidInput
from queues.options import Backoff, Keep, QueueOptions
from queues.protocol import codec
from queues.protocol.adding import NewJob
from queues.protocol.keys import RESERVED_IDS

MAX_PRIORITY = 2_097_151
#: Larger whole numbers are not exact in JavaScript.
MAX_INTEGER = 2**53 - 1
_INTEGER_ID = re.compile(r"-?\d+")
#: Stands for data that was not given, which Node writes as {}; None is written as null.
NO_DATA: Any = object()


class AddOptions(TypedDict, total=False):
    """What `add` takes; what is absent or None comes from TORIL["QUEUES"][queue], else from BullMQ's defaults.

    backoff: milliseconds, or {"type": "fixed" or "exponential", "delay": milliseconds, "jitter": 0 to 1}.
    remove_on_complete, remove_on_fail: True, a count, or {"age": seconds, "count": jobs}.
    """

    job_id: str | None
    delay_ms: int | None
    priority: int | None
    attempts: int | None
    backoff: int | Backoff | Mapping[str, Any] | None
    remove_on_complete: bool | int | Keep | Mapping[str, int] | None
    remove_on_fail: bool | int | Keep | Mapping[str, int] | None
    lifo: bool | None
    keep_logs: int | None
    stack_trace_limit: int | None
    timestamp_ms: int | None


def new_job(name: str, data: Any, options: AddOptions, defaults: QueueOptions) -> NewJob:
    """The checked job, with the queue's configured defaults. Raises InvalidInput naming the option."""
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"A job's name is text; {name!r} is not.")
    _encodable("job name", name)
    if unknown := sorted(set(options) - set(_CHECKS)):
        raise InvalidInput(f"add() has no option {unknown[0]!r}; it knows {', '.join(sorted(_CHECKS))}.")
    given = {key: _CHECKS[key](key, value) for key, value in options.items() if value is not None}
    merged = _defaults(defaults) | given
    timestamp_ms = merged.pop("timestamp_ms", None) or time.time_ns() // 1_000_000
    text = _json({} if data is NO_DATA else data)
    return NewJob(name, text, timestamp_ms, merged, id=merged.get("job_id", ""))


def _defaults(queue: QueueOptions) -> dict[str, Any]:
    # BullMQ's own default is 0 attempts, which runs once like 1; Node writes it, so readers expect the key.
    values = {
        "attempts": queue.attempts if queue.attempts > 1 else 0,
        "backoff": queue.backoff and _backoff("backoff", queue.backoff),
        "remove_on_complete": queue.remove_on_complete and _keep("", queue.remove_on_complete),
        "remove_on_fail": queue.remove_on_fail and _keep("", queue.remove_on_fail),
    }
    return {key: value for key, value in values.items() if value is not None}


def _json(data: Any) -> str:
    try:
        return codec.to_json(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The job's data cannot be written as JSON: {error}.") from None


def _encodable(what: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"The {what} holds half a surrogate pair, which is not text: {value!a}.") from None
    return value


def _job_id(option: str, value: Any) -> str:
    """Node's rules (PROTOCOL.md §5), and no id that is a key of the queue's own: one such job ruins the queue."""
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{option} must be text, not {value!r}.")
    if _INTEGER_ID.fullmatch(value):
        raise InvalidInput(f"{option} {value!r} is a whole number; those are the ids that BullMQ gives itself.")
    if ":" in value:
        raise InvalidInput(f"{option} {value!r} contains ':', which parts the names of keys.")
    if value in RESERVED_IDS:
        raise InvalidInput(f"{option} {value!r} is the name of a key of the queue's own.")
    return _encodable(option, value)


def _whole(least: int, most: int = MAX_INTEGER) -> Any:
    def check(option: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidInput(f"{option} must be a whole number from {least} to {most}, not {value!r}.")
        return value

    return check


def _flag(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{option} must be True or False, not {value!r}.")
    return value


def _backoff(option: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Backoff):
        value = {"type": value.type, "delay": value.delay_ms} | ({"jitter": value.jitter} if value.jitter else {})
    if not isinstance(value, Mapping):
        return {"type": "fixed", "delay": _whole(0)(option, value)}
    if not isinstance(value.get("type"), str) or not set(value) <= {"type", "delay", "jitter"}:
        raise InvalidInput(f"{option} must be milliseconds or {{'type', 'delay', 'jitter'}}, not {value!r}.")
    jitter = value.get("jitter", 0)
    if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        raise InvalidInput(f"{option}'s jitter must be a number from 0 to 1, not {jitter!r}.")
    return {**value, "delay": _whole(0)(f"{option}'s delay", value.get("delay", 0))}


def _keep(option: str, value: Any) -> bool | int | dict[str, int]:
    if isinstance(value, Keep):
        if value.age_s is None:
            return True if value.count == 0 else -1 if value.count is None else value.count
        return {"age": value.age_s} | ({} if value.count is None else {"count": value.count})
    if isinstance(value, bool):
        return value
    if not isinstance(value, Mapping):
        return int(_whole(-1)(option, value))
    if not value or not set(value) <= {"age", "count"}:
        raise InvalidInput(f"{option} must be true, a count, or {{'age': seconds, 'count': jobs}}, not {value!r}.")
    return {key: _whole(0)(f"{option}'s {key}", number) for key, number in value.items()}


_CHECKS: dict[str, Any] = {
    "job_id": _job_id,
    "delay_ms": _whole(0),
    "priority": _whole(0, MAX_PRIORITY),
    "attempts": _whole(0),
    "backoff": _backoff,
    "remove_on_complete": _keep,
    "remove_on_fail": _keep,
    "lifo": _flag,
    "keep_logs": _whole(0),
    "stack_trace_limit": _whole(0),
    "timestamp_ms": _whole(0),
}
