"""Where in a list a page lies, and the ways from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from dashboard.pages.listing.state import SIZES, Listing
from queues.lookups.lists import JobList
from queues.models import Queue


@dataclass(frozen=True, slots=True)
class Link:
    """`url` empty: it leads nowhere from here."""

    label: str
    url: str = ""
    rel: str = ""


@dataclass(frozen=True, slots=True)
class Pager:
    first: int
    last: int
    here: str
    links: list[Link] = field(default_factory=list)
    sizes: list[Link] = field(default_factory=list)
    #: What a form must say beside the number to lead to another page.
    rest: dict[str, object] = field(default_factory=dict)


def pager(queue: Queue, asked: Listing, found: JobList) -> Pager:
    page, pages = found.page, found.pages
    start = (page - 1) * found.per_page
    ways = [
        (_("First"), 1, page > 1, ""),
        (_("Previous"), page - 1, page > 1, "prev"),
        (_("Next"), page + 1, page < pages, "next"),
        (_("Last"), pages, page < pages, ""),
    ]
    return Pager(
        first=start + 1,
        last=start + len(found.jobs),
        here=asked.on(page).url(queue),
        links=[Link(label, asked.on(to).url(queue), rel) if leads else Link(label) for label, to, leads, rel in ways],
        sizes=[Link(str(size), "" if size == asked.per_page else asked.on(1, size).url(queue)) for size in SIZES],
        rest={name: value for name, value in asked.query.items() if name != "page"},
    )
