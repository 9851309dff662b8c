"""A list that Redis keeps no order or index for: searched within bounds, and what was searched said in a sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import now_ms
from dashboard.pages.listing.filtering import in_words
from dashboard.pages.listing.state import Listing
from queues.lookups.filters import SORTS, Filter
from queues.lookups.lists import JobList, jobs_by_id
from queues.lookups.scan import Asked, Scan, scan
from queues.masking import mask_text
from queues.models import Queue


@dataclass(frozen=True, slots=True)
class Searched:
    """What a page says of a search: the sentence, and the address that goes on from where it ended ("": it is through).
    `anew` leads to its beginning, "" where this is it.
    """

    sentence: str
    further: str
    anew: str
    is_filtered: bool
    #: How many jobs were in the state.
    total: int


async def search(queue: Queue, asked: Listing, wanted: Filter | None = None, at_ms: int | None = None) -> Scan:
    """What fits, in order; `wanted` and `at_ms` where the filter was frozen at an earlier moment."""
    sort = SORTS.get(asked.sort_column)
    return await scan(
        Asked(
            queue.connection,
            queue.name,
            asked.status,
            asked.filter if wanted is None else wanted,
            now_ms() if at_ms is None else at_ms,
            is_reversed=asked.is_reversed,
            after=asked.after,
            sort=sort,
            is_descending=asked.sort.startswith("-"),
            mask=None if asked.may_reveal else mask_text,
            who=asked.who,
        )
    )


async def searched_list(queue: Queue, asked: Listing) -> tuple[JobList, Searched]:
    found = await search(queue, asked)
    total, size = len(found.ids), asked.per_page
    pages = max(1, -(-total // size))
    page = min(asked.page, pages)
    ids = found.ids[(page - 1) * size : page * size]
    jobs = await jobs_by_id(queue.connection, queue.name, asked.status, ids)
    note = "" if page == asked.page else _("There is no page %(page)s: this is the last one.") % {"page": asked.page}
    return JobList(jobs, total, page, pages, size, asked.status, note), _told(queue, asked, found)


def _told(queue: Queue, asked: Listing, found: Scan) -> Searched:
    return Searched(
        sentence=" ".join(part for part in (_found(asked, found), _left_out(found)) if part),
        further=asked.at(found.after).url(queue) if found.after else "",
        anew=asked.at(None).url(queue) if asked.after else "",
        is_filtered=not asked.filter.is_empty,
        total=found.total,
    )


def _found(asked: Listing, found: Scan) -> str:
    among = _among(asked, found)
    if asked.filter.is_empty:
        return _("Sorted among %(jobs)s.") % {"jobs": among}
    words = ", ".join(in_words(asked.filter))
    count = f"{len(found.ids):,}"
    return _("%(count)s of %(jobs)s: %(filter)s.") % {"count": count, "jobs": among, "filter": words}


def _among(asked: Listing, found: Scan) -> str:
    """“the newest 10,000 of 1,200,000 failed jobs”"""
    told = {
        "count": f"{found.searched:,}",
        "total": f"{found.total:,}",
        "state": asked.status.label.lower(),
        "first": f"{found.first:,}",
        "last": f"{found.first + found.searched - 1:,}",
    }
    if found.is_whole:
        one, many = _("the only %(state)s job"), _("all %(count)s %(state)s jobs")
        return (one if found.searched == 1 else many) % told
    if found.first > 1:
        return _("the %(state)s jobs %(first)s to %(last)s of %(total)s") % told
    if asked.status.is_finished:
        newest, oldest = (
            _("the newest %(count)s of %(total)s %(state)s jobs"),
            _("the oldest %(count)s of %(total)s %(state)s jobs"),
        )
        return (oldest if asked.is_reversed else newest) % told
    first, last = (
        _("the first %(count)s of %(total)s %(state)s jobs"),
        _("the last %(count)s of %(total)s %(state)s jobs"),
    )
    return (last if asked.is_reversed else first) % told


def _left_out(found: Scan) -> str:
    if not found.too_large:
        return ""
    return ngettext(
        "The data of %(count)s job is larger than 1 MB and was not searched.",
        "The data of %(count)s jobs is larger than 1 MB each and was not searched.",
        found.too_large,
    ) % {"count": f"{found.too_large:,}"}


def frozen(asked: Listing, at_ms: int) -> Filter:
    """The filter as it was at that moment: what came, or ended, later does not fit."""
    return replace(asked.filter, until_ms=at_ms)
