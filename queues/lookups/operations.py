"""Operations for pages: the list, one of them, and its jobs. Which of them somebody sees is the caller's condition."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from queues.errors import NotFound
from queues.models import Operation, OperationItem

PAGE = 50


@dataclass(frozen=True, slots=True)
class Items:
    """A page of an operation's jobs, in the order in which they are worked off; `after` leads to the next, None at the
    end.
    """

    items: tuple[OperationItem, ...]
    after: int | None


async def listing(seen: Q | None = None, before: int | None = None, most: int = PAGE) -> list[Operation]:
    """Newest first, older than number `before`."""
    rows = Operation.objects.filter(seen or Q())
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return [row async for row in rows.order_by("-pk")[:most]]


async def one(number: int) -> Operation:
    """Raises NotFound."""
    row = await Operation.objects.filter(pk=number).select_related("restores", "repeats").afirst()
    if row is None:
        raise NotFound(f"There is no operation {number}.")
    return row


async def items(
    operation: int,
    outcomes: Collection[int] = (),
    after: int = 0,
    most: int = PAGE,
    queues: Collection[str] | None = None,
) -> Items:
    """Those with one of these outcomes (none: all), in these queues (None: all), behind item `after`."""
    rows = OperationItem.objects.filter(operation_id=operation, seq__gt=after)
    if outcomes:
        rows = rows.filter(outcome__in=list(outcomes))
    if queues is not None:
        rows = rows.filter(queue__in=list(queues))
    found = [row async for row in rows.order_by("seq")[: most + 1]]
    return Items(tuple(found[:most]), found[most - 1].seq if len(found) > most else None)
