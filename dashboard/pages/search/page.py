"""The one box: every job of every queue, live and past; found, narrowed, paged by a cursor, kept, exported."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.drawing import render
from dashboard.moments import now_ms
from dashboard.pages.search import export, narrowing
from dashboard.pages.search import views as search_views
from dashboard.pages.search.acting import acting
from dashboard.pages.search.suggest import suggestions
from dashboard.pages.search.words import EXAMPLES, sentence
from dashboard.pages.shell.exports import FORMATS
from dashboard.pages.shell.frame import around_of, frame, go, known_connection
from dashboard.request import Request
from dashboard.seeing import places, seen_by
from queues.errors import InvalidInput, NotFound, TorilError
from queues.lookups import search
from queues.lookups.anywhere import jobs_holding
from queues.lookups.crowd import few
from queues.lookups.search import Page, Query, Seen
from queues.models import Job
from queues.models.local import is_in_process
from queues.options import get_options

PER_PAGE = 50
LONGEST_CURSOR, LONGEST_TYPED = 400, 2_000


@dataclass(frozen=True, slots=True)
class Asked:
    """The address ⇄ what is searched. `at_ms` is the moment that `since:2h` counts from: the pages after keep it."""

    text: str
    at_ms: int
    after: str | None = None
    #: None where nothing is asked, or nothing that can be understood: then `complaint` says why.
    query: Query | None = None
    complaint: str = ""

    @classmethod
    def read(cls, given: QueryDict) -> Asked:
        text, told, after = given.get("q", "").strip(), given.get("at", ""), given.get("after", "")
        at_ms = int(told) if told.isascii() and told.isdecimal() and len(told) < 15 else now_ms()
        try:
            query = search.parse(text, at_ms) if text else None
        except InvalidInput as error:
            return cls(text[:LONGEST_TYPED], at_ms, complaint=str(error))
        return cls(text, at_ms, after if 0 < len(after) <= LONGEST_CURSOR else None, query)

    def url(self, connection: str, **more: object) -> str:
        return links.search_url(connection, **{"q": self.text} | more)

    def frozen(self) -> dict[str, object]:
        """What an address says that means the same later, too."""
        return {"q": self.text, "at": self.at_ms}

    def frozen_url(self, connection: str, **more: object) -> str:
        return links.search_url(connection, **self.frozen() | more)


@dataclass(slots=True)
class Found:
    """`exact` have the very id that was typed, wherever they are; `unreadable` says why nothing could be searched."""

    page: Page = field(default_factory=Page)
    exact: list[Job] = field(default_factory=list)
    unreadable: str = ""


@require_http_methods(["GET", "HEAD", "POST"])
async def search_page(request: Request) -> HttpResponseBase:
    connection = known_connection(request)
    if request.method == "POST":
        return await _act(request, connection)
    if request.GET.get("fragment") == "suggest":
        typed = request.GET.get("q", "")[:LONGEST_TYPED].replace("\0", "")
        return render(
            request, "search/suggestions.html", {"suggestions": await suggestions(request, connection, typed)}
        )
    asked = Asked.read(request.GET)
    seen = await seen_by(request.grants)
    if asked.query and (form := request.GET.get("format", "")) in FORMATS:
        return export.export(request, asked.query, seen, form)
    around = await around_of(request, connection)
    found = await _found(request, asked.query, seen, asked.after) if asked.query else Found()
    views = await search_views.views_of(request, connection)
    return render(request, "search/page.html", frame(around, **_shown(request, asked, connection, found), views=views))


async def _found(request: Request, query: Query, seen: Seen, after: str | None) -> Found:
    found = Found()
    try:
        async with few(request.grants.actor.user_id, "search"):
            found.page = await search.page(query, seen, after, PER_PAGE)
    except TorilError as error:
        found.unreadable = str(error)
    if query.pasted and after is None:
        found.exact = await _exact(request, seen, query.pasted)
        known = {job.key for job in found.exact}
        found.page = _without(found.page, known)
    return found


def _without(page: Page, known: set[tuple[str, str, str, int]]) -> Page:
    jobs = [job for job in page.jobs if job.key not in known]
    return Page(jobs, page.after, page.total, page.is_least, page.lag_s, page.searched)


async def _exact(request: Request, seen: Seen, job_id: str) -> list[Job]:
    """Those of the id that Redis holds now, then those that it held once: the mirror may not know the first yet."""
    kept, names = await search.with_id(job_id, seen), await _names(request)
    live = [job for each in await asyncio.gather(*(_held(*one, job_id) for one in names.items())) for job in each]
    there = {job.key for job in live}
    return [*live, *(job for job in kept if job.key not in there)]


async def _names(request: Request) -> dict[str, list[str]]:
    """The queues that this person sees, by connection."""
    found: dict[str, list[str]] = {connection: [] for connection in _connections()}
    for connection, queue in sorted(await places()):
        if connection in found and request.grants.sees(queue, connection):
            found[connection].append(queue)
    return found


async def _held(connection: str, names: list[str], job_id: str) -> list[Job]:
    return [] if is_in_process() else await jobs_holding(connection, names, job_id)


def _connections() -> tuple[str, ...]:
    options = get_options()
    return tuple(options.connections) if options.use_job_queue else (links.DEFAULT_CONNECTION,)


def _shown(request: Request, asked: Asked, connection: str, found: Found) -> dict[str, Any]:
    page = found.page
    return {
        "section": "search",
        "sought": asked.text,
        "asked": asked,
        "found": found,
        "sentence": sentence(found.page, len(found.exact), is_first=asked.after is None) if asked.query else "",
        "older": asked.frozen_url(connection, after=page.after) if page.after else "",
        "newest": asked.url(connection) if asked.after else "",
        "exports": [(name, asked.frozen_url(connection, format=name)) for name in FORMATS],
        "acting": acting(request, connection, asked.frozen(), [*found.exact, *page.jobs]),
        "narrowings": _narrowings(asked, connection) if asked.query else (),
        "starred": _starred(asked, connection),
        "examples": [(text, links.search_url(connection, q=text), says) for text, says in EXAMPLES],
        "tellers": {},
    }


def _starred(asked: Asked, connection: str) -> tuple[str, str]:
    """The same with its last word as a beginning, and its address: what one types while a word is not at its end."""
    text = f"{asked.text.rstrip()}*"
    return (text, links.search_url(connection, q=text)) if text[-2:-1].isalpha() else ("", "")


def _narrowings(asked: Asked, connection: str) -> list[list[Mapping[str, Any]]]:
    ways = (narrowing.by_state(asked.text), narrowing.by_time(asked.text))
    return [[{"way": way, "url": links.search_url(connection, q=way.query)} for way in row] for row in ways]


async def _act(request: Request, connection: str) -> HttpResponse:
    action, form = request.GET.get("action", ""), request.POST
    if action == "save":
        query = form.get("q", "").strip()
        done = await search_views.save(request, form.get("name", ""), query, is_shared=form.get("shared") == "1")
        return go(request, links.search_url(connection, q=query), done.message)
    if action == "forget":
        done = await search_views.forget(request, form.get("view", ""))
        return go(request, links.search_url(connection, q=form.get("q") or None), done.message)
    raise NotFound("There is no such action.")
