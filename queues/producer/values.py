"""What producers are given: the options of a job, the shape of many jobs and of flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Required, TypedDict, runtime_checkable

from queues.options import Backoff, Keep

#: Stands for data that was not given, which Node writes as {}; None is written as null.
NO_DATA: Any = object()
#: What the final failure of a child does to its parent.
OnFailure = Literal["fail_parent", "continue_parent", "ignore_dependency", "remove_dependency"]


@runtime_checkable
class JobAddress(Protocol):
    """A job's handle, as far as it says which job."""

    connection: str
    queue: str
    id: str


@dataclass(frozen=True, slots=True)
class Deduplication:
    """While the job that holds `id` is unfinished (or for `ttl_ms`), adding another with it adds nothing.

    extend: each such attempt begins the ttl anew. replace: while the holder is delayed it is replaced.
    keep_last_if_active: while the holder runs, the last one is kept and added when it ends.
    """

    id: str
    ttl_ms: int | None = None
    extend: bool = False
    replace: bool = False
    keep_last_if_active: bool = False


class AddOptions(TypedDict, total=False):
    """What a job may be given; what is absent or None comes from the queue's settings, else BullMQ's defaults.

    backoff: milliseconds, or {"type": "fixed", "exponential" or your own, "delay": milliseconds, "jitter": 0 to 1}.
    remove_on_complete, remove_on_fail: True, a count, or {"age": seconds, "count": jobs}.
    deduplication: an id, or `Deduplication(…)`, or a dict of its fields.
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
    size_limit: int | None
    timestamp_ms: int | None
    deduplication: str | Deduplication | Mapping[str, Any] | None
    parent: JobAddress | None
    on_failure: OnFailure | None
    omit_trace: bool | None


class JobSpec(AddOptions, total=False):
    """One of many jobs: `add`'s name, data and options under one roof."""

    name: Required[str]
    data: Any


class FlowSpec(JobSpec, total=False):
    """A job of a flow with the jobs it waits for. `queue`: its parent's, where it is not said."""

    queue: str
    children: Sequence[FlowSpec]
