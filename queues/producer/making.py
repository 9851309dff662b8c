"""From what a program passed to a checked job: options, the queue's defaults, the trace it belongs to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from queues.errors import InvalidInput
from queues.options import DECLARED, Options, QueueOptions, get_options
from queues.producer.checks import CHECKS, backoff, data_json, job_name, keep
from queues.producer.values import NO_DATA
from queues.protocol.adding import NewJob, Parent
from queues.tracing import outgoing


def new_job(
    name: str, data: Any, options: Mapping[str, Any], defaults: Mapping[str, Any], *, parent: Parent | None = None
) -> NewJob:
    """The checked job; `defaults` are `queue_defaults(…)`, `parent` is that of a flow's child.

    Raises InvalidInput naming the option.
    """
    name = job_name(name)
    merged = _merged(options, defaults) if options else defaults
    written = data_json({} if data is NO_DATA else data, merged.get("size_limit"))
    if "parent" in merged:
        parent = _only_one(merged["parent"], parent)
        merged = {key: value for key, value in merged.items() if key != "parent"}
    _check_parent(merged, parent)
    if not merged.get("omit_trace") and (trace := outgoing()) is not None:
        merged = {**merged, "trace": trace}
    timestamp_ms = merged.get("timestamp_ms") or time.time_ns() // 1_000_000
    return NewJob(name, written, timestamp_ms, merged, merged.get("job_id", ""), parent)


def _merged(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    try:
        given = {key: CHECKS[key](key, value) for key, value in options.items() if value is not None}
    except KeyError:
        unknown = min(set(options) - set(CHECKS))
        raise InvalidInput(f"add() has no option {unknown!r}; it knows {', '.join(sorted(CHECKS))}.") from None
    return {**defaults, **given}


def _only_one(given: Parent, flows: Parent | None) -> Parent:
    if flows is not None:
        raise InvalidInput("parent cannot be given to a child of a flow: it has one.")
    return given


def _check_parent(options: Mapping[str, Any], parent: Parent | None) -> None:
    if parent is not None and "deduplication" in options:
        raise InvalidInput("deduplication and parent cannot be used together: the parent must know the job's id.")
    if parent is None and "on_failure" in options:
        raise InvalidInput("on_failure says what becomes of a parent, and this job has none.")


def queue_defaults(name: str) -> Mapping[str, Any]:
    """What is said of the queue's jobs by settings, environment and processors. One object for all jobs that say
    nothing else: not to be changed.
    """
    options, declared = get_options(), DECLARED.get(name)
    held = _held.get(name)
    if held is None or held[0] is not options or held[1] != declared:
        if len(_held) >= MOST_HELD:
            _held.clear()
        held = _held[name] = options, declared and dict(declared), _defaults(options.queue(name))
    return held[2]


#: Queue → what its defaults were made of, and they: reading settings costs more than adding a job.
_held: dict[str, tuple[Options, dict[str, Any] | None, Mapping[str, Any]]] = {}
MOST_HELD = 10_000


def _defaults(queue: QueueOptions) -> dict[str, Any]:
    values = {
        "attempts": queue.attempts if queue.attempts > 1 else None,
        "backoff": queue.backoff and backoff("backoff", queue.backoff),
        "remove_on_complete": queue.remove_on_complete and keep("", queue.remove_on_complete),
        "remove_on_fail": queue.remove_on_fail and keep("", queue.remove_on_fail),
    }
    return {key: value for key, value in values.items() if value is not None}
