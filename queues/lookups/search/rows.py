"""A search without an index: rows looked through one after the other, newest first, for a bounded time. For jobs that
run in process, which no mirror follows.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

from asgiref.sync import sync_to_async
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from queues.lookups.search.entries import error_kind
from queues.lookups.search.expressions import Subject, holds
from queues.lookups.search.query import Query
from queues.lookups.search.seen import Key, Page, Seen
from queues.models import Job
from queues.options.values import LOCAL_CONNECTION

CHUNK = 200
#: One page looks at no more rows and for no longer.
MOST_ROWS, MOST_S = 20_000, 1.0
#: What no search and no list needs.
UNREAD = ("return_value",)


async def page(query: Query, seen: Seen, after: str | None, size: int) -> Page:
    found: list[Job] = []
    looked, place = 0, _place(after)
    deadline = time.monotonic() + MOST_S
    while rows := await _chunk(seen, place):
        for at, job in enumerate(rows, 1):
            if not is_meant(query, seen, job):
                continue
            if len(found) == size:
                return _told(found, looked + at - 1, str(found[-1].pk))
            found.append(job)
        looked, place = looked + len(rows), rows[-1].pk
        if looked >= MOST_ROWS or time.monotonic() > deadline:
            return _told(found, looked, str(place))
    total = len(found) if after is None else None
    return Page(found, None, total, searched=_searched(looked, is_all=True))


def _told(found: list[Job], looked: int, after: str) -> Page:
    return Page(found, after, None, True, searched=_searched(looked, is_all=False))


def _searched(looked: int, *, is_all: bool) -> str:
    if is_all:
        return _("Searched all %(count)s jobs.") % {"count": f"{looked:,}"}
    return _("Searched the newest %(count)s jobs.") % {"count": f"{looked:,}"}


async def matching(query: Query, seen: Seen) -> AsyncIterator[list[Key]]:
    place: int | None = None
    while rows := await _chunk(seen, place):
        yield [Key(*job.key) for job in rows if is_meant(query, seen, job)]
        place = rows[-1].pk


def is_meant(query: Query, seen: Seen, job: Job) -> bool:
    if not seen.sees(job.connection, job.queue):
        return False
    return holds(query.root, Subject(job), reads=seen.reads(job.connection, job.queue))


def _place(after: str | None) -> int | None:
    return int(after) if after and after.isascii() and after.isdecimal() and len(after) < 19 else None


@sync_to_async
def _chunk(seen: Seen, before: int | None) -> Sequence[Job]:
    rows: QuerySet[Job] = Job.objects.filter(connection=LOCAL_CONNECTION).defer(*UNREAD)
    if seen.queues is not None:
        rows = rows.filter(Q(queue__in=[queue for _connection, queue in seen.queues]))
    return [shown(job) for job in (rows.filter(pk__lt=before) if before is not None else rows).order_by("-pk")[:CHUNK]]


def shown(job: Job) -> Job:
    """Complete, so that no template asks the database; of its stacks only the error's type is kept."""
    error_kind(job)
    job.stacktrace = job.return_value = ""
    return job
