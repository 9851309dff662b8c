"""A form and a short list for each system: what a program asks for by its entry, asked for by a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.moments import now_ms
from dashboard.pages.shell.frame import around_of, frame, go
from dashboard.request import Request
from dashboard.systems import owned
from dashboard.systems.entries import chat, pages, papers, scans, texts
from dashboard.systems.models import Page, Paper, PaperWork, Work
from queues.errors import InvalidInput, ReadOnly, Refused, TorilError
from queues.systems.questions import KINDS

Words = str | Promise
MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Field:
    """`kind`: an input's type, `area`, or `choice` of `options`."""

    name: str
    label: Words
    kind: str = "text"
    example: str = ""
    options: Sequence[str] = ()
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was asked for: its jobs, each with its queue, id, status and error."""

    text: str
    at: datetime
    works: Sequence[Work]
    answer: str = ""


@dataclass(frozen=True, slots=True)
class System:
    title: Words
    says: Words
    fields: Sequence[Field]
    ask: Callable[[Request, Mapping[str, Any]], Awaitable[object]]
    lines: Callable[[Request], Awaitable[list[Line]]]
    entry: str
    #: Queues of which the form adds jobs.
    queues: Sequence[str] = field(default=())


async def _ask_page(request: Request, fields: Mapping[str, Any]) -> object:
    return await pages.ask(request, [fields])


async def _pages(request: Request) -> list[Line]:
    return [
        Line(page.title or page.url, page.created_at, works)
        for page, works in await owned.newest(request, Page, MOST_ROWS, 0)
    ]


async def _papers(request: Request) -> list[Line]:
    found = await owned.newest(request, Paper, MOST_ROWS, 0)
    return [Line(paper.title, paper.created_at, works, _read(paper, works)) for paper, works in found]


def _read(paper: Paper, works: list[PaperWork]) -> str:
    told = papers.shown(paper, works)
    return _plainly({name: told[name] for name in papers.FOUND.values() if told.get(name)})


async def _ask_message(request: Request, fields: Mapping[str, Any]) -> object:
    queue = fields.get("queue", "chat")
    if queue not in ("chat", "deep-research"):
        raise InvalidInput(_("Ask chat or deep-research."))
    return await chat.ask(request, queue, fields)


async def _messages(request: Request) -> list[Line]:
    rows = await chat.own(request, MOST_ROWS, 0)
    return [Line(row.text, row.created_at, [row], chat.shown(row)["answer"] or "") for row in rows]


async def _scans(request: Request) -> list[Line]:
    rows = await scans.own(request, MOST_ROWS, 0)
    return [Line(f"{row.url} ({row.plan})", row.created_at, [row], _score(row)) for row in rows]


def _score(row: Work) -> str:
    score = row.result.get("score") if isinstance(row.result, dict) else None
    return "" if score is None else _("Score %(score)s of 100") % {"score": score}


async def _ask_text(request: Request, fields: Mapping[str, Any]) -> object:
    kind = fields.get("kind", "")
    if kind not in KINDS:
        raise InvalidInput(_("There is no such type."))
    return await texts.ask(request, kind, fields)


async def _texts(request: Request) -> list[Line]:
    rows = await texts.own(request, MOST_ROWS, 0)
    return [Line(f"{row.kind}: {row.text}", row.created_at, [row], _output(row)) for row in rows]


def _output(row: Any) -> str:
    return _plainly(texts.shown(row)["output"])


def _plainly(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_plainly(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(_plainly(one) for one in value) or "–"
    return "" if value is None else str(value)


SYSTEMS: Mapping[str, System] = {
    "pages": System(
        gettext_lazy("Documentation generator"),
        gettext_lazy("A page becomes an example call, and then vectors: two jobs, the second when the first is done."),
        (
            Field("url", gettext_lazy("Address"), "url", "https://api.northwind.example/v2/orders", is_needed=True),
            Field("title", gettext_lazy("Title"), example="Orders"),
            Field("method", gettext_lazy("Method"), "choice", options=("GET", "POST", "PUT", "PATCH", "DELETE")),
            Field("text", gettext_lazy("Text of the page"), "area"),
        ),
        _ask_page,
        _pages,
        "POST /api/pages",
        (pages.CURL, pages.EMBEDDINGS),
    ),
    "papers": System(
        gettext_lazy("Paper library"),
        gettext_lazy("A paper is read by four queues: its authors, their institutions, its tags, and a summary."),
        (
            Field("url", gettext_lazy("arXiv address"), "url", "https://arxiv.org/abs/2401.01234", is_needed=True),
            Field("title", gettext_lazy("Title")),
            Field("authors", gettext_lazy("Authors"), example="Ana Lind, Bo Mori"),
        ),
        papers.ask,
        _papers,
        "POST /api/papers",
        tuple(papers.JOBS),
    ),
    "chat": System(
        gettext_lazy("Research agents"),
        gettext_lazy("A message is answered within seconds, research in as long as it takes."),
        (
            Field("message", gettext_lazy("Message"), "area", is_needed=True),
            Field("queue", gettext_lazy("Answer by"), "choice", options=("chat", "deep-research")),
        ),
        _ask_message,
        _messages,
        "POST /api/chat, POST /api/deep-research/start",
        ("chat", "deep-research"),
    ),
    "scans": System(
        gettext_lazy("Scan service"),
        gettext_lazy("A site is checked; premium users’ sites first."),
        (
            Field("url", gettext_lazy("Site"), "url", "https://shop.example.com", is_needed=True),
            Field("plan", gettext_lazy("Plan"), "choice", options=tuple(reversed(scans.PLANS))),
            Field("id", gettext_lazy("Id of your own"), example="scan-abc123"),
        ),
        scans.ask,
        _scans,
        "POST /api/scans",
        (scans.QUEUE,),
    ),
    "texts": System(
        gettext_lazy("AI platform"),
        gettext_lazy("A text is summarized, classified, weighed, translated or searched for facts."),
        (
            Field("kind", gettext_lazy("Type"), "choice", options=tuple(KINDS)),
            Field("text", gettext_lazy("Text"), "area", is_needed=True),
        ),
        _ask_text,
        _texts,
        "POST /v1/jobs/<type>",
        (texts.QUEUE,),
    ),
}


@require_http_methods(["GET", "HEAD"])
async def first(request: Request) -> HttpResponse:
    return HttpResponseRedirect(links.systems_url(next(iter(SYSTEMS))))


@require_http_methods(["GET", "HEAD", "POST"])
async def form_page(request: Request, name: str) -> HttpResponse:
    system = SYSTEMS.get(name)
    if system is None:
        raise Http404
    given: dict[str, str] = {}
    error: TorilError | None = None
    if request.method == "POST":
        given = {field.name: value for field in system.fields if (value := request.POST.get(field.name, "").strip())}
        try:
            await system.ask(request, given)
            return go(request, links.systems_url(name), _("Added."))
        except (InvalidInput, Refused) as caught:
            error = caught
    lines = await system.lines(request)
    is_open = any(work.is_open for line in lines for work in line.works)
    shown: dict[str, Any] = {"lines": lines, "is_open": is_open, "url": links.systems_url(name)}
    if wants_fragment(request):
        return render(request, "systems/lines.html", {**shown, "now_ms": now_ms()})
    shown |= {
        "section": "systems",
        "form_error": error,
        "fields": [(field, given.get(field.name, "")) for field in system.fields],
        "name": name,
        "system": system,
        "systems": [(key, links.systems_url(key), one.title) for key, one in SYSTEMS.items()],
        **_closed(request, system.queues),
    }
    around = frame(await around_of(request, links.DEFAULT_CONNECTION), **shown)
    return render(request, "systems/page.html", around, status=error.status if error else 200)


def _closed(request: Request, queues: Sequence[str]) -> dict[str, Any]:
    """Why nothing can be added: what is closed to everybody, or the queues that are to this person."""
    why = {queue: error for queue in queues if (error := request.grants.on(queue).refusal("job.add"))}
    closed = next((error for error in why.values() if isinstance(error, ReadOnly)), None)
    return {"closed": closed, "missing": list(why)}
