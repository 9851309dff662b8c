"""The palette: where one may go and what one may do from anywhere, found by a few letters; a page of its own too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard import hosting, links
from dashboard.choices import choices_of
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.shell.frame import frame, known_connection, visible
from dashboard.presentation import dashboard_options
from dashboard.request import Request
from queues.lookups.anywhere import queues_holding
from queues.lookups.snapshot import Snapshot, snapshot
from queues.models import Queue
from queues.options import get_options
from queues.states import LISTED, State

LONGEST, MOST_QUEUES, MOST_OTHERS, MOST_MEANT = 200, 8, 6, 3


@dataclass(frozen=True, slots=True)
class Found:
    """A place to go to, or with `fields` something to do: a form that posts them there."""

    kind: str
    label: str
    url: str
    note: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@require_safe
async def jump_page(request: Request) -> HttpResponse:
    """`?q=` what was typed, `?here=` the queue whose page it was typed on."""
    connection, asked = known_connection(request), request.GET.get("q", "").strip()[:LONGEST]
    found = visible(request, await snapshot(connection))
    results = [*await _jobs(found, asked), *_known(request, found, asked)]
    beyond = _search(found, asked)
    if request.GET.get("fragment") == "found" and wants_fragment(request):
        return render(request, "jump/found.html", {"results": [*results, *beyond], "asked": asked})
    if "go" in request.GET and len(results) == 1 and not results[0].fields:
        return HttpResponseRedirect(results[0].url)
    return render(request, "jump/page.html", frame(found, section="jump", results=results, beyond=beyond, asked=asked))


def _known(request: Request, found: Snapshot, asked: str) -> list[Found]:
    """Queues, pages, actions: what fits best first."""
    places = [*_queues(found, asked), *best(asked, _pages(request, found.connection), MOST_OTHERS)]
    return [*places, *best(asked, _actions(request, found, asked), MOST_OTHERS)]


def _search(found: Snapshot, asked: str) -> list[Found]:
    """What is none of these may be in a job."""
    label = _("Search all jobs for “%(text)s”") % {"text": asked}
    return [Found(_("search"), label, links.search_url(found.connection, q=asked))] if asked else []


async def _jobs(found: Snapshot, asked: str) -> list[Found]:
    held = await queues_holding(found.connection, [queue.name for queue in found.queues], asked)
    return [
        Found(_("job"), asked, links.job_url(found.connection, name, asked), _("in %(queue)s") % {"queue": name})
        for name in held
    ]


def _queues(found: Snapshot, asked: str) -> list[Found]:
    """By name; where the last word is a state, its list in those that fit the rest."""
    options = dashboard_options()
    word, states = asked.rpartition(" ")[2].casefold(), []
    if " " in asked:
        states = [state for state in LISTED if word and str(state.label).casefold().startswith(word)]
    rest = asked.rpartition(" ")[0] if states else asked
    wanted: list[State | None] = [*states[:2]] or [None]
    queues = _ranked(rest, found.queues, [(q, f"{q.name} {options.queue(q.name).title}") for q in found.queues])
    return [
        Found(
            _("queue"),
            f"{queue.name} · {state.label.lower()}" if state else queue.name,
            links.queue_url(found.connection, queue.name, status=state.value if state else None),
            f"{queue.count(state):,}" if state else _standing(queue),
        )
        for queue in queues[:MOST_QUEUES]
        for state in wanted
    ]


def _standing(queue: Queue) -> str:
    told = [_("paused")] if queue.is_paused else []
    if queue.failed:
        told.append(_("%(count)s failed") % {"count": f"{queue.failed:,}"})
    return ", ".join(told)


def _ranked(asked: str, queues: Iterable[Queue], named: list[tuple[Queue, str]]) -> list[Queue]:
    scored = [(score(asked, name), queue) for queue, name in named]
    return [queue for points, queue in sorted(scored, key=lambda one: (-one[0], one[1].name)) if points > 0]


def best(asked: str, among: Iterable[Found], most: int) -> list[Found]:
    scored = [(score(asked, one.label), at, one) for at, one in enumerate(among)]
    return [one for points, _at, one in sorted(scored, key=lambda one: (-one[0], one[1])) if points > 0][:most]


def score(asked: str, name: str) -> int:
    """How well these letters stand for the name: whole, its beginning, a word's beginning, within, scattered; 0 not."""
    wanted, told = asked.casefold().replace(" ", ""), name.casefold()
    if not wanted:
        return 1
    if wanted == told.strip() or asked.casefold() == told:
        return 100
    if " " in asked and told.startswith(asked.casefold()):
        return 80
    place = told.find(wanted)
    if place == 0:
        return 80
    if place > 0:
        return 60 if not told[place - 1].isalnum() else 40
    rest = iter(told)
    return 10 if all(letter in rest for letter in wanted) else 0


