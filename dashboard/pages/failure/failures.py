"""What fails, by its cause: every group that failed within a window, as far as its queues are seen."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpResponseBase, QueryDict
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard import links
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.shell.frame import around_of, frame, known_connection
from dashboard.request import Request
from dashboard.seeing import seen_by
from queues.lookups.failures import WINDOWS, Asked, Window, listing
from queues.lookups.failures.groups import SHOWN, SORTS
from queues.lookups.mirror_state import MirrorState, mirror_state
from queues.models import Deploy
from queues.models.local import is_in_process

PER_PAGE, LONGEST = 50, 200
#: The groups may trail what fails by so much before that is said.
BEHIND_S = 15


@require_safe
async def failures_page(request: Request) -> HttpResponseBase:
    """`?window=`, `?show=`, `?sort=`, `?queue=`, `?q=`, `?page=`; `fragment=rows` brings what changes by itself."""
    connection = known_connection(request)
    if is_in_process():
        around = await around_of(request, connection)
        return render(request, "failure/list_page.html", frame(around, section="failures"))
    context = await _shown(request, connection)
    if request.GET.get("fragment") == "rows" and wants_fragment(request):
        return render(request, "failure/rows.html", context)
    return render(request, "failure/list_page.html", frame(await around_of(request, connection), **context))


async def _shown(request: Request, connection: str) -> dict[str, Any]:
    deploy, seen = await Deploy.objects.order_by("-at").afirst(), await seen_by(request.grants)
    asked, page = _read(request.GET, deploy)
    found = await listing(connection, seen, asked, time.time())
    pages = max(1, -(-found.matching // PER_PAGE))
    kept = _kept(asked)
    return {
        "section": "failures",
        "asked": asked,
        "listing": found,
        "deploy": deploy,
        "tabs": [(show, label, found.counts[show]) for show, label in _tabs(deploy)],
        "windows": list(WINDOWS),
        "notes": notes(await mirror_state(), connection),
        "page": page,
        "pages": pages,
        "older": links.failures_url(connection, **kept, page=page + 1) if page < pages else "",
        "newer": links.failures_url(connection, **kept, page=page - 1 if page > 2 else None) if page > 1 else "",
        "here_url": links.failures_url(connection, **kept, page=page if page > 1 else None, fragment="rows"),
        "everything": links.failures_url(connection, window=asked.window.name, show=asked.show),
        "sorts": {sort: links.failures_url(connection, **(kept | {"sort": sort})) for sort in SORTS},
        "is_narrow": bool(asked.queue or asked.text),
    }


def window_of(query: QueryDict) -> Window:
    return WINDOWS.get(query.get("window", ""), WINDOWS["24h"])


def _read(query: QueryDict, deploy: Deploy | None) -> tuple[Asked, int]:
    show, sort, told = query.get("show", ""), query.get("sort", ""), query.get("page", "")
    page = int(told) if told.isascii() and told.isdecimal() and 0 < len(told) < 5 else 1
    return Asked(
        window=window_of(query),
        show=show if show in SHOWN else "open",
        sort=sort if sort in SORTS else "count",
        queue=query.get("queue", "").replace("\0", "")[:512],
        text=query.get("q", "").strip()[:LONGEST],
        deployed_ms=int(deploy.at.timestamp() * 1000) if deploy else None,
        offset=(max(page, 1) - 1) * PER_PAGE,
        size=PER_PAGE,
    ), max(page, 1)


def _kept(asked: Asked) -> dict[str, Any]:
    """The address of what is shown, without what is as it would be anyway."""
    told = {"window": asked.window.name, "show": asked.show, "sort": asked.sort, "queue": asked.queue, "q": asked.text}
    usual = {"window": "24h", "show": "open", "sort": "count"}
    return {name: value for name, value in told.items() if value and usual.get(name) != value}


def _tabs(deploy: Deploy | None) -> list[tuple[str, str]]:
    new = [("new", _("New since %(deploy)s") % {"deploy": deploy.label})] if deploy else []
    rest = [("regressed", _("Regressed")), ("resolved", _("Resolved")), ("ignored", _("Ignored")), ("all", _("All"))]
    return [("open", _("Open")), *new, *rest]


def notes(state: MirrorState, connection: str) -> list[str]:
    """What these groups are not."""
    if not state.leads:
        start = _("Start it with “manage.py runmirror”.")
        if not state.is_known:
            return [_("Failures are grouped by the mirror, and none has run yet.") + " " + start]
        return [_("No mirror runs: what fails now is not counted until one does.") + " " + start]
    lag_s = max(state.lag_s(connection) or 0, state.feed_lag_s("failures") or 0)
    if lag_s < BEHIND_S:
        return []
    words = _("What failed in the last %(seconds)s s is not counted yet: the mirror is behind.")
    return [words % {"seconds": f"{lag_s:.0f}"}]
