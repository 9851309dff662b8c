"""The workers: who runs jobs, what each runs now, and what may be asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.choices import choices_of
from dashboard.drawing import render, render_to_string
from dashboard.errors import wants_fragment
from dashboard.pages.shell.frame import frame, go, known_connection, partial, swap, visible
from dashboard.pages.worker import lines
from dashboard.pages.worker.lines import MOST_LINES, MOST_UNSERVED, Asked
from dashboard.presentation import dashboard_options
from dashboard.request import Request
from queues.actions import workers as steering
from queues.errors import InvalidInput, NotFound, RedisRefused, RedisUnavailable
from queues.lookups.fleet import last_asked, seen_by, shared_fleet
from queues.lookups.snapshot import Snapshot, snapshot
from queues.lookups.workers import Fleet
from queues.models import AuditEntry
from queues.options import get_options

ACTS = {"quiet": steering.quiet, "resume": steering.resume, "stop": steering.stop}
#: Drawn lists, each for those who may see and do the same: every tab asks for them every few seconds.
MOST_KEPT = 40
_kept: dict[Any, tuple[Fleet, SafeString]] = {}


@require_http_methods(["GET", "HEAD", "POST"])
async def workers_page(request: Request) -> HttpResponse:
    if not dashboard_options().show_workers:
        raise NotFound(_("The settings of this site leave the workers page out (show_workers)."))
    connection, asked = known_connection(request), Asked.of(request.GET)
    if request.method == "POST":
        return await _act(request, connection, asked)
    found = visible(request, await snapshot(connection))
    fleet, trouble = await _fleet(request, connection)
    drawn = _drawn(request, found, fleet, trouble, asked)
    if request.GET.get("fragment") == "fleet" and wants_fragment(request):
        return HttpResponse(drawn)
    panel = _question(request, fleet) if request.GET.get("confirm") in ACTS else {}
    if panel and wants_fragment(request):
        return render(request, "worker/confirm.html", panel)
    shown = {
        "section": "workers",
        "fleet_html": drawn,
        "asked": asked,
        "states": lines.STATES,
        "entries": await _asked(request, connection),
    }
    return render(request, "worker/page.html", frame(found, **(shown | panel)))


async def _fleet(request: Request, connection: str, max_age_s: float | None = None) -> tuple[Fleet, str]:
    """As much of it as this person sees, and why it could not be read."""
    try:
        fleet = await shared_fleet(connection, max_age_s)
    except (RedisUnavailable, RedisRefused) as error:
        return Fleet(connection), str(error)
    return (fleet if request.grants.sees_all else seen_by(fleet, request.grants.sees)), ""


async def _asked(request: Request, connection: str) -> list[AuditEntry]:
    """For those who see every queue: it names processes whatever they serve."""
    return await last_asked(connection) if request.grants.sees_all else []


def _drawn(request: Request, found: Snapshot, fleet: Fleet, trouble: str, asked: Asked) -> SafeString:
    """The list, kept for as long as the reading behind it: nothing of it differs between those who may do the same."""
    grants, choices = request.grants, choices_of(request)
    waiting = lines.unserved(found.queues, fleet) if not trouble and get_options().use_job_queue else []
    key = (asked, choices, trouble, grants.abilities, grants.patterns, fleet.connection, tuple(q.name for q in waiting))
    kept = _kept.get(key)
    if kept is not None and kept[0] == fleet:
        return kept[1]
    own = lines.chosen(lines.lines(fleet, grants, foreign=False), asked)
    others = lines.chosen(lines.lines(fleet, grants, foreign=True), asked)
    context = {
        "connection": fleet.connection,
        "fleet": fleet,
        "now": fleet.now_ms or None,
        "asked": asked,
        "choices": choices,
        "grants": grants,
        "trouble": trouble,
        "is_in_process": not get_options().use_job_queue,
        "sums": lines.sums(fleet),
        "lines": own[:MOST_LINES],
        "more_lines": max(0, len(own) - MOST_LINES),
        "others": others[:MOST_LINES],
        "more_others": max(0, len(others) - MOST_LINES),
        "elsewhere": [lines.run(job, grants, False) for job in fleet.elsewhere[:20]],
        "more_elsewhere": max(0, len(fleet.elsewhere) - 20),
        "skew": lines.skew(fleet),
        "silence": lines.silence(fleet),
        "unserved": waiting[:MOST_UNSERVED],
        "more_unserved": max(0, len(waiting) - MOST_UNSERVED),
    }
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    _kept[key] = (fleet, render_to_string("worker/fleet.html", context))
    return _kept[key][1]


# --- acting


@dataclass(frozen=True, slots=True)
class Question:
    """What is about to be asked, of whom, and how much that touches."""

    verb: str
    process_id: str
    count: int
    sentence: str
    button: str
    #: What is to be typed; empty where a click is enough.
    to_type: str = ""


def _question(request: Request, fleet: Fleet) -> dict[str, Any]:
    verb, process_id = request.GET["confirm"], request.GET.get("process", "")
    request.grants.require(f"workers.{verb}")
    return {
        "panel": "worker/confirm.html",
        "question": question(fleet, verb, process_id),
        "asked": Asked.of(request.GET),
    }


def question(fleet: Fleet, verb: str, process_id: str) -> Question:
    """Raises NotFound where there is nobody to ask."""
    meant = [p for p in fleet.own if process_id in ("", p.id) and (process_id or not p.is_silent)]
    if not meant:
        raise NotFound(_("There is no worker process that could be asked."))
    jobs = sum(process.running_count for process in meant)
    who = (
        _("worker “%(name)s”") % {"name": meant[0].name}
        if process_id
        else ngettext("%(count)s worker process", "all %(count)s worker processes", len(meant)) % {"count": len(meant)}
    )
    running = ngettext("%(count)s running job", "%(count)s running jobs", jobs) % {"count": jobs}
    sentence, button = _worded(verb, who, running)
    to_type = str(len(meant)) if verb == "stop" and len(meant) > 1 else ""
    return Question(verb, process_id, len(meant), sentence, button, to_type)


def _worded(verb: str, who: str, running: str) -> tuple[str, str]:
    told = {"who": who, "running": running}
    if verb == "quiet":
        return _("Let %(who)s take no new jobs? %(running)s go on.") % told, _("Quiet %(who)s") % told
    if verb == "resume":
        return _("Let %(who)s take jobs again?") % told, _("Resume %(who)s") % told
    sentence = _(
        "Stop %(who)s? %(running)s may finish within the drain timeout; what is left goes back to its queue. Only a "
        "supervisor or a person starts them again."
    )
    return sentence % told, _("Stop %(who)s") % told


async def _act(request: Request, connection: str, asked: Asked) -> HttpResponse:
    """`quiet=<id>` for one process; from the panel `do`, `process` (none: all), `count`, `typed`."""
    post = request.POST
    verb = post.get("do") or next((name for name in ACTS if name in post), "")
    if verb not in ACTS:
        raise InvalidInput(_("Nothing was asked that a worker could do."))
    request.grants.require(f"workers.{verb}")
    process_id = post.get("process", "") if "do" in post else post.get(verb, "")
    if not process_id:
        fleet, _trouble = await _fleet(request, connection, 0.0)
        now = question(fleet, verb, "")
        if post.get("count") != str(now.count) or post.get("typed", "").strip() != now.to_type:
            return _again(request, now, asked)
    done = await ACTS[verb](request.grants.actor, connection, process_id or None)
    kind = "slow" if done.missed else "done"
    if not wants_fragment(request):
        return go(request, links.workers_url(connection, **asked.query), done.message, kind)
    found = visible(request, await snapshot(connection))
    fleet, trouble = await _fleet(request, connection, 0.0)
    drawn = _drawn(request, found, fleet, trouble, asked)
    entries = render_to_string("worker/asked.html", {"entries": await _asked(request, connection)}, request)
    parts = partial("asked", entries) + partial("panel", "", "innerHTML")
    return swap(request, "worker/drawn.html", {"drawn": drawn + parts}, done.message, kind)


def _again(request: Request, now: Question, asked: Asked) -> HttpResponse:
    """Not as many as when it was counted, or not what was to be typed: asked again, and nothing was done."""
    context = {"question": now, "asked": asked, "is_again": True}
    if not wants_fragment(request):
        return render(request, "worker/alone.html", frame(None, section="workers", **context), status=409)
    answer = render(request, "worker/confirm.html", context, status=409)
    answer["HX-Retarget"], answer["HX-Reswap"] = "#panel", "innerHTML"
    return answer
