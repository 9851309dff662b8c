"""Schedulers that are kept here while BullMQ does not have them: the rows, and who may move one just now.

One who moves a scheduler out of Redis or back into it holds its row's claim, so that nobody takes out what another has
just put back, and no definition is lost between two.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from queues.errors import InvalidInput, NotFound, Refused
from queues.models import KeptScheduler
from queues.protocol.suspending import Definition

#: Whoever holds a claim for longer has died.
CLAIM_LASTS_S = 15.0
#: How long a person's click waits for the guard, which needs milliseconds.
CLAIM_PATIENCE_S = 2.0
#: What is larger is no definition of a job that anybody wrote.
LARGEST_DEFINITION = 4 * 1024 * 1024
LONGEST_ID = 1024


async def keep(
    connection: str,
    queue: str,
    definition: Definition,
    why: KeptScheduler.Why,
    actor: str,
    until: datetime | None = None,
    stays: bool = True,
) -> KeptScheduler:
    """Write it down, over whatever was kept under its id. Raises InvalidInput for one too large to keep."""
    if definition.size > LARGEST_DEFINITION or len(definition.id) > LONGEST_ID:
        raise InvalidInput(
            _("Scheduler “%(what)s” is too large to be kept here, so nothing was done.") % {"what": definition.id[:80]}
        )
    row, _created = await KeptScheduler.objects.aupdate_or_create(
        connection=connection,
        queue=queue,
        scheduler_id=definition.id,
        defaults={
            "why": why,
            "definition": definition.to_json(),
            "redefined": "",
            "actor": actor[:150],
            "since": timezone.now(),
            "until": until,
            "stays": stays,
            "returned_at": None,
            "taken_out": 0,
            "claim": "",
            "claimed_at": None,
        },
    )
    return row


async def kept(connection: str, queue: str, schedule_id: str, why: KeptScheduler.Why) -> KeptScheduler:
    """Raises NotFound."""
    row = await KeptScheduler.objects.filter(
        connection=connection, queue=queue, scheduler_id=schedule_id, why=why
    ).afirst()
    if row is None:
        raise NotFound(
            _("Scheduler “%(scheduler)s” of queue “%(queue)s” is not %(label)s here.")
            % {"scheduler": schedule_id, "queue": queue, "label": why.label}
        )
    return row


@asynccontextmanager
async def claimed(row: KeptScheduler, patience_s: float = CLAIM_PATIENCE_S) -> AsyncIterator[KeptScheduler]:
    """Hold the row's claim meanwhile. Raises Refused where another holds it, NotFound where it is gone or another's."""
    token = uuid.uuid4().hex
    deadline = asyncio.get_running_loop().time() + patience_s
    while not await _claim(row, token):
        if not await _same(row).aexists():
            raise NotFound(
                _("Scheduler “%(scheduler)s” is not %(why)s any more.")
                % {"scheduler": row.scheduler_id, "why": row.why}
            )
        if asyncio.get_running_loop().time() >= deadline:
            raise Refused(
                _("Scheduler “%(scheduler)s” is being moved by somebody else just now: try again.")
                % {"scheduler": row.scheduler_id}
            )
        await asyncio.sleep(0.05)
    try:
        await row.arefresh_from_db()
        yield row
    finally:
        await KeptScheduler.objects.filter(pk=row.pk, claim=token).aupdate(claim="", claimed_at=None)


def definition_of(row: KeptScheduler) -> Definition:
    """What comes back: as it was, or as a program has registered it since, its count going on."""
    first = Definition.from_json(row.definition)
    return again(first, Definition.from_json(row.redefined)) if row.redefined else first


def again(first: Definition, newer: Definition) -> Definition:
    """The newer definition with what the first had done already."""
    fields = {name: value for name, value in newer.fields.items() if name != "ic"}
    made = {"ic": first.fields["ic"]} if "ic" in first.fields else {}
    same_beat = newer.fields.get("every") == first.fields.get("every")
    if same_beat and "offset" in first.fields:
        made["offset"] = first.fields["offset"]
    next_ms = first.next_ms if rule_of(first) == rule_of(newer) else newer.next_ms
    is_spent = first.is_spent and next_ms == first.next_ms
    return replace(newer, fields={**fields, **made}, count=first.count, next_ms=next_ms, is_spent=is_spent)


def rule_of(definition: Definition) -> dict[str, str]:
    """What says when it runs."""
    return {
        name: definition.fields.get(name, "") for name in ("pattern", "every", "tz", "limit", "startDate", "endDate")
    }


def is_same(one: Definition, other: Definition) -> bool:
    """Whether a program would have written both: what BullMQ counts and reckons itself is no difference."""
    reckoned = ("ic", "offset")
    return {k: v for k, v in one.fields.items() if k not in reckoned} == {
        k: v for k, v in other.fields.items() if k not in reckoned
    }


async def _claim(row: KeptScheduler, token: str) -> bool:
    stale = Q(claim="") | Q(claimed_at__lt=timezone.now() - timedelta(seconds=CLAIM_LASTS_S))
    return bool(await _same(row).filter(stale).aupdate(claim=token, claimed_at=timezone.now()))


def _same(row: KeptScheduler) -> QuerySet[KeptScheduler]:
    return KeptScheduler.objects.filter(pk=row.pk, why=row.why, since=row.since)
