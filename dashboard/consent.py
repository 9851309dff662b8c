"""Rights that were taken away stop what was begun with them: bulk work runs for minutes or waits for days.

A token is not asked again: it lives for minutes and cannot be revoked, so what it began is its issuer's word.
"""

from __future__ import annotations

import json

from django.utils.translation import gettext as _

from dashboard.credentials import keys
from dashboard.grants import Grants, grants_of
from queues.abilities import ACTIONS
from queues.models import Operation
from queues.operations import Kind, Reach, Target, needed_elsewhere, needed_for


def refusal(row: Operation) -> str:
    """Why whoever began it may not do it any more; empty where they may, and for what a shell or a token began."""
    reach = Reach.from_json(row.reach)
    if not reach.is_persons and reach.key_id is None:
        return ""
    grants = _now(row, reach)
    if grants is not None and _may(grants, row, reach):
        return ""
    return _("%(who)s began it and may not do this any more. Cancel it; who may begins it anew.") % {"who": row.actor}


def _now(row: Operation, reach: Reach) -> Grants | None:
    if reach.key_id is not None:
        given = keys.grants_now(reach.key_id)
        return None if given is None else given.at(row.connection)
    return None if row.user is None else grants_of(row.user, row.connection)


def _may(grants: Grants, row: Operation, reach: Reach) -> bool:
    target, queues = Target.from_json(row.target), tuple(json.loads(row.queues)) or reach.queues
    needed = [(queue, action) for queue in _each(queues) for action in needed_for(row.action, target)]
    needed += needed_elsewhere(row.action, json.loads(row.parameters))
    if not row.is_collected and target.kind in (Kind.SEARCH, Kind.FILTER):
        needed += [(queue, "job.payload") for queue in _each(reach.payloads)]
    return all(_holds(grants, queue, action) for queue, action in needed)


def _each(queues: tuple[str, ...] | None) -> tuple[str | None, ...]:
    """None stands for every queue."""
    return (None,) if queues is None else queues


def _holds(grants: Grants, queue: str | None, action: str) -> bool:
    """Read-only mode is not asked here: what it keeps from being done is told job by job."""
    held = grants.abilities if queue is None else grants.on(queue).abilities
    return "view" in held and ACTIONS[action] in held
