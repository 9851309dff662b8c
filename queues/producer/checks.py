"""What each option of a job may be: everything is checked before anything is written, each mistake by its name.

Node's rules (PROTOCOL.md §5, last lines), and stricter where Node lets a name or an id ruin a queue (THREATS.md §0.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from queues import typed
from queues.errors import InvalidInput
from queues.options import Backoff, Keep
from queues.producer.values import Deduplication, JobAddress
from queues.protocol import codec
from queues.protocol.adding import FAILURE_FLAGS, Parent
from queues.protocol.keys import RESERVED_IDS

MAX_PRIORITY = 2_097_151
#: Larger whole numbers are not exact in JavaScript.
MAX_INTEGER = 2**53 - 1
#: As many characters as the mirror's columns hold.
MAX_QUEUE_NAME, MAX_JOB_ID, MAX_JOB_NAME, MAX_SCHEDULER_ID = 512, 1_024, 1_024, 1_000
_INTEGER_ID = re.compile(r"-?\d+", re.ASCII)
#: Keys of older versions, which newer ones delete without looking.
_LEGACY_KEYS = frozenset({"delay", "priority"})
#: `repeat:<id>` is the scheduler's own key, `repeat:<id>:<milliseconds>` that of each of its jobs.
_ITERATION = re.compile(r".*:\d+", re.ASCII | re.DOTALL)
Check = Callable[[str, Any], Any]


def text(what: str, value: Any, longest: int) -> str:
    """Text that can be part of a key: not empty, not too long, and bytes that come back as they went."""
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{what} must be text, not {value!r}.")
    if len(value) > longest:
        raise InvalidInput(f"{what} may have {longest:,} characters; {value[:40]!r}… has {len(value):,}.")
    if "\0" in value or codec.MARK in value:
        raise InvalidInput(f"{what} {value!r} holds a NUL or a U+FFFD, which is no text.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} holds half a surrogate pair, which is no text: {value!a}.") from None
    return value


def queue_name(value: Any) -> str:
    if isinstance(value, str) and ":" in value:
        raise InvalidInput(f"A queue's name cannot contain ':', which parts the names of keys; {value!r} does.")
    return text("A queue's name", value, MAX_QUEUE_NAME)


def job_name(value: Any) -> str:
    return text("A job's name", value, MAX_JOB_NAME)


def job_id(option: str, value: Any) -> str:
    value = text(option, value, MAX_JOB_ID)
    if _INTEGER_ID.fullmatch(value):
        raise InvalidInput(f"{option} {value!r} is a whole number; those are the ids that BullMQ gives itself.")
    if ":" in value:
        raise InvalidInput(f"{option} {value!r} contains ':', which parts the names of keys.")
    if value in RESERVED_IDS or value in _LEGACY_KEYS:
        raise InvalidInput(f"{option} {value!r} is the name of a key of the queue's own.")
    return str(value)


def known_id(value: Any) -> str:
    """The id of a job that may be there, whoever made it; no key of the queue's own, which must not be removed."""
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"A job's id must be text, not {value!r}.")
    if value in RESERVED_IDS:
        raise InvalidInput(f"No job has the id {value!r}: it is the name of a key of the queue's own.")
    return value


def scheduler_id(value: Any) -> str:
    """No id whose record would be the job of another scheduler, or that Node takes for an old repeatable job's key."""
    found = text("A scheduler's id", value, MAX_SCHEDULER_ID)
    if _ITERATION.fullmatch(found) or found.count(":") >= 4:
        raise InvalidInput(f"A scheduler's id cannot end with ':' and a number, nor contain four ':'; {found!r} does.")
    return found


def data_json(data: Any, size_limit: int | None = None, what: str = "The job's data") -> str:
    """The data as Node would write it. Dataclasses and pydantic models are written as the objects they describe."""
    try:
        written = codec.to_json(_plain(data))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{what} cannot be written as JSON: {error}.") from None
    if size_limit and len(written.encode("utf-8", "surrogatepass")) > size_limit:
        size = len(written.encode("utf-8", "surrogatepass"))
        raise InvalidInput(f"{what} has {size:,} bytes; size_limit allows {size_limit:,}.")
    return written


