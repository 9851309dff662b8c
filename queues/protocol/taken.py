"""A job as Redis hands it to a worker: its hash typed, its options sanitised so that no script chokes on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from queues.errors import LockLost, Refused
from queues.options import Keep
from queues.protocol import codec

#: BullMQ's keepJobs, as sorted pairs: ("age", seconds), ("count", jobs), ("limit", removals at once).
KeepJobs = tuple[tuple[str, int], ...]
KEEP_ALL: KeepJobs = (("count", -1),)
_PARENT_FLAGS = ("fpof", "cpof", "idof", "rdof")
_LARGEST_CACHED = 2_048


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a job's `opts` say to its worker. `raw` is all of it, for the job's next scheduled iteration."""

    attempts: int = 0
    backoff: Mapping[str, Any] | None = None
    keep_completed: KeepJobs | None = None
    keep_failed: KeepJobs | None = None
    keep_logs: int | None = None
    stack_trace_limit: int | None = None
    is_lifo: bool = False
    parent_flags: tuple[bool, ...] = (False,) * len(_PARENT_FLAGS)
    raw: Mapping[str, Any] = field(default_factory=dict)
    is_corrupt: bool = False


class TakenJob:
    """One job in a worker's hands. `raw_id` are the id's exact bytes; `data` is what was stored, JSON or not.

    What only few jobs are asked for is read when it is asked for: there is one of these for every job that runs.
    """

    __slots__ = (
        "_fields",
        "attempts_made",
        "data",
        "deferred_failure",
        "id",
        "is_ghost",
        "name",
        "odd_fields",
        "options",
        "priority",
        "raw_id",
        "scheduler_id",
    )

    def __init__(self, raw_id: bytes, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields
        self.raw_id = raw_id
        self.id = codec.text(raw_id)
        #: Only what the fetch itself wrote is there: the job was removed, its id was left in the list.
        self.is_ghost = b"name" not in fields and b"data" not in fields and b"timestamp" not in fields
        self.name = codec.text(fields.get(b"name", b""))
        self.data = fields.get(b"data") or b"{}"
        self.options = job_options(fields.get(b"opts") or b"{}")
        # BullMQ ≤ 4 wrote attemptsMade, and readers prefer it where it is left (PROTOCOL.md §1).
        self.attempts_made = _number(fields, b"attemptsMade") or _number(fields, b"atm")
        self.priority = _number(fields, b"priority")
        self.deferred_failure = codec.text(fields[b"defa"]) if b"defa" in fields else ""
        self.scheduler_id = fields.get(b"rjk", b"")
        #: Fields on which a finishing script would break off in the middle, and the job would be in no list at all.
        self.odd_fields = _odd(fields) if b"parent" in fields or b"atm" in fields else ()

    @property
    def attempts_started(self) -> int:
        return _number(self._fields, b"ats")

    @property
    def processed_on_ms(self) -> int:
        """When this run was fetched."""
        return _number(self._fields, b"processedOn")

    @property
    def runs(self) -> str:
        """What our workers noted of its earlier attempts (`protocol.attempts`)."""
        return codec.text(self._fields.get(b"toril:runs", b""))

    @property
    def timestamp_ms(self) -> int:
        return _number(self._fields, b"timestamp")

    @property
    def first_due_ms(self) -> float | None:
        """Since when it could be run, by the clock of whoever added it; None but of a first attempt."""
        added = self._fields.get(b"timestamp", b"")
        if self._fields.get(b"ats") != b"1" or not added.isdigit():
            return None
        delay = self.options.raw.get("delay")
        return int(added[:16]) + (delay if isinstance(delay, int) else 0)

    @property
    def fetch_marks(self) -> tuple[bytes, bytes, bytes]:
        """What tells this fetch from any other (ats, processedOn) and from a stalled check since (stc)."""
        fields = self._fields
        return fields.get(b"ats", b""), fields.get(b"processedOn", b""), fields.get(b"stc", b"0")

    @property
    def attempts(self) -> int:
        """How often it may be run, all in all."""
        return max(1, self.options.attempts)

    def traces(self) -> list[str]:
        """The stacks of earlier attempts, oldest first."""
        stored = self._fields.get(b"stacktrace")
        found = codec.parse_json(stored.decode("utf-8", "replace")) if stored else None
        return [str(item) for item in found] if isinstance(found, list) else []


def _odd(fields: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    checks = {b"parent": _is_parent, b"atm": _is_integer}
    return tuple(name for name, is_right in checks.items() if name in fields and not is_right(fields[name]))


def _is_parent(value: bytes) -> bool:
    found = codec.parse_json(codec.text(value))
    return isinstance(found, dict) and isinstance(found.get("queueKey"), str)


def _is_integer(value: bytes) -> bool:
    return value.removeprefix(b"-").isdigit() and len(value) < 19


class Fetched(NamedTuple):
    """What a fetch brought: a job, or how long the rate limit holds, or when the next delayed job is due.

    With none of the three, and `is_known`, the queue had nothing to run (or is paused, or at its global concurrency).
    """

    job: TakenJob | None = None
    limited_ms: int = 0
    due_ms: int = 0
    is_known: bool = True


UNKNOWN = Fetched(is_known=False)
NOTHING = Fetched()


class JobRemoved(LockLost):
    """The job's hash is gone; its id may still be listed as active."""


class ChildrenPending(Refused):
    """The job cannot be completed before its children are; the next attempt may come after them."""


class NoChildPending(Refused):
    """There is nothing for the job to wait for."""


_LOST = {
    -2: "its lock had expired",
    -3: "it was no longer active",
    -6: "another worker holds its lock",
}


def read_fetched(reply: Any) -> Fetched:
    """The answer of moveToActive and moveToFinished. Raises LockLost, or Refused because of the job's children."""
    if isinstance(reply, int):
        _raise_for(reply)
        return NOTHING
    fields, job_id, limited_ms, due_ms = reply
    if isinstance(fields, list):
        return Fetched(TakenJob(job_id, codec.pairs(fields)))
    return Fetched(None, int(limited_ms), int(due_ms))


def read_moved(reply: Any) -> Fetched:
    """The answer of moveToDelayed and retryJob: 0 does not say whether there is more to do."""
    if isinstance(reply, int):
        _raise_for(reply)
        return UNKNOWN
    return read_fetched(reply)


def read_waiting(reply: int) -> Fetched:
    """The answer of moveToWaitingChildren. Raises NoChildPending, too."""
    if reply == 1:
        raise NoChildPending("The job waits for no child.")
    return read_moved(reply)


def _raise_for(code: int) -> None:
    if code == -4:
        raise ChildrenPending("The job cannot be completed: it has children that are not finished.")
    if code == -9:
        raise Refused("The job cannot be completed: it has a failed child.")
    if code == -1:
        raise JobRemoved("it was removed meanwhile")
    if code < 0:
        raise LockLost(_LOST.get(code, f"BullMQ answered {code}"))


@lru_cache(maxsize=1024)
def _cached_options(raw: bytes) -> JobOptions:
    return _parse_options(raw)


def job_options(raw: bytes) -> JobOptions:
    """Never raises: what cannot be read is marked corrupt, and an odd value counts as absent."""
    return _cached_options(raw) if len(raw) <= _LARGEST_CACHED else _parse_options(raw)


def _parse_options(raw: bytes) -> JobOptions:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return JobOptions(is_corrupt=True)
    return JobOptions(
        attempts=_whole(found.get("attempts")) or 0,
        backoff=_backoff(found.get("backoff")),
        keep_completed=_keep_jobs(found.get("removeOnComplete")),
        keep_failed=_keep_jobs(found.get("removeOnFail")),
        keep_logs=_whole(found.get("kl")),
        stack_trace_limit=_whole(found.get("stackTraceLimit")),
        is_lifo=found.get("lifo") is True,
        parent_flags=tuple(bool(found.get(flag)) for flag in _PARENT_FLAGS),
        raw=found,
    )


def keep_jobs(keep: Keep | None) -> KeepJobs:
    """A queue's configured retention as BullMQ's scripts take it."""
    if keep is None:
        return KEEP_ALL
    bounds = (("age", keep.age_s), ("count", keep.count))
    return tuple((name, bound) for name, bound in bounds if bound is not None) or KEEP_ALL


def parent_flags(flags: Sequence[bool]) -> dict[str, bool]:
    return dict(zip(_PARENT_FLAGS, flags, strict=True))


def _keep_jobs(value: Any) -> KeepJobs | None:
    """removeOnComplete or removeOnFail. None (the queue's option decides) also for what BullMQ never writes there."""
    if isinstance(value, bool):
        return (("count", 0),) if value else KEEP_ALL
    if isinstance(value, Mapping):
        bounds = [(name, _whole(value.get(name))) for name in ("age", "count", "limit")]
        return tuple((name, bound) for name, bound in bounds if bound is not None) or None
    count = _whole(value)
    return None if count is None else (("count", count),)


def _backoff(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, Mapping):
        return value
    delay = _whole(value)
    return {"type": "fixed", "delay": delay} if delay else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= codec.LARGEST:
        return None
    return int(value)


def _number(fields: Mapping[bytes, bytes], name: bytes) -> int:
    value = fields.get(name)
    return codec.integer("", value)[0] if value else 0
