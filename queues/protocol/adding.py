"""The commands that put a job into a queue: BullMQ's add scripts, with options written as Node writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from queues.errors import NotFound, Refused
from queues.protocol import codec
from queues.protocol.codec import raw
from queues.protocol.commands import Command, call_script, pack
from queues.protocol.keys import Keys

#: Python's name of an option → the key under which BullMQ stores it (PROTOCOL.md §1).
WIRE_NAMES = {
    "attempts": "attempts",
    "backoff": "backoff",
    "delay_ms": "delay",
    "priority": "priority",
    "lifo": "lifo",
    "remove_on_complete": "removeOnComplete",
    "remove_on_fail": "removeOnFail",
    "keep_logs": "kl",
    "stack_trace_limit": "stackTraceLimit",
    "size_limit": "sizeLimit",
    "timestamp_ms": "timestamp",
    "job_id": "jobId",
    "deduplication": "de",
    "trace": "tm",
    "omit_trace": "omc",
}
#: What a child's final failure does to its parent → BullMQ's key for it.
FAILURE_FLAGS = {
    "fail_parent": "fpof",
    "continue_parent": "cpof",
    "ignore_dependency": "idof",
    "remove_dependency": "rdof",
}
_STANDARD = "wait paused meta id completed delayed active events marker"
_DELAYED = "marker meta id delayed completed events"
_PRIORITIZED = "marker meta id prioritized delayed completed active events pc"
_WAITING_CHILDREN = "meta id delayed waiting-children completed events"
MISSING_PARENT, PARENT_OF_ANOTHER = -5, -7


class Parent(NamedTuple):
    """The job that waits for a child: both are in one Redis and under one prefix, perhaps in different queues."""

    queue: str
    id: str


class NewJob(NamedTuple):
    """A job to be added, checked. `data` is JSON; `options` has Python's names, without those that are unset.

    `id` is the one it must have; empty for the queue's next number. Only an id that the caller chose is also among
    the options, as `job_id`.
    """

    name: str
    data: str
    timestamp_ms: int
    options: Mapping[str, Any] = {}  # read only
    id: str = ""
    parent: Parent | None = None


def wire_options(options: Mapping[str, Any], prefix: str, parent: Parent | None = None) -> dict[str, Any]:
    """The options as BullMQ stores them, in the order in which they were given, as Node's Job makes them."""
    found: dict[str, Any] = {"attempts": 0}
    for ours, value in options.items():
        if ours == "on_failure":
            found[FAILURE_FLAGS[value]] = True
        elif ours != "deduplication":
            found[WIRE_NAMES[ours]] = value
        else:
            found["de"] = _deduplication(value)
    if parent is not None:
        found["parent"] = {"id": parent.id, "queue": Keys(prefix, parent.queue).name}
    return found


def add_job(keys: Keys, job: NewJob, *, waits_for_children: bool = False) -> Command[str]:
    """Read as the job's id; one that exists already, or a deduplicating one, gives its id and adds nothing.

    Raises NotFound where the parent is gone, Refused where the job has another parent already.
    """
    return _add(keys, job, pack(wire_options(job.options, keys.prefix, job.parent)), waits_for_children)


def add_jobs(keys: Keys, jobs: Iterable[NewJob]) -> Iterator[Command[str]]:
    """The same for many: options that jobs share as one object are packed once."""
    last: tuple[Any, Any, bytes] | None = None
    for job in jobs:
        if last is None or job.options is not last[0] or job.parent is not last[1]:
            last = (job.options, job.parent, pack(wire_options(job.options, keys.prefix, job.parent)))
        yield _add(keys, job, last[2], False)


def _add(keys: Keys, job: NewJob, packed_options: bytes, waits_for_children: bool) -> Command[str]:
    script, names = _script(job, waits_for_children)
    return call_script(script, script_keys(keys.base, names), (_arguments(keys, job), job.data, packed_options), _added)


def _script(job: NewJob, waits_for_children: bool) -> tuple[str, str]:
    if waits_for_children:
        return "addParentJob", _WAITING_CHILDREN
    if job.options.get("delay_ms"):
        return "addDelayedJob", _DELAYED
    if job.options.get("priority"):
        return "addPrioritizedJob", _PRIORITIZED
    return "addStandardJob", _STANDARD


@lru_cache(maxsize=1024)
def script_keys(base: bytes, names: str) -> tuple[bytes, ...]:
    return tuple(base + name.encode() for name in names.split())


def _arguments(keys: Keys, job: NewJob) -> bytes:
    owner = job.options.get("deduplication")
    deduplication_key = None if owner is None else keys("de:") + raw(owner["id"])
    parent_key = dependencies = None
    parent: dict[str, Any] | None = None
    if job.parent is not None:
        base = Keys(keys.prefix, job.parent.queue)
        parent_key, dependencies = base.job(job.parent.id), base.dependencies(job.parent.id)
        parent = {"id": job.parent.id, "queueKey": base.name}
        if (policy := job.options.get("on_failure")) is not None:
            parent[FAILURE_FLAGS[policy]] = True
    arguments = (keys.base, job.id, job.name, job.timestamp_ms, parent_key, dependencies, parent)
    return pack((*arguments, None, deduplication_key))


def _deduplication(value: Mapping[str, Any]) -> dict[str, Any]:
    names = {"ttl_ms": "ttl", "keep_last_if_active": "keepLastIfActive"}
    return {names.get(ours, ours): given for ours, given in value.items()}


def _added(reply: Any) -> str:
    if isinstance(reply, bytes):
        return codec.text(reply)
    if reply == MISSING_PARENT:
        raise NotFound("The job's parent does not exist; nothing was added.")
    if reply == PARENT_OF_ANOTHER:
        raise Refused("The queue holds a job of that id, and it is the child of another parent.")
    if isinstance(reply, int) and reply < 0:
        raise Refused(f"BullMQ refused the job (code {reply}).")
    return str(reply)