def _plain(data: Any) -> Any:
    if is_dataclass(data) and not isinstance(data, type):
        return typed.plain(data)
    dump = None if isinstance(data, type) else getattr(data, "model_dump", None)
    return dump(mode="json") if callable(dump) else data


def whole(least: int, most: int = MAX_INTEGER) -> Check:
    def check(option: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidInput(f"{option} must be a whole number from {least} to {most}, not {value!r}.")
        return value

    return check


def seconds(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise InvalidInput(f"timeout_s must be a number of seconds, not {value!r}.")
    return value


def flag(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{option} must be True or False, not {value!r}.")
    return value


def backoff(option: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Backoff):
        value = {"type": value.type, "delay": value.delay_ms} | ({"jitter": value.jitter} if value.jitter else {})
    if isinstance(value, int):
        return {"type": "fixed", "delay": whole(0)(option, value)}
    kind = value.get("type") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or not set(value) <= {"type", "delay", "jitter"}:
        raise InvalidInput(f"{option} must be milliseconds or {{'type', 'delay', 'jitter'}}, not {value!r}.")
    jitter = value.get("jitter", 0)
    if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        raise InvalidInput(f"{option}'s jitter must be a number from 0 to 1, not {jitter!r}.")
    return {**value, "delay": whole(0)(f"{option}'s delay", value.get("delay", 0))}


def keep(option: str, value: Any) -> bool | int | dict[str, int]:
    if isinstance(value, Keep):
        if value.age_s is None:
            return True if value.count == 0 else -1 if value.count is None else value.count
        return {"age": value.age_s} | ({} if value.count is None else {"count": value.count})
    if isinstance(value, bool):
        return value
    if not isinstance(value, Mapping):
        return int(whole(-1)(option, value))
    if not value or not set(value) <= {"age", "count", "limit"}:
        raise InvalidInput(f"{option} must be true, a count, or {{'age': seconds, 'count': jobs}}, not {value!r}.")
    return {key: whole(0)(f"{option}'s {key}", number) for key, number in value.items()}


def deduplication_id(value: Any) -> str:
    return text("A deduplication id", value, MAX_JOB_ID)


def deduplication(option: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"id": deduplication_id(value)}
    if isinstance(value, Deduplication):
        value = {key: given for key, given in asdict(value).items() if given is not None and given is not False}
    known = {field.name for field in fields(Deduplication)}
    if not isinstance(value, Mapping) or not set(value) <= known:
        raise InvalidInput(f"{option} must be an id or {{{', '.join(sorted(known))}}}, not {value!r}.")
    checked: dict[str, Any] = {"id": deduplication_id(value.get("id"))}
    for key, given in value.items():
        if key != "id":
            checked[key] = whole(1)(f"{option}'s {key}", given) if key == "ttl_ms" else flag(f"{option}'s {key}", given)
    return checked


def on_failure(option: str, value: Any) -> str:
    if value not in FAILURE_FLAGS:
        raise InvalidInput(f"{option} must be one of {', '.join(FAILURE_FLAGS)}, not {value!r}.")
    return str(value)


def parent(option: str, value: Any) -> Parent:
    if not isinstance(value, JobAddress):
        raise InvalidInput(f"{option} must be a job's handle, not {value!r}.")
    return Parent(value.queue, known_id(value.id))


#: Every option of a job → its check.
CHECKS: dict[str, Check] = {
    "job_id": job_id,
    "delay_ms": whole(0),
    "priority": whole(0, MAX_PRIORITY),
    "attempts": whole(0),
    "backoff": backoff,
    "remove_on_complete": keep,
    "remove_on_fail": keep,
    "lifo": flag,
    "keep_logs": whole(0),
    "stack_trace_limit": whole(0),
    "size_limit": whole(1),
    "timestamp_ms": whole(1),
    "deduplication": deduplication,
    "parent": parent,
    "on_failure": on_failure,
    "omit_trace": flag,
}
