"""A row and its job: the row first, so that whoever was given an id can always ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django.db import IntegrityError
from django.utils.translation import gettext as _

from dashboard.links import DEFAULT_CONNECTION
from dashboard.request import Request
from dashboard.systems.models import Status, Work
from queues import queue
from queues.actions.adding import add_job
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import InvalidInput, Refused, TorilError
from queues.producer import FlowSpec


class AlreadyThere(Refused):
    """The id is taken, by the caller or by somebody else."""

    code = "already_there"


def new_id() -> str:
    return str(uuid4())


def require_add(request: Request, *names: str) -> None:
    """Raises QueueNotFound where the caller does not see a queue, Forbidden or ReadOnly where they may not add."""
    for name in names:
        request.grants.require_sight(name)
        request.grants.on(name).require("job.add")


async def add(request: Request, row: Work, name: str, data: dict[str, Any], **options: Any) -> None:
    """Store the row and add its job under the row's id, on record.

    Raises AlreadyThere, InvalidInput or ReadOnly, and no row stays; RedisUnavailable and the like, and the row says so:
    whether Redis has the job is not known then, and a worker that runs it puts the row right.
    """
    require_add(request, row.queue)
    await _keep(row)
    try:
        options = {key: value for key, value in options.items() if value}
        _id, done = await add_job(
            request.grants.actor, DEFAULT_CONNECTION, row.queue, name, data, {"job_id": row.job_id, **options}
        )
        if not done.affected:
            raise AlreadyThere(done.message)
    except TorilError as error:
        await _give_up([row], error)
        raise


async def add_family(
    request: Request, parent: Work, name: str, data: dict[str, Any], children: Sequence[tuple[Work, FlowSpec]]
) -> None:
    """Store the rows and add their jobs as one flow: the parent runs when its children have. As `add`, otherwise."""
    rows = [parent, *(row for row, _spec in children)]
    require_add(request, *{row.queue for row in rows})
    specs: list[FlowSpec] = [{**spec, "queue": row.queue, "job_id": row.job_id} for row, spec in children]

    async def act() -> Done:
        await queue(parent.queue).add_flow(name, data, children=specs, job_id=parent.job_id)
        return Done(_("A flow of %(count)s jobs was added.") % {"count": len(rows)}, affected=len(rows))

    for row in rows:
        await _keep(row)
    told = {"name": name, "children": [row.job_id for row, _spec in children]}
    deed = Deed(request.grants.actor, "job.add", DEFAULT_CONNECTION, parent.queue, parent.job_id, told)
    try:
        await record(deed, act, of_done)
    except TorilError as error:
        await _give_up(rows, error)
        raise


async def _keep(row: Work) -> None:
    try:
        await row.asave(force_insert=True)
    except IntegrityError:
        message = _("There is a job “%(job)s” already: choose another id.") % {"job": row.job_id}
        raise AlreadyThere(message) from None


async def _give_up(rows: Sequence[Work], error: TorilError) -> None:
    """Nothing was added, or nobody knows."""
    pks = [row.pk for row in rows]
    if isinstance(error, Refused | InvalidInput) or error.status == 403:
        await Work.objects.filter(pk__in=pks).adelete()
    else:
        open_rows = Work.objects.filter(pk__in=pks, status=Status.QUEUED)
        await open_rows.aupdate(status=Status.FAILED, error_message=str(error))
