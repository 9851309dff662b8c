"""Webhooks for pages: how each stands, what was sent there, and what was answered.

Which deliveries somebody sees is the caller's condition: `queues` None means all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from asgiref.sync import sync_to_async
from django.db.models import Q, QuerySet

from queues.errors import NotFound
from queues.models import Delivery, DeliveryTry, Endpoint
from queues.models.webhook import TEST

PAGE = 50
#: Counted no further: a page must not read a million entries of an index.
MOST_COUNTED = 10_000
#: Greater numbers are nobody's, and more than a database takes.
LARGEST = 2**62


@dataclass(frozen=True, slots=True)
class Standing:
    """How many deliveries are in each state, at most MOST_COUNTED + 1."""

    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Newest first; `before` leads to older ones, None at the end."""

    rows: tuple[Delivery, ...]
    before: int | None


async def endpoints(connection: str) -> list[Endpoint]:
    rows = Endpoint.objects.filter(connection=connection).select_related("maker")
    return [row async for row in rows.order_by("name", "pk")]


async def endpoint(connection: str, number: int) -> Endpoint:
    """Raises NotFound."""
    rows = Endpoint.objects.filter(connection=connection, pk=min(number, LARGEST)).select_related("maker")
    if (row := await rows.afirst()) is None:
        raise NotFound(f"There is no webhook {number}.")
    return row


@sync_to_async
def queues_told(endpoint: int) -> list[str]:
    """The queues of its deliveries."""
    return list(Delivery.objects.filter(endpoint=endpoint).order_by().values_list("queue", flat=True).distinct())


@sync_to_async
def standing(endpoint: int, queues: Collection[str] | None = None) -> Standing:
    rows = _rows(endpoint, queues)
    return Standing({str(state): rows.filter(state=state)[: MOST_COUNTED + 1].count() for state in Delivery.State})


async def deliveries(
    endpoint: int, queues: Collection[str] | None = None, state: str = "", before: int | None = None, most: int = PAGE
) -> Deliveries:
    # State by state, as the index has them: all states together would be a sort of everything ever sent there.
    rows = _rows(endpoint, queues).filter(pk__lt=LARGEST if before is None else min(before, LARGEST)).order_by("-pk")
    wanted = [state] if state else list(Delivery.State)
    some = [row for one in wanted async for row in rows.filter(state=one).defer("body")[: most + 1]]
    found = sorted(some, key=attrgetter("pk"), reverse=True)[: most + 1]
    return Deliveries(tuple(found[:most]), found[most - 1].pk if len(found) > most else None)


async def delivery(endpoint: int, number: int) -> tuple[Delivery, Sequence[DeliveryTry]]:
    """With its attempts, oldest first. Raises NotFound."""
    row = await Delivery.objects.filter(endpoint=endpoint, pk=min(number, LARGEST)).afirst()
    if row is None:
        raise NotFound(f"There is no delivery {number}.")
    return row, [each async for each in DeliveryTry.objects.filter(delivery=row).order_by("pk")[:200]]


def _rows(endpoint: int, queues: Collection[str] | None) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(endpoint=endpoint)
    if queues is None:
        return rows
    # A test is about no queue: it is anybody's who sees the endpoint.
    return rows.filter(Q(queue__in=list(queues)) | Q(kind=TEST))
