"""What this browser chose: theme, times, refreshing, keys. Kept in its cookies; nobody else's pages change."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard import hosting, links
from dashboard.access import safe_next
from dashboard.choices import NAMES, ROWS, choices_of, keep, read, zones
from dashboard.drawing import render
from dashboard.pages.settings.words import fields_of
from dashboard.pages.shell.frame import around_of, frame, go, known_connection
from dashboard.presentation import dashboard_options
from dashboard.request import Request


@require_http_methods(["GET", "HEAD", "POST"])
async def settings_page(request: Request) -> HttpResponse:
    if request.method == "POST":
        return _chosen(request)
    shown = {
        "section": "settings",
        "sessions_url": "" if hosting.is_guest() else links.sessions_url(known_connection(request)),
        "fields": fields_of(choices_of(request), dashboard_options()),
        "zones": sorted(zones()),
        "rows_known": ROWS,
    }
    return render(request, "settings/page.html", frame(await around_of(request, known_connection(request)), **shown))


def _chosen(request: Request) -> HttpResponse:
    """What the form names is chosen anew, the rest stays; `back` is where to go on."""
    told = {name: str(value) for name, value in asdict(choices_of(request)).items()}
    told |= {name: request.POST[name] for name in NAMES if name in request.POST}
    back = request.POST.get("back") or (request.headers.get("Referer", "") if len(request.POST) < 4 else "")
    url = safe_next(request, back) if back else links.settings_url(known_connection(request))
    message = "" if back else _("Kept in this browser.")
    response = go(request, url, message)
    keep(response, read(told))
    return response
