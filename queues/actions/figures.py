"""Dropping what is kept of queues' figures: on record, in steps between which the mirror writes on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.utils.translation import ngettext

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Ending, record
from queues.models import Outcome, Sample
from queues.models.sample import MINUTE_S

#: Rows per commit, and the part of the time that others have between two.
BATCH, REST = 2_000, 1.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many rows went, and how many recorded minutes of whole queues were told by those of single minutes."""

    rows: int = 0
    minutes: int = 0
    is_through: bool = True


async def drop_figures(
    actor: Actor, connection: str, queue: str = "", before: date | None = None, budget_s: float = 25.0
) -> Dropped:
    """Of one queue, or of all; of the days before that one (UTC), or of all. What Redis still holds of the last hours a
    mirror that starts anew takes again.
    """
    rows = Sample.objects.filter(series__connection=connection).order_by("pk")
    rows = rows.filter(series__queue=queue) if queue else rows
    if before is not None:
        rows = rows.filter(at__lt=datetime(before.year, before.month, before.day, tzinfo=UTC).timestamp())
    parameters = {"before": before.isoformat() if before else None}
    deed = Deed(actor, "metrics.purge", connection, queue, parameters=parameters)
    return await record(deed, lambda: _drop(deed, rows, time.monotonic() + budget_s), _ending)


async def _drop(deed: Deed, rows: QuerySet[Sample], deadline: float) -> Dropped:
    dropped, minutes = 0, 0
    while time.monotonic() < deadline and not deed.is_unwanted:
        began = time.monotonic()
        gone, told = await sync_to_async(_some)(rows)
        dropped, minutes = dropped + gone, minutes + told
        if gone < BATCH:
            return Dropped(dropped, minutes)
        await asyncio.sleep((time.monotonic() - began) * REST)
    return Dropped(dropped, minutes, is_through=False)


def _some(rows: QuerySet[Sample]) -> tuple[int, int]:
    found = list(rows.values_list("pk", "step_s", "series__name", "recorded")[:BATCH])
    Sample.objects.filter(pk__in=[pk for pk, *_ in found]).delete()
    return len(found), sum(recorded for _, step_s, name, recorded in found if step_s == MINUTE_S and not name)


def _ending(dropped: Dropped) -> Ending:
    said = ngettext("%(count)s row of figures was dropped", "%(count)s rows of figures were dropped", dropped.rows)
    told = said % {"count": f"{dropped.rows:,}"} + ("." if dropped.is_through else "; there are more.")
    return Ending(Outcome.DONE, told, dropped.rows)
