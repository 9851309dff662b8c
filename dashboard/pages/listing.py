"""Which jobs of a queue a page shows: the address ⇄ a value. Bad input narrows nothing and is named."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from django.http import QueryDict

from dashboard import links
from queues.lookups.lists import JobList
from queues.models import Queue
from queues.states import LISTED, State, parse_state

PER_PAGE, MOST_PER_PAGE = 25, 300
SIZES = (25, 50, 100, 300)


@dataclass(frozen=True, slots=True)
class Listing:
    status: State
    page: int = 1
    per_page: int = PER_PAGE
    complaints: tuple[str, ...] = ()

    @classmethod
    def read(cls, query: QueryDict, queue: Queue) -> Listing:
        """From Bull Board's names and ours (`jobsPerPage`, `per_page`)."""
        complaints: list[str] = []
        status = _status(query.get("status", ""), queue, complaints)
        page = _number("page", query.get("page", ""), 1, 10**12, 1, complaints)
        size = query.get("jobsPerPage") or query.get("per_page") or ""
        return cls(
            status, page, _number("jobsPerPage", size, 1, MOST_PER_PAGE, PER_PAGE, complaints), tuple(complaints)
        )

    def url(self, queue: Queue, more: dict[str, object] | None = None) -> str:
        return links.queue_url(queue.connection, queue.name, **self.query | (more or {}))

    def on(self, page: int, per_page: int | None = None) -> Listing:
        return replace(self, page=page, per_page=per_page or self.per_page)

    @property
    def query(self) -> dict[str, object]:
        """What an address must say to lead here again; defaults are left out."""
        named: dict[str, object] = {"status": self.status.value}
        if self.page != 1:
            named["page"] = self.page
        if self.per_page != PER_PAGE:
            named["jobsPerPage"] = self.per_page
        return named

    @property
    def back(self) -> str:
        """The same as text, for a form that comes back here."""
        return urlencode(self.query)


def first_with_jobs(queue: Queue) -> State:
    return next((state for state in LISTED if queue.count(state)), State.WAITING)


def _status(text: str, queue: Queue, complaints: list[str]) -> State:
    if text in ("", "latest"):
        return first_with_jobs(queue)
    state = parse_state(text)
    if state is None:
        state = first_with_jobs(queue)
        complaints.append(f"There is no state “{text[:60]}”; these are the {state.label.lower()} jobs.")
    return state


def _number(name: str, text: str, least: int, most: int, default: int, complaints: list[str]) -> int:
    if not text:
        return default
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
    if number is None or not least <= number <= most:
        complaints.append(f"“{text[:60]}” is no number for {name}; it counts as {default}.")
        return default
    return number


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


def pager(queue: Queue, asked: Listing, found: JobList) -> Pager:
    """Where the page lies and the ways from it."""
    page, pages = found.page, found.pages
    start = (page - 1) * found.per_page
    ways = [
        ("First", 1, page > 1, ""),
        ("Previous", page - 1, page > 1, "prev"),
        ("Next", page + 1, page < pages, "next"),
        ("Last", pages, page < pages, ""),
    ]
    return Pager(
        first=start + 1,
        last=start + len(found.jobs),
        here=asked.on(page).url(queue),
        links=[Link(label, asked.on(to).url(queue), rel) if leads else Link(label) for label, to, leads, rel in ways],
        sizes=[Link(str(size), "" if size == asked.per_page else asked.on(1, size).url(queue)) for size in SIZES],
    )
