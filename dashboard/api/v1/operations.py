"""Bulk work for programs: counted first, begun, followed, paused, cancelled, restored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import Path, Query, Router
from ninja.responses import Status
from pydantic import BaseModel

from dashboard.api.v1.asking import Ask, Done, IdempotencyKey, asker, connection_of, told
from dashboard.api.v1.declared import may
from dashboard.api.v1.idempotency import Once, once
from dashboard.api.v1.operation_shapes import OUTCOMES, Begun, Item, Operation, Preview, Wanted, counted, item, shown
from dashboard.api.v1.paging import USUAL, Cursor, Limit, Page, opened, sealed, strange
from dashboard.pages.operation import reach as operation_reach
from dashboard.pages.operation.asking import require_elsewhere, require_word, word_of
from dashboard.pages.operation.reach import Extent, extent
from queues import operations
from queues.errors import NotFound
from queues.lookups import operations as lookup
from queues.lookups.crowd import few
from queues.models import Operation as Row
from queues.models.local import is_in_process
from queues.options.values import LOCAL_CONNECTION

router = Router(tags=["operations"])
Number = Annotated[int, Path(ge=1, le=2**53)]
#: So many are looked through for a page of those that the caller sees.
MOST_LOOKED_AT = 1_000


@router.get("", response=Page[Operation], operation_id="listOperations")
async def list_operations(request: Ask, cursor: Cursor = None, limit: Limit = USUAL) -> Page[Operation]:
    """Operations

    Newest first; those about a queue that the caller does not see are not there.
    """
    connection = connection_of(request)
    of = f"operations:{connection}"
    found, before = await _seen_before(request, connection, _number(cursor, of), limit)
    items = [shown(row, request.grants) for row in found]
    return Page(items=items, next=sealed(of, before) if before else None)


async def _seen_before(request: Ask, connection: str, before: int | None, limit: int) -> tuple[list[Row], int | None]:
    here = Q(connection=LOCAL_CONNECTION if is_in_process() else connection)
    found: list[Row] = []
    for _round in range(0, MOST_LOOKED_AT, limit):
        rows = await lookup.listing(here, before, limit)
        for row in rows:
            before = row.pk
            if operation_reach.sees(request.grants, row):
                found.append(row)
            if len(found) == limit:
                return found, before
        if len(rows) < limit:
            return found, None
    return found, before


@router.post("/preview", response=Preview, operation_id="previewOperation")
async def preview_operation(request: Ask, sent: Wanted) -> Preview:
    """Count first

    What an operation would touch. Nothing is changed.
    """
    found = await _extent(request, sent)
    async with few(asker(request), "preview"):
        return counted(
            await operations.preview(found.target, sent.action, found.reach, sent.parameters()), found.left_out
        )


async def _extent(request: Ask, sent: Wanted) -> Extent:
    """Without the queues in which the caller may not do this. Raises QueueNotFound, Forbidden, InvalidInput."""
    connection = connection_of(request)
    found = await extent(request.grants, sent.target.target(connection, sent.action), sent.action)
    require_elsewhere(request.grants, connection, sent.action, sent.parameters())
    return found


@router.post("", response={201: Operation}, operation_id="beginOperation", openapi_extra=may(422))
async def begin_operation(
    request: Ask, sent: Begun, idempotency_key: IdempotencyKey = None
) -> Status[Any] | HttpResponse:
    """Begin

    It is written down, and done by the background process (the mirror's leader) at its own pace; follow it by its
    number. Of queues in which the caller may not do this nothing is touched.
    """
    found = await _extent(request, sent)
    if not sent.keeps:
        require_word(sent.confirm, word_of(sent.action, found.target))

    async def act(_ids: Once) -> tuple[int, BaseModel]:
        row = await operations.begin(
            request.grants.actor,
            found.target,
            sent.action,
            sent.reason,
            reach=found.reach,
            rate_per_s=sent.rate_per_s,
            stop_percent=sent.stop_percent,
            parameters=sent.parameters(),
            keeps=sent.keeps,
        )
        return 201, shown(row, request.grants)

    return await once(request, act)


@router.get("/{number}", response=Operation, operation_id="getOperation")
async def get_operation(request: Ask, number: Number) -> Operation:
    """One operation"""
    return shown(await _one(request, number), request.grants)


@router.get("/{number}/items", response=Page[Item], operation_id="listOperationItems")
async def list_operation_items(
    request: Ask,
    number: Number,
    outcome: Annotated[Literal["left", "done", "moved", "stayed"] | None, Query(description="Only these.")] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL,
) -> Page[Item]:
    """Its jobs

    In the order in which they are worked off, with what became of each.
    """
    row = await _one(request, number)
    of = f"items:{row.pk}:{outcome}"
    outcomes = [OUTCOMES[outcome]] if outcome else []
    found = await lookup.items(row.pk, outcomes, _number(cursor, of) or 0, limit)
    return Page(items=[item(each) for each in found.items], next=sealed(of, found.after) if found.after else None)


@router.post("/{number}/pause", response=Done, operation_id="pauseOperation")
async def pause_operation(request: Ask, number: Number) -> Done:
    """Pause

    After the jobs that are in hand.
    """
    row = await _steered(request, number)
    return told(await operations.pause(request.grants.actor, row.pk))


@router.post("/{number}/resume", response=Done, operation_id="resumeOperation")
async def resume_operation(request: Ask, number: Number) -> Done:
    """Resume"""
    row = await _steered(request, number)
    return told(await operations.resume(request.grants.actor, row.pk))


@router.post("/{number}/cancel", response=Done, operation_id="cancelOperation")
async def cancel_operation(request: Ask, number: Number) -> Done:
    """Cancel

    The jobs that were not come to stay as they are, for good.
    """
    row = await _steered(request, number)
    return told(await operations.cancel(request.grants.actor, row.pk))


@router.post("/{number}/restore", response={201: Operation}, operation_id="restoreOperation", openapi_extra=may(422))
async def restore_operation(
    request: Ask, number: Number, idempotency_key: IdempotencyKey = None
) -> Status[Any] | HttpResponse:
    """Restore

    Bring back what it removed, as an operation of its own.
    """
    row = await _steered(request, number, "restore")

    async def act(_ids: Once) -> tuple[int, BaseModel]:
        return 201, shown(await operations.restore(request.grants.actor, row.pk), request.grants)

    return await once(request, act)


async def _one(request: Ask, number: int) -> Row:
    """Raises NotFound, too, where it is about a queue that the caller does not see."""
    connection, row = connection_of(request), await lookup.one(number)
    if row.connection != connection or not operation_reach.sees(request.grants, row):
        raise NotFound(_("There is no operation %(number)s.") % {"number": number})
    return row


async def _steered(request: Ask, number: int, action: str = "") -> Row:
    row = await _one(request, number)
    operation_reach.require_steering(request.grants, row, action)
    return row


def _number(cursor: str | None, of: str) -> int | None:
    match opened(cursor, of):
        case None:
            return None
        case [int(number)] if 0 < number < 2**53:
            return number
    raise strange()
