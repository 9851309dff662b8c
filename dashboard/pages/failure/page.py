"""One group of failures: its cause, when and where it came, jobs of it, and what people did about it."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.failure import acting
from dashboard.pages.failure.failures import notes, window_of
from dashboard.pages.job.attempts import Failure, failures
from dashboard.pages.search.export import export_keys
from dashboard.pages.shell.exports import FORMATS
from dashboard.pages.shell.frame import around_of, frame, known_connection
from dashboard.request import Request
from dashboard.seeing import seen_by
from queues.errors import NotFound
from queues.lookups import failures as lookups
from queues.lookups.failures import WINDOWS, Detail
from queues.lookups.mirror_state import mirror_state
from queues.lookups.search import Seen
from queues.models import Job

#: What may be asked for of all jobs of a group.
VERBS = ("retry", "move", "remove")


@require_http_methods(["GET", "HEAD", "POST"])
async def failure_page(request: Request, group: int) -> HttpResponseBase:
    """`?window=`; `?format=csv` or `jsonl` brings its jobs; `?form=split` or `merge` opens one; POST acts."""
    connection, seen = known_connection(request), await seen_by(request.grants)
    window = window_of(request.GET)
    found = await lookups.detail(connection, group, seen, window, time.time())
    if found is None:
        raise NotFound(_("There is no group of failures #%(group)s.") % {"group": group})
    if isinstance(found, int):
        return redirect(links.failure_url(connection, found))
    if request.method == "POST":
        return await acting.act(request, connection, found)
    if (form := request.GET.get("format", "")) in FORMATS:
        keys = lookups.keys_of(connection, group, found.queues)
        return export_keys(request, keys, form, f"failures-{group}")
    context = await _shown(request, connection, seen, found)
    if request.GET.get("fragment") == "figures" and wants_fragment(request):
        return render(request, "failure/figures.html", context)
    return render(request, "failure/page.html", frame(await around_of(request, connection), **context))


async def _shown(request: Request, connection: str, seen: Seen, found: Detail) -> dict[str, Any]:
    group, window = found.line.group, window_of(request.GET)
    readable = [queue for queue in found.queues if seen.reads(connection, queue)]
    samples = await lookups.samples(connection, group.pk, found.queues)
    column_s, start_s = window.column_s, window.start_s(time.time())
    return {
        "section": "failures",
        "line": found.line,
        "found": found,
        "window": window,
        "windows": list(WINDOWS),
        "samples": samples,
        "readable": set(readable),
        "sample": (stack := _stack(samples, readable)),
        "sample_job": next((job for job in samples if job.queue in readable), None) if stack else None,
        "now_failed": await lookups.failed_now(connection, group.pk, found.queues),
        "rows": [((start_s + at * column_s) * 1000, n) for at, n in enumerate(found.line.columns) if n][::-1],
        "start_ms": start_s * 1000,
        "may_triage": acting.refusal(request, found) is None,
        "may": {verb: _may_any(request, found.queues, f"job.{verb}") for verb in VERBS},
        "is_moving": bool(group.moving),
        "notes": notes(await mirror_state(), connection),
        "operation_url": {verb: links.new_operation_url(connection, group=group.pk, do=verb) for verb in VERBS},
        "exports": [(form, links.failure_url(connection, group.pk, format=form)) for form in FORMATS],
    } | await _form(request, connection, seen, found, readable)


async def _form(request: Request, connection: str, seen: Seen, found: Detail, readable: list[str]) -> dict[str, Any]:
    """What splits or merges it, where that was opened."""
    form = request.GET.get("form", "")
    if form == "split":
        causes = [cause for cause in found.causes if cause.pk in found.readable]
        return {"form": form, "apart": [(cause, await lookups.places_of(cause, readable)) for cause in causes[:20]]}
    if form == "merge":
        return {"form": form, "alike": await lookups.alike(connection, found.line.group.pk, seen)}
    return {"form": form, "staff": await acting.staff()} if form == "assign" else {"form": ""}


def _may_any(request: Request, queues: list[str], action: str) -> bool:
    return any(request.grants.on(queue).may(action) for queue in queues)


def _stack(samples: list[Job], readable: list[str]) -> Failure | None:
    """Of the newest job whose errors may be read."""
    for job in samples:
        if job.queue in readable:
            return next(iter(failures(job)), None)
    return None
