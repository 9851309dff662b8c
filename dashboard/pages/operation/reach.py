"""How far somebody may go with bulk work: in which queues they may do it, and which operations they see and steer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dashboard.grants import Grants
from dashboard.seeing import places
from queues.abilities import ACTIONS
from queues.models import Operation
from queues.operations import Kind, Reach, Target, needed_for

#: They name their queues; of the others only the mirror knows in which queues their jobs are.
NAMED = (Kind.IDS, Kind.STATE, Kind.FILTER)


@dataclass(frozen=True, slots=True)
class Extent:
    """The target without the queues in which this person may not do this, which are `left_out`."""

    target: Target
    reach: Reach
    left_out: tuple[str, ...] = ()


async def extent(grants: Grants, target: Target, action: str) -> Extent:
    """Raises QueueNotFound for a queue that is not seen, Forbidden or ReadOnly where nothing is left."""
    needed = needed_for(action, target)
    if target.kind in NAMED:
        return _of_named(grants, target, needed)
    queues = sorted(queue for connection, queue in await places() if connection == target.connection)
    seen = [queue for queue in queues if grants.sees(queue, target.connection)]
    may, left_out = _parted(grants, target.connection, seen, needed)
    is_everywhere = _holds_everywhere(grants, needed) and not left_out
    if not may and not is_everywhere:
        _require(grants, target.connection, seen[:1], needed)
    payloads, masks = _payloads(grants, target.connection, may)
    return Extent(target, Reach(None if is_everywhere else tuple(may), payloads, masks), tuple(left_out))


def _of_named(grants: Grants, target: Target, needed: tuple[str, ...]) -> Extent:
    for queue in target.queues:
        grants.require_sight(queue, target.connection)
    may, left_out = _parted(grants, target.connection, target.queues, needed)
    if not may:
        _require(grants, target.connection, target.queues[:1], needed)
    payloads, masks = _payloads(grants, target.connection, may)
    left = set(may)
    kept = tuple((queue, job_id) for queue, job_id in target.ids if queue in left)
    return Extent(replace(target.over(may), ids=kept), Reach(tuple(may), payloads, masks), tuple(left_out))


def _parted(
    grants: Grants, connection: str, queues: Iterable[str], needed: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    may: list[str] = []
    left_out: list[str] = []
    for queue in queues:
        here = grants.on(queue, connection)
        (may if all(here.may(action) for action in needed) else left_out).append(queue)
    return may, left_out


def _require(grants: Grants, connection: str, queues: Iterable[str], needed: tuple[str, ...]) -> None:
    for here in [grants.on(queue, connection) for queue in queues] or [grants]:
        for action in needed:
            here.require(action)


def _holds_everywhere(grants: Grants, needed: Iterable[str]) -> bool:
    return grants.sees_all and all(ACTIONS.get(action) in grants.abilities for action in needed)


def _payloads(grants: Grants, connection: str, queues: list[str]) -> tuple[tuple[str, ...] | None, bool]:
    """The queues whose payloads may be searched, and whether secrets stand masked before this person."""
    masks = not all(grants.on(queue, connection).may("job.reveal") for queue in queues)
    if "view_payload" in grants.abilities:
        return None, masks
    return tuple(queue for queue in queues if grants.on(queue, connection).may("job.payload")), masks


def queues_of(row: Operation) -> tuple[str, ...] | None:
    """The queues that it may touch; None: every one."""
    named = tuple(json.loads(row.queues))
    return named or Reach.from_json(row.reach).queues


def sees(grants: Grants, row: Operation) -> bool:
    """Whether the operation exists for this person: all of its queues must. Its figures are those of all."""
    queues = queues_of(row)
    if queues is None:
        return grants.sees_all
    return all(grants.sees(queue, row.connection) for queue in queues)


def parameters_of(grants: Grants, row: Operation) -> dict[str, Any]:
    """What it needs beside its jobs; the queue to which they go only where this person sees it."""
    told = dict(json.loads(row.parameters))
    if not grants.sees(told.get("queue", ""), row.connection):
        told.pop("queue", None)
    return told


def reads(grants: Grants, row: Operation) -> bool:
    """Whether what was searched for may be shown: it may be what jobs hold, and a search may name every queue that its
    asker saw.
    """
    queues = queues_of(row)
    if Target.from_json(row.target).kind is Kind.SEARCH and not _sees_reach(grants, row):
        return False
    if queues is None:
        return "view_payload" in grants.abilities
    return all(grants.on(queue, row.connection).may("job.payload") for queue in queues)


def _sees_reach(grants: Grants, row: Operation) -> bool:
    named = Reach.from_json(row.reach).queues
    return grants.sees_all or (named is not None and all(grants.sees(queue, row.connection) for queue in named))


def may_steer(grants: Grants, row: Operation, action: str = "") -> bool:
    """Whoever may do it to all of its queues may pause, resume and cancel it; `action`: another than its own."""
    queues, needed = queues_of(row), needed_for(action or row.action, Target.from_json(row.target))
    if queues is None:
        return all(grants.may(each) for each in needed)
    return all(grants.on(queue, row.connection).may(each) for queue in queues for each in needed)


def require_steering(grants: Grants, row: Operation, action: str = "") -> None:
    """Raises Forbidden or ReadOnly where `may_steer` says no."""
    queues = queues_of(row)
    _require(grants, row.connection, queues or (), needed_for(action or row.action, Target.from_json(row.target)))
