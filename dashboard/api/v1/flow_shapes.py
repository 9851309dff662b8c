"""A job of a flow as this API tells it: where the caller does not see its queue, that there is one and nothing else."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from ninja import Query
from pydantic import BaseModel, Field

from dashboard.api.v1.asking import Ask, Sent
from dashboard.api.v1.idempotency import Once
from dashboard.api.v1.jobs_adding import NewJob, Options
from dashboard.api.v1.paging import Page
from dashboard.api.v1.values import masked_value, plain
from dashboard.pages.flow.nodes import seeing
from queues.errors import InvalidInput
from queues.masking import mask_text
from queues.producer import NO_DATA
from queues.protocol.flows import NewFlow as Added
from queues.protocol.reads.families import Member, Ref, Tally
from queues.states import State

Group = Annotated[
    Literal["pending", "failed", "ignored", "done"],
    Query(
        description="Unfinished children; failed ones that failed the parent; failed and ignored ones; finished ones."
    ),
]
#: What the failure of a child does to its parent: BullMQ's short form → this API's word.
POLICIES = {
    "fpof": "fail_parent", "cpof": "continue_parent", "idof": "ignore_dependency", "rdof": "remove_dependency",
}  # fmt: skip
OnFailure = Literal["fail_parent", "continue_parent", "ignore_dependency", "remove_dependency"]


class Children(BaseModel):
    """How many there are of each group."""

    pending: int
    done: int
    ignored: int
    failed: int


class Place(BaseModel):
    """A job by where it is."""

    connection: str
    queue: str
    id: str


class FlowJob(BaseModel):
    """A job of a flow. Of one in a queue that the caller does not see all is null but `is_hidden`."""

    is_hidden: bool
    job: Place | None
    name: str | None
    state: State | None
    exists: bool | None = Field(description="False: Redis has nothing of it any more but its place.")
    children: Children | None
    on_failure: str | None = Field(description="What its failure does to its parent; null: the parent waits on.")
    timestamp_ms: int | None
    processed_on_ms: int | None
    finished_on_ms: int | None
    attempts_made: int | None
    error: str | None = Field(description="Why it failed, masked; null for whoever may not read what jobs carry.")
    progress: Any = Field(description="Likewise.")


class Flows(Page[FlowJob]):
    """Roots of flows. `looked` jobs were weighed, in `queues` of `of` queues."""

    looked: int
    queues: int
    of: int


class Flow(BaseModel):
    """Where a job stands in its flow."""

    job: FlowJob
    parent: Place | None = Field(description="Null for the root, and for a parent that is not seen.")
    root: Place | None
    is_cut: bool = Field(description="The root is further up than was looked.")


class Retried(Sent):
    most: int = Field(default=20_000, ge=1, le=20_000, description="No more than so many.")


class FlowOptions(Options):
    """Those of a job, and what its failure does to its parent."""

    on_failure: OnFailure | None = None


class FlowChild(NewJob):
    """A job that its parent waits for."""

    queue: str | None = Field(default=None, min_length=1, max_length=512, description="Its parent's, if absent.")
    options: FlowOptions = Field(default_factory=FlowOptions)
    children: list[FlowChild] = Field(default_factory=list, max_length=10_000)


class NewFlow(FlowChild):
    """A job with those it waits for."""

    queue: str = Field(min_length=1, max_length=512)

    def spec(self, ids: Once) -> dict[str, Any]:
        """As the producer takes it. With a key each job has an id that follows from it and from its place."""
        return _spec(self, ids, [0])

    def queues(self) -> set[str]:
        """All that it adds to."""
        return _queues(self, self.queue)

    def size(self) -> int:
        return _size(self)


def _spec(job: FlowChild, ids: Once, counted: list[int]) -> dict[str, Any]:
    name, data, options = job.wanted(ids, counted[0])
    if options.pop("deduplication", None) is not None:
        raise InvalidInput(_("A job of a flow cannot be deduplicated: children must know their parent's id."))
    counted[0] += 1
    told = {**options, "name": name, "children": [_spec(child, ids, counted) for child in job.children]}
    if data is not NO_DATA:
        told["data"] = data
    if job.queue and not isinstance(job, NewFlow):
        told["queue"] = job.queue
    return told


def _queues(job: FlowChild, here: str) -> set[str]:
    return {here}.union(*(_queues(child, child.queue or here) for child in job.children))


def _size(job: FlowChild) -> int:
    return 1 + sum(map(_size, job.children))


class AddedFlow(BaseModel):
    """The flow's jobs with their ids, in the order in which they were given."""

    queue: str
    id: str
    children: list[AddedFlow]


def added(flow: Added) -> AddedFlow:
    return AddedFlow(queue=flow.queue, id=flow.job.id, children=[added(child) for child in flow.children])


async def shown(request: Ask, member: Member) -> FlowJob:
    ref = member.ref
    if not seeing(request)(ref):
        nothing: dict[str, Any] = dict.fromkeys(FlowJob.model_fields)
        return FlowJob(**nothing | {"is_hidden": True})
    can = request.grants.on(ref.queue, ref.connection) if ref.is_known else request.grants
    reads = can.may("job.payload")
    return FlowJob(
        is_hidden=False,
        job=place(ref),
        name=plain(member.name),
        state=member.state,
        exists=member.exists,
        children=tally(member.tally),
        on_failure=POLICIES.get(member.policy),
        timestamp_ms=member.timestamp_ms,
        processed_on_ms=member.processed_on_ms,
        finished_on_ms=member.finished_on_ms,
        attempts_made=member.attempts_made,
        error=plain(mask_text(member.reason)) if reads and member.reason else None,
        progress=await masked_value(member.progress) if reads else None,
    )


def place(ref: Ref) -> Place:
    """A job under no known prefix has its whole key as its id."""
    return Place(connection=ref.connection, queue=plain(ref.queue), id=plain(ref.id or ref.key))


def tally(counted: Tally) -> Children:
    return Children(pending=counted.pending, done=counted.done, ignored=counted.ignored, failed=counted.failed)