def _pages(request: Request, connection: str) -> Iterator[Found]:
    site = dashboard_options()
    told = [
        (_("Overview"), "", True),
        (_("Search"), "/search", True),
        (_("Failures"), "/failures", True),
        (_("Schedulers"), "/job-schedulers", True),
        (_("Flows"), "/flows", True),
        (_("Workers"), "/workers", site.show_workers),
        (_("Metrics"), "/metrics-history", site.show_metrics),
        (_("Operations"), "/operations", True),
        (_("Alerts"), "/alerts", True),
        (_("Webhooks"), "/webhooks", request.grants.anywhere.may("webhook.make")),
        (_("Redis"), "/redis", site.show_redis),
        (_("Self-check"), "/check", site.show_redis),
        (_("Audit"), "/audit", request.grants.anywhere.may("audit.view")),
        (_("Settings"), "/settings", True),
        (_("API keys"), "/keys", True),
        (_("Keyboard shortcuts"), "/settings#keys", True),
    ]
    for label, path, is_shown in told:
        if is_shown and _leads(path.partition("#")[0]):
            yield Found(_("page"), label, links.page_url(path, connection))
    yield Found(_("page"), _("API"), reverse("v1-docs"))
    if records := hosting.admin_url():
        yield Found(_("page"), _("Records"), records)


def _leads(path: str) -> bool:
    """Whether there is such a page; what lies below `admin/` and is none of ours, Django's admin takes for its own."""
    try:
        return "admin" not in resolve(f"/{links.BASE}{path}").app_names
    except Resolver404:
        return False


def _actions(request: Request, found: Snapshot, asked: str) -> Iterator[Found]:
    for queue in _meant(request, found, asked):
        yield from _on_queue(request, queue)
    chosen = choices_of(request)
    for theme, label in (("light", _("Light theme")), ("dark", _("Dark theme")), ("system", _("The system’s theme"))):
        if chosen.theme != theme:
            yield Found(_("choice"), label, links.settings_url(), fields={"theme": theme})
    if dashboard_options().refresh_choice:
        label = _("Go on refreshing") if chosen.pace == "paused" else _("Pause refreshing")
        fields = {"refresh": "live" if chosen.pace == "paused" else "paused"}
        yield Found(_("choice"), label, links.settings_url(), fields=fields)
    yield Found(_("action"), _("Sign out"), reverse("sign-out"), fields={"out": "1"})


def _meant(request: Request, found: Snapshot, asked: str) -> list[Queue]:
    """The queue whose page it was typed on; and where a verb and a name were typed, those of that name."""
    here = found.queue(request.GET.get("here", ""))
    _verb, _space, name = asked.partition(" ")
    named = _ranked(name, found.queues, [(queue, queue.name) for queue in found.queues])[:MOST_MEANT] if name else []
    return list({queue.name: queue for queue in (here, *named) if queue is not None}.values())


def _on_queue(request: Request, queue: Queue) -> Iterator[Found]:
    held = request.grants.on(queue.name)
    name, verb = {"queue": queue.name}, "resume" if queue.is_paused else "pause"
    if held.may(f"queue.{verb}"):
        label = _("Resume %(queue)s") % name if queue.is_paused else _("Pause %(queue)s") % name
        yield Found(_("action"), label, links.queue_url(queue.connection, queue.name, action=verb), fields={"do": verb})
    if queue.failed and held.may("queue.retry-all"):
        url = links.queue_url(queue.connection, queue.name, status="failed", confirm="retry-all")
        yield Found(_("action"), _("Retry all failed in %(queue)s…") % name, url)
    if held.may("job.add") and get_options().use_job_queue is not None:
        url = links.queue_url(queue.connection, queue.name, form="add")
        yield Found(_("action"), _("Add a job to %(queue)s…") % name, url)
