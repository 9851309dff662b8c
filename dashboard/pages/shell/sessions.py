"""Where else somebody is signed in, and to end that."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from dashboard import hosting, links
from dashboard.drawing import render
from dashboard.pages.shell.frame import around_of, frame, go, known_connection
from dashboard.request import Request
from dashboard.sign_in import sessions
from dashboard.sign_in.trying import log


@require_http_methods(["GET", "HEAD", "POST"])
async def sessions_page(request: Request) -> HttpResponse:
    person, key = request.user.pk or 0, request.session.session_key or ""
    if request.method == "POST":
        ended = await sync_to_async(sessions.end)(person, request.POST.get("id", ""), but=key)
        log.info("sessions ended", user=request.user.get_username(), count=ended)
        told = ngettext("%(count)s session was ended.", "%(count)s sessions were ended.", ended) % {"count": ended}
        return go(
            request,
            links.sessions_url(known_connection(request)),
            told if ended else _("There was no such session any more."),
        )
    held = await sync_to_async(sessions.held)(person, key)
    around = await around_of(request, known_connection(request))
    shown = {"section": "settings", "held": held, "password_url": hosting.admin_url("password_change")}
    return render(request, "session/list.html", frame(around, **shown))
