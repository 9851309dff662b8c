"""From what a program passed to many checked jobs: a list of them, or a flow of parents and children."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from queues.errors import InvalidInput
from queues.producer.checks import queue_name
from queues.producer.job import JobHandle
from queues.producer.making import new_job, queue_defaults
from queues.producer.values import NO_DATA, FlowSpec, JobSpec
from queues.protocol.adding import NewJob, Parent
from queues.protocol.flows import NewFlow

#: A flow is one transaction, during which Redis does nothing else: some 40 µs per job.
MOST_IN_FLOW, DEEPEST = 10_000, 100
#: Whether it is the root → what a flow's spec says beside the job. The root's queue is the handle's.
_OF_FLOWS = {True: ("children",), False: ("children", "queue")}


@dataclass(frozen=True, slots=True)
class AddedFlow:
    """A job with the jobs it waits for, in the order in which they were given."""

    job: JobHandle
    children: tuple[AddedFlow, ...] = ()


def new_jobs(
    queue: str, specs: Iterable[JobSpec], check: Callable[[Mapping[str, Any]], None] | None = None
) -> Iterator[NewJob]:
    """The checked jobs, one by one. Raises InvalidInput naming the index; also what `check` raises it for."""
    defaults = queue_defaults(queue)
    for index, spec in enumerate(specs):
        try:
            job = _job(spec, defaults)
            if check is not None and job.parent is not None:
                check(spec)
            yield job
        except InvalidInput as error:
            raise InvalidInput(f"jobs[{index}]: {error}") from None


def _job(
    spec: Mapping[str, Any], defaults: Mapping[str, Any], *, parent: Parent | None = None, job_id: str = ""
) -> NewJob:
    if not isinstance(spec, Mapping) or "name" not in spec:
        raise InvalidInput(f"a job is a dict with at least its name, not {spec!r}.")
    own = {key: value for key, value in spec.items() if key not in ("name", "data")}
    job = new_job(spec["name"], spec.get("data", NO_DATA), own, defaults, parent=parent)
    return job if job.id or not job_id else job._replace(id=job_id)


def new_flow(queue: str, spec: FlowSpec) -> NewFlow:
    """The checked flow, every job with its id. Raises InvalidInput naming the place: `children[2].children[0]: …`."""
    seen: set[tuple[str, str]] = set()
    return _flow(queue, spec, None, "", 1, seen)


def _flow(
    queue: str, spec: FlowSpec, parent: Parent | None, place: str, depth: int, seen: set[tuple[str, str]]
) -> NewFlow:
    try:
        job, children = _node(queue, spec, parent, depth)
        if (queue, job.id) in seen:
            raise InvalidInput(f"the flow holds job {job.id!r} of queue {queue!r} twice.")
        seen.add((queue, job.id))
        if len(seen) > MOST_IN_FLOW:
            raise InvalidInput(f"a flow may have {MOST_IN_FLOW:,} jobs; add further children with `parent=`.")
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error}" if place else str(error)) from None
    me, under = Parent(queue, job.id), f"{place}." if place else ""
    built = [
        _flow(_queue_of(child, queue, at), child, me, at, depth + 1, seen)
        for at, child in ((f"{under}children[{index}]", child) for index, child in enumerate(children))
    ]
    return NewFlow(queue, job, tuple(built))


def _queue_of(spec: Any, parents: str, place: str) -> str:
    given = spec.get("queue") if isinstance(spec, Mapping) else None
    try:
        return parents if given is None else queue_name(given)
    except InvalidInput as error:
        raise InvalidInput(f"{place}: {error}") from None


def _node(queue: str, spec: FlowSpec, parent: Parent | None, depth: int) -> tuple[NewJob, Sequence[FlowSpec]]:
    if depth > DEEPEST:
        raise InvalidInput(f"a flow may be {DEEPEST} jobs deep; or does it contain itself?")
    children: Any = ()
    own: Any = spec
    if isinstance(spec, Mapping):
        children = spec.get("children") or ()
        own = {key: value for key, value in spec.items() if key not in _OF_FLOWS[parent is None]}
    job = _job(own, queue_defaults(queue), parent=parent, job_id=str(uuid4()))
    if not isinstance(children, list | tuple):
        raise InvalidInput("children must be a list of jobs.")
    if "deduplication" in job.options:
        raise InvalidInput("deduplication cannot be used in a flow: children must know their parent's id.")
    return job, children


def handles(connection: str, flow: NewFlow, is_written: bool) -> AddedFlow:
    handle = JobHandle(connection, flow.queue, flow.job.id, flow.job.name, is_written)
    return AddedFlow(handle, tuple(handles(connection, child, is_written) for child in flow.children))


def all_handles(flow: AddedFlow) -> Iterator[JobHandle]:
    yield flow.job
    for child in flow.children:
        yield from all_handles(child)
