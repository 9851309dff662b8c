"""Pages of the index's answers: the rows behind them, each held against the search once more.

The index may be behind the rows, and cannot tell phrases; whoever sees a result sees one that fits.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from asgiref.sync import sync_to_async
from django.utils.translation import gettext as _

from queues.lookups.mirror_state import MirrorState
from queues.lookups.search import index
from queues.lookups.search.expressions import Both, Term
from queues.lookups.search.index import Asked, Hit
from queues.lookups.search.matches import is_exact
from queues.lookups.search.query import Query
from queues.lookups.search.rows import UNREAD, is_meant, shown
from queues.lookups.search.seen import Key, Page, Seen
from queues.lookups.search.words import value
from queues.models import Job

#: Matches are counted up to here.
MOST_COUNTED = 1_000
#: Where many matches are none in truth (phrases), a page looks through so many and for so long.
MOST_LOOKED, MOST_S, STEP = 2_000, 0.5, 100
CHUNK = 500
FEED = "search"


@dataclass(slots=True)
class _Found:
    jobs: list[Job] = field(default_factory=list)
    after: int | None = None
    #: How many places the index gave, and whether there are no more.
    hits: int = 0
    is_all: bool = False


async def page(query: Query, seen: Seen, after: str | None, size: int, state: MirrorState) -> Page:
    lag_s = state.feed_lag_s(FEED)
    before = int(after) if after and after.isascii() and after.isdecimal() and len(after) < 20 else None
    return await sync_to_async(_page)(query, seen, before, size, lag_s, state.leads)


def _page(query: Query, seen: Seen, before: int | None, size: int, lag_s: float | None, leads: bool) -> Page:
    asked = index.asked(query, seen)
    if asked is None:
        return Page((), None, 0, lag_s=lag_s, searched=_searched(lag_s, leads))
    found = _look(asked, query, seen, before, size)
    total, is_least = _total(query, seen, found) if before is None else (None, False)
    after = None if found.after is None else str(found.after)
    return Page(found.jobs, after, total, is_least, lag_s, _searched(lag_s, leads))


def _look(asked: Asked, query: Query, seen: Seen, before: int | None, size: int) -> _Found:
    """The first look counts as well; further ones only where what the index gave was no match in truth."""
    found, looked = _Found(), 0
    deadline = time.monotonic() + MOST_S
    most = max(MOST_COUNTED, size + 1) if before is None else size + 1
    while True:
        hits, is_all = index.newest(asked, before, size + 1, most)
        if not looked:
            found.hits, found.is_all = len(hits), is_all
        for some in _chunks(hits, size + 1):
            if _take(found, some, query, seen, size):
                return found
            looked += len(some)
            if looked >= MOST_LOOKED or time.monotonic() > deadline:
                return found
        if is_all or not hits:
            found.after = None
            return found
        before, most = hits[-1][0], MOST_LOOKED


def _chunks(hits: Sequence[Hit], first: int) -> Iterator[Sequence[Hit]]:
    yield hits[:first]
    for start in range(first, len(hits), STEP):
        yield hits[start : start + STEP]


def _take(found: _Found, hits: Sequence[Hit], query: Query, seen: Seen, size: int) -> bool:
    """Whether the page is full, and there is one more."""
    jobs = _rows([row for _place, row in hits])
    for place, row in hits:
        job = jobs.get(row)
        if job is not None and is_meant(query, seen, job):
            if len(found.jobs) == size:
                return True
            found.jobs.append(job)
        found.after = place
    return False


def _total(query: Query, seen: Seen, found: _Found) -> tuple[int | None, bool]:
    if found.after is None:
        return len(found.jobs), False
    if not is_exact(query.root, seen):
        return len(found.jobs), True
    return max(found.hits, len(found.jobs)), not found.is_all


def _rows(pks: Sequence[int]) -> dict[int, Job]:
    rows = Job.objects.filter(pk__in=list(pks)).order_by().defer(*UNREAD)
    return {job.pk: shown(job) for job in rows}


def _searched(lag_s: float | None, leads: bool) -> str:
    if not leads:
        return _("Searched what the mirror has kept. It does not run now, so what is newer is not found.")
    if lag_s is None:
        return _("Searched what the mirror has kept; its index is not made yet.")
    if lag_s < 2:
        return _("Searched all jobs that are mirrored.")
    return _("Searched all jobs that are mirrored; the last %(lag)s s are not in it yet.") % {"lag": f"{lag_s:,.0f}"}


async def matching(query: Query, seen: Seen) -> AsyncIterator[list[Key]]:
    asked = await sync_to_async(index.asked)(query, seen)
    if asked is None:
        return
    pks = await sync_to_async(index.every)(asked)
    for start in range(0, len(pks), CHUNK):
        yield await sync_to_async(_keys)(query, seen, list(pks[start : start + CHUNK]))


def _keys(query: Query, seen: Seen, pks: list[int]) -> list[Key]:
    if not is_exact(query.root, seen):
        return [Key(*job.key) for job in _rows(pks).values() if is_meant(query, seen, job)]
    rows = Job.objects.filter(pk__in=pks).order_by()
    return [Key(*key) for key in rows.values_list("connection", "queue", "job_id", "timestamp_ms")]


async def with_id(job_id: str, seen: Seen, most: int) -> list[Job]:
    """Of this very id, which the index knows folded only."""
    query = Query(job_id, 0, Both((Term(f"i={value(job_id)}"),)))
    asked = await sync_to_async(index.asked)(query, seen)
    if asked is None:
        return []
    hits, _is_all = await sync_to_async(index.newest)(asked, None, most, most)
    jobs = await sync_to_async(_rows)([row for _place, row in hits])
    return [job for _place, row in hits if (job := jobs.get(row)) is not None and job.job_id == job_id]
