"""Who may see and who may act: session, user, staff and grants in one thread hop; programs by what they show.

Nothing is open unless it is named in `OPEN`, or in `credentials.paths`. Every rule is asked here, on the server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import structlog
from asgiref.sync import markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from dashboard import errors, hosting, links, theme
from dashboard.context import queue_of
from dashboard.credentials.admission import admitted, seat
from dashboard.credentials.identifying import of_visitor
from dashboard.credentials.identity import NOBODY
from dashboard.credentials.paths import is_program
from dashboard.credentials.sessions import Visitor, no_visitor, visitor
from dashboard.grants import grants_of
from dashboard.request import Next, Request
from dashboard.sign_in import by_proxy
from dashboard.sign_in.hurry import waiting_at_most
from dashboard.sign_in.proxies import strip_strangers_word
from queues.errors import Forbidden, QueueNotFound

log = structlog.get_logger("toril.access")

#: Paths that answer anyone. Probes never wait for a database.
PROBES = frozenset({"/livez", "/readyz"})
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
PROVIDER, PROVIDER_BACK = "/sign-in/provider", "/sign-in/provider/back"
OPEN = PROBES | {SIGN_IN, PROVIDER, PROVIDER_BACK, "/favicon.ico", theme.PATH}


class Access:
    """Sets `session`, `user`, `auser` and `grants` on the request; turns away who may not see the page."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.sessions = SessionMiddleware(lambda request: HttpResponse())
        markcoroutinefunction(self)

    async def __call__(self, request: Request) -> HttpResponseBase:
        if request.path_info in PROBES:
            request.identity = NOBODY
            return await self.get_response(request)
        strip_strangers_word(request)
        if refused := strange_host(request):
            return refused
        if is_program(request.path_info):
            return await admitted(request, self.get_response)
        found = await visitor(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        _seat(request, found)
        if by_proxy.is_on():
            try:
                found = await _vouched_for(request, found)
            except Forbidden as error:
                return errors.of(request, error)
        response: HttpResponseBase = turned_away(request, found) or await self.get_response(request)
        session = request.session
        if session.modified or (settings.SESSION_COOKIE_NAME in request.COOKIES and session.is_empty()):
            await sync_to_async(self._keep)(request, cast(HttpResponse, response))
        return response

    def _keep(self, request: Request, response: HttpResponse) -> None:
        with waiting_at_most():
            self.sessions.process_response(request, response)

    async def process_view(
        self, request: Request, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """A queue that is not seen is answered here, for every view that is named one: as one that does not exist."""
        queue = queue_of(request)
        if queue is None or not request.grants.may_see or request.grants.sees(queue):
            return None
        missing = QueueNotFound(queue)
        return errors.answer(request, missing.status, str(missing), missing.code)


def strange_host(request: Request) -> HttpResponse | None:
    """The answer to a Host that is not this site's, before anything is asked; one line in the log, whoever knocks."""
    try:
        request.get_host()
    except DisallowedHost:
        log.warning("strange host refused", host=request.headers.get("Host", "")[:200])
        message = _("This site is not reached under this name. If it should be, add the name to ALLOWED_HOSTS.")
        return errors.answer(request, 400, message, "strange_host")
    return None


def _seat(request: Request, found: Visitor) -> None:
    seat(request, found, of_visitor(found) if found.is_signed_in else NOBODY)


async def _vouched_for(request: Request, found: Visitor) -> Visitor:
    """Whom a proxy of ours names, in a session of their own. What it began ends with its word. Raises Forbidden."""
    name = by_proxy.named(request)
    if name == found.user.get_username() or (not name and not by_proxy.is_begun_by_proxy(found.session)):
        return found
    if name:
        await sync_to_async(by_proxy.let_in)(request, name)
        found = await sync_to_async(lambda: Visitor(request.session, request.user, grants_of(request.user)))()
    else:
        found = no_visitor()
    _seat(request, found)
    return found


def turned_away(request: Request, found: Visitor) -> HttpResponse | None:
    """The answer for whoever may not see this path, or None."""
    if request.path_info in OPEN or found.grants.may_see:
        return None
    if not found.is_signed_in:
        return to_sign_in(request)
    if request.path_info == SIGN_OUT or (found.grants.is_staff and _is_djangos(request.path_info)):
        return None
    if found.grants.is_staff:
        return errors.answer(
            request, 403, _("Your account may not look at any queue yet. An administrator can change that.")
        )
    return errors.answer(
        request,
        403,
        _("Your account is not marked as staff, so it may not look at queues. An administrator can change that."),
    )


def _is_djangos(path: str) -> bool:
    """Whether Django's admin answers there: it asks its own permissions of whoever is staff."""
    return path.startswith("/admin/") and not f"{path}/".startswith(f"/{links.BASE}/")


def to_sign_in(request: Request) -> HttpResponse:
    """Sends the whole page to sign-in, and back afterwards: a login form never lands inside a table."""
    is_htmx = request.headers.get("HX-Request") == "true"
    address = hosting.sign_in_url()
    here = urlencode({REDIRECT_FIELD_NAME: _page_behind(request) if is_htmx else _here(request)})
    address += ("&" if "?" in address else "?") + here
    if is_htmx or errors.wants_json(request):
        return errors.answer(request, 401, _("Sign in again to go on."), "signed_out", {"HX-Redirect": address})
    return HttpResponseRedirect(address)


def _here(request: Request) -> str:
    query = request.GET.copy()
    query.pop("action", None)
    return request.raw_path + (f"?{query.urlencode()}" if query else "")


def _page_behind(request: HttpRequest) -> str:
    """The page on which htmx runs, by its own word; the overview where that is none of ours."""
    told = request.headers.get("HX-Current-URL", "")
    return safe_next(request, told) if told else links.overview_url()


def safe_next(request: HttpRequest, told: str) -> str:
    """A path on this site from what a form or header claims; the overview for anything else."""
    if not url_has_allowed_host_and_scheme(told, {request.get_host()}, require_https=request.is_secure()):
        return links.overview_url()
    parts = urlsplit(told)
    path = parts._replace(scheme="", netloc="", fragment="").geturl()
    return path if path.startswith("/") and not path.startswith("//") else links.overview_url()
