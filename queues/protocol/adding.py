"""The commands that put a job into a queue: BullMQ's add scripts, with options written as Node writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from queues.errors import InvalidInput
from queues.protocol import codec
from queues.protocol.commands import Command, call_script, pack
from queues.protocol.keys import Keys

#: Python's name of an option → the key under which BullMQ stores it (PROTOCOL.md §1); Node's order.
_WIRE_NAMES = {
    "attempts": "attempts",
    "backoff": "backoff",
    "delay_ms": "delay",
    "priority": "priority",
    "lifo": "lifo",
    "remove_on_complete": "removeOnComplete",
    "remove_on_fail": "removeOnFail",
    "keep_logs": "kl",
    "stack_trace_limit": "stackTraceLimit",
    "job_id": "jobId",
}
_STANDARD = "wait paused meta id completed delayed active events marker"
_DELAYED = "marker meta id delayed completed events"
_PRIORITIZED = "marker meta id prioritized delayed completed active events pc"


@dataclass(frozen=True, slots=True)
class Parent:
    """The job that waits for a child: both are in one Redis and under one prefix, perhaps in different queues."""

    queue: str
    id: str


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be added, checked. `data` is JSON; `options` has Python's names, without those that are unset.

    `id` is the one it must have; empty for the queue's next number. Only an id that the caller chose is also among
    the options, as `job_id`.
    """

    name: str
    data: str
    timestamp_ms: int
    options: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    parent: Parent | None = None

    @property
    def wire_options(self) -> dict[str, Any]:
        return {wire: self.options[ours] for ours, wire in _WIRE_NAMES.items() if ours in self.options}


def add_job(keys: Keys, job: NewJob) -> Command[str]:
    """Read as the job's id; a custom id that exists already gives that id, and adds nothing (PROTOCOL.md §3)."""
    script, names = _script(job)
    return call_script(script, keys.many(names), [_arguments(keys, job), job.data, pack(job.wire_options)], _added)


def _script(job: NewJob) -> tuple[str, str]:
    if job.options.get("delay_ms"):
        return "addDelayedJob", _DELAYED
    if job.options.get("priority"):
        return "addPrioritizedJob", _PRIORITIZED
    return "addStandardJob", _STANDARD


def _arguments(keys: Keys, job: NewJob) -> bytes:
    without_parent_scheduler_or_deduplication = [None] * 5
    return pack([keys.base, job.id, job.name, job.timestamp_ms, *without_parent_scheduler_or_deduplication])


def _added(reply: Any) -> str:
    if isinstance(reply, int) and reply < 0:
        raise InvalidInput(f"BullMQ refused the job (code {reply}).")
    return codec.text(reply) if isinstance(reply, bytes) else str(reply)
