"""What is asked of one queue: its minutes, its limits, its workers, what its jobs are given and look like."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from dashboard import fitting
from dashboard.api.board.refusals import Said
from dashboard.api.board.route import Call
from dashboard.presentation import dashboard_options
from queues.lookups.heard import heard
from queues.lookups.native import Minutes, minutes_of
from queues.models.local import is_in_process
from queues.producer.making import queue_defaults
from queues.protocol.adding import WIRE_NAMES


async def metrics(call: Call, queue: str) -> dict[str, Any]:
    await call.queue(queue)
    return {kind: _minutes(told) for kind, told in (await minutes_of(call.connection, queue)).items()}


def _minutes(told: Minutes) -> dict[str, Any]:
    meta = {"count": told.count, "prevTS": told.last_ms, "prevCount": told.before}
    return {"meta": meta, "data": told.points, "count": len(told.points)}


async def default_job_options(call: Call, queue: str) -> dict[str, Any]:
    """What the settings give each job of the queue, under BullMQ's names."""
    await call.queue(queue)
    return {WIRE_NAMES[ours]: value for ours, value in queue_defaults(queue).items()}


async def rate_limit(call: Call, queue: str) -> dict[str, Any]:
    known = await call.queue(queue)
    if known.is_local or known.rate_limit_max is None or not known.rate_limit_duration_ms:
        return {"supported": not known.is_local, "rateLimit": None}
    return {"supported": True, "rateLimit": {"max": known.rate_limit_max, "duration": known.rate_limit_duration_ms}}


async def job_data_schema(call: Call, queue: str) -> dict[str, Any]:
    """The settings' schema, else that of the processor's own type; an empty one where nothing is known."""
    await call.queue(queue)
    known = fitting.known(queue, "")
    return dict(known.schema) if known else {}


async def workers(call: Call, queue: str) -> dict[str, Any]:
    if not dashboard_options().show_workers:
        raise Said(403, "WORKERS_DISABLED", _("The settings of this site leave workers out (show_workers)."))
    await call.queue(queue)
    listeners = None if is_in_process() else (await heard(call.connection)).listeners
    if listeners is None:
        return {"workers": None}
    return {
        "workers": [
            {"id": one.id, "name": one.name or None, "addr": one.address, "age": one.age_s}
            for one in listeners
            if one.queue == queue
        ]
    }
