"""Mirrored jobs without a mirror: rows as it writes them, and the search's feed turned by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from asgiref.sync import sync_to_async

from queues.lookups import search
from queues.lookups.search import Query, Seen
from queues.lookups.search.expressions import Subject, holds
from queues.mirror.indexing import Indexing
from queues.mirror.leader import Leader
from queues.models import Job, Lease, Queue

NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000


def kept(job_id: str, queue: str = "chat", *, data: Any = None, ago_ms: int = 0, is_removed: bool = False, **more: Any):
    """A row, saved and numbered as the mirror's leader does."""
    row = Job(
        connection=more.pop("connection", "default"),
        queue=queue,
        job_id=job_id,
        timestamp_ms=NOW_MS - ago_ms,
        state=more.pop("state", "waiting"),
        name=more.pop("name", "work"),
        data=data if isinstance(data, str) else json.dumps({} if data is None else data),
        removed_at=datetime.now(UTC) if is_removed else None,
        synced_at=datetime.now(UTC),
        **more,
    )
    row.change = 1 + (Job.objects.order_by("-change").values_list("change", flat=True).first() or 0)
    row.save()
    Queue.objects.get_or_create(connection=row.connection, name=queue)
    return row


def touch(row: Job, **values: Any) -> None:
    """The mirror writes it again."""
    for name, value in values.items():
        setattr(row, name, value)
    row.change = 1 + (Job.objects.order_by("-change").values_list("change", flat=True).first() or 0)
    row.save()


def take_in() -> None:
    """Everything that was written is in the index; and a mirror leads, for whoever asks."""
    Lease.objects.all().delete()
    leader = Leader(lasts_s=600.0)
    assert leader.try_take()
    feed = Indexing(leader)
    while feed._some():
        pass


def asked(text: str) -> Query:
    return search.parse(text, NOW_MS)


async def ids(text: str, seen: Seen | None = None, **how: Any) -> list[str]:
    """What a page shows, in its order."""
    return [job.job_id for job in (await search.page(asked(text), seen or Seen(), **how)).jobs]


async def all_ids(text: str, seen: Seen | None = None) -> set[str]:
    """What an operation would take."""
    return {key.job_id async for keys in search.matching(asked(text), seen or Seen()) for key in keys}


@sync_to_async
def truly(text: str, seen: Seen | None = None) -> set[str]:
    """The same by looking at every row."""
    seen = seen or Seen()
    rows = [row for row in Job.objects.all() if seen.sees(row.connection, row.queue)]
    query = asked(text)
    return {r.job_id for r in rows if holds(query.root, Subject(r), reads=seen.reads(r.connection, r.queue))}


def places(*queues: str) -> frozenset[tuple[str, str]]:
    return frozenset(("default", queue) for queue in queues)
