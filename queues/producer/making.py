"""From what a program passed to a checked job: options, the queue's defaults, the trace it belongs to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from queues.errors import InvalidInput
from queues.options import QueueOptions
from queues.producer.checks import CHECKS, backoff, data_json, job_name, keep
from queues.producer.values import NO_DATA
from queues.protocol.adding import NewJob
from queues.tracing import outgoing


def new_job(name: str, data: Any, options: Mapping[str, Any], queue: QueueOptions) -> NewJob:
    """The checked job. Raises InvalidInput naming the option."""
    name = job_name(name)
    merged = _merged(options, queue) if options else defaults(queue)
    written = data_json({} if data is NO_DATA else data, merged.get("size_limit"))
    parent = None
    if "parent" in merged:
        parent = merged["parent"]
        merged = {key: value for key, value in merged.items() if key != "parent"}
    if not merged.get("omit_trace") and (trace := outgoing()) is not None:
        merged = {**merged, "trace": trace}
    timestamp_ms = merged.get("timestamp_ms") or time.time_ns() // 1_000_000
    return NewJob(name, written, timestamp_ms, merged, merged.get("job_id", ""), parent)


def _merged(options: Mapping[str, Any], queue: QueueOptions) -> dict[str, Any]:
    try:
        given = {key: CHECKS[key](key, value) for key, value in options.items() if value is not None}
    except KeyError:
        unknown = min(set(options) - set(CHECKS))
        raise InvalidInput(f"add() has no option {unknown!r}; it knows {', '.join(sorted(CHECKS))}.") from None
    merged = {**defaults(queue), **given}
    if "parent" in merged and "deduplication" in merged:
        raise InvalidInput("deduplication and parent cannot be used together: the parent must know the job's id.")
    if "on_failure" in merged and "parent" not in merged:
        raise InvalidInput("on_failure says what becomes of a parent, and this job has none.")
    return merged


@lru_cache(maxsize=1024)
def defaults(queue: QueueOptions) -> dict[str, Any]:
    """What the queue's settings say of its jobs. One object for all jobs that say nothing else: not to be changed."""
    values = {
        "attempts": queue.attempts if queue.attempts > 1 else None,
        "backoff": queue.backoff and backoff("backoff", queue.backoff),
        "remove_on_complete": queue.remove_on_complete and keep("", queue.remove_on_complete),
        "remove_on_fail": queue.remove_on_fail and keep("", queue.remove_on_fail),
    }
    return {key: value for key, value in values.items() if value is not None}
