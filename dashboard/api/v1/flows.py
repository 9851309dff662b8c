"""Flows for programs: recent ones, one job's place, its children page by page; added, and their failed jobs retried."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from ninja.responses import Status
from pydantic import BaseModel

from dashboard.api.seen import queues_seen
from dashboard.api.v1.asking import Ask, Done, IdempotencyKey, connection_of, told
from dashboard.api.v1.declared import may
from dashboard.api.v1.flow_shapes import AddedFlow, Flow, FlowJob, Flows, Group, NewFlow, Place, Retried, place, shown
from dashboard.api.v1.flow_shapes import added as told_flow
from dashboard.api.v1.idempotency import Once, once
from dashboard.api.v1.job_shapes import JobId
from dashboard.api.v1.paging import Cursor, Page, opened, place_key, sealed, strange
from dashboard.api.v1.queues import QueueName
from dashboard.pages.flow.nodes import seeing
from queues.actions.adding_flow import add_flow
from queues.actions.flows import retry_leaves
from queues.errors import InvalidInput, JobNotFound, Refused
from queues.lookups import flows as lookup
from queues.models.local import is_in_process
from queues.options import get_options
from queues.protocol.reads.families import Ref, at
from queues.states import State

router, of_queue = Router(tags=["flows"]), Router(tags=["flows"])
ONE = "/{segment:queue}/jobs/{segment:job_id}"


@router.get("", response=Flows, operation_id="listFlows")
async def list_flows(request: Ask) -> Flows:
    """Recent flows

    By their roots, newest first, at most 50: parents that wait, and those among the newest other jobs.
    """
    connection = connection_of(request)
    seen = [row.name for row in (await queues_seen(request, connection)).queues]
    if is_in_process():
        return Flows(items=[], next=None, looked=0, queues=0, of=len(seen))
    found = await lookup.recent_roots(connection, seen, seeing(request))
    items = [await shown(request, member) for member in found.members]
    return Flows(items=items, next=None, looked=found.looked, queues=found.queues, of=found.of)


@router.post("", response={201: AddedFlow}, operation_id="addFlow", openapi_extra=may(422))
async def post_flow(request: Ask, sent: NewFlow, idempotency_key: IdempotencyKey = None) -> Status[Any] | HttpResponse:
    """Add a flow

    A job with those it waits for, in one transaction; a child may be in another queue and have children of its own.
    All are checked before the first is written.
    """
    for queue in sorted(sent.queues()):
        request.grants.require_sight(queue)
        request.grants.on(queue).require("job.add")
    connection, most = connection_of(request), get_options().api.most_jobs
    if is_in_process():
        raise Refused(_("Jobs run in this process: there are no flows."))
    if sent.size() > most:
        raise InvalidInput(_("At most %(most)s jobs with one request.") % {"most": f"{most:,}"})

    async def act(ids: Once) -> tuple[int, BaseModel]:
        spec: Any = sent.spec(ids)
        return 201, told_flow(await add_flow(request.grants.actor, connection, sent.queue, spec))

    return await once(request, act)


@of_queue.get(f"{ONE}/flow", response=Flow, operation_id="getFlow")
async def get_flow(request: Ask, queue: QueueName, job_id: JobId) -> Flow:
    """A job's place in its flow

    Its parent, the root, and how its children stand.
    """
    connection = _connection(request, queue, job_id)
    member = await lookup.member(connection, queue, job_id)
    family = await lookup.family(connection, queue, job_id)
    return Flow(
        job=await shown(request, member),
        parent=_seen(request, family.parent),
        root=_seen(request, family.root),
        is_cut=family.is_cut,
    )


@of_queue.get(f"{ONE}/children", response=Page[FlowJob], operation_id="listChildren")
async def list_children(
    request: Ask,
    queue: QueueName,
    job_id: JobId,
    group: Group = "pending",
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    name: Annotated[str | None, Query(max_length=1024, description="Only those of this name.")] = None,
    cursor: Cursor = None,
) -> Page[FlowJob]:
    """A job's children

    Of one group, some 50 with each page; with a state or a name a page may hold fewer, and none, before the end. As
    Redis scans: a child may come twice.
    """
    connection = _connection(request, queue, job_id)
    of = place_key("children", connection, queue, job_id, group, str(state), str(name))
    parent = at(connection, queue, job_id)
    found = await lookup.children_of(connection, parent, group, _place(cursor, of), state, name, seeing(request))
    items = [await shown(request, member) for member in found.members]
    return Page(items=items, next=sealed(of, found.cursor) if found.cursor else None)


def _place(cursor: str | None, of: str) -> str:
    """Raises InvalidInput for one that is none of this list's."""
    found = opened(cursor, of)
    if found is None:
        return ""
    if len(found) == 1 and isinstance(found[0], str) and found[0].isascii() and found[0].isdigit():
        return found[0]
    raise strange()


@of_queue.post(f"{ONE}/flow/retry", response=Done, operation_id="retryFlow")
async def retry_flow(request: Ask, queue: QueueName, job_id: JobId, sent: Retried | None = None) -> Done:
    """Retry what failed in a flow

    The failed jobs below that one (or itself) that no failed child of theirs explains, in the queues in which the
    caller may retry.
    """
    request.grants.on(queue).require("job.retry")
    connection = _connection(request, queue, job_id)
    root, grants = at(connection, queue, job_id), request.grants
    await lookup.member(connection, queue, job_id)

    def may_retry(ref: Ref) -> bool:
        return ref.is_known and grants.on(ref.queue, ref.connection).may("job.retry")

    walk = await lookup.failed_leaves(connection, root, may_retry)
    if not walk.leaves:
        raise Refused(_("No failed job of this flow can be retried."))
    return told(await retry_leaves(grants.actor, root, walk.leaves[: (sent or Retried()).most]))


def _connection(request: Ask, queue: str, job_id: str) -> str:
    """Raises JobNotFound where there are no flows."""
    if is_in_process():
        connection_of(request)
        raise JobNotFound(queue, job_id)
    return connection_of(request)


def _seen(request: Ask, ref: Ref | None) -> Place | None:
    return place(ref) if ref is not None and seeing(request)(ref) else None
