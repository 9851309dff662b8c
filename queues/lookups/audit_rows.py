"""The audit table a page or a chunk at a time, newest first. What may be seen of it is the caller's condition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from queues.models import AuditEntry, Outcome

CHUNK = 500
#: An action that is still open after this was cut off: its outcome is unknown.
UNDER_WAY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows. Empty narrows nothing. `text` is looked for in who, where and what was said."""

    actor: str = ""
    action: str = ""
    connection: str = ""
    queue: str = ""
    job_id: str = ""
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    @property
    def condition(self) -> Q:
        exact = {name: getattr(self, name) for name in ("connection", "queue", "job_id", "outcome")}
        found = Q(**{name: value for name, value in exact.items() if value})
        if self.action:
            found &= Q(action=self.action) | Q(action__startswith=f"{self.action}.")
        if self.actor:
            found &= Q(actor__iexact=self.actor)
        if self.since:
            found &= Q(at__gte=self.since)
        if self.until:
            found &= Q(at__lt=self.until)
        if self.outcome is Outcome.OPENED:
            found &= Q(at__lt=timezone.now() - UNDER_WAY)
        return found & self._holding(self.text) if self.text else found

    @staticmethod
    def _holding(text: str) -> Q:
        # Not the parameters: they may hold what the person asking sees masked only.
        named = (Q(**{f"{name}__icontains": text}) for name in ("actor", "queue", "job_id", "message", "action"))
        found = Q(pk__in=())
        for each in named:
            found |= each
        return found


async def audit_rows(wanted: Wanted, seen: Q, before: int | None = None, most: int = CHUNK) -> list[AuditEntry]:
    """At most so many rows older than the one with that key."""
    return [entry async for entry in _older(wanted, seen, before)[:most]]


async def all_audit_rows(wanted: Wanted, seen: Q) -> AsyncIterator[list[AuditEntry]]:
    """Every row, in chunks; each is a query of its own, so that nobody's slow download holds the database up."""
    before: int | None = None
    while chunk := await audit_rows(wanted, seen, before):
        yield chunk
        before = chunk[-1].pk


def _older(wanted: Wanted, seen: Q, before: int | None) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.filter(wanted.condition & seen).order_by("-pk")
    return rows if before is None else rows.filter(pk__lt=before)
