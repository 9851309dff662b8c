"""Who may see and who may act: session, user, staff and grants in one thread hop, for pages and for the socket.

Nothing is open unless it is named in `OPEN`. Only this module reads sessions; every rule is asked here, on the server.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import structlog
from asgiref.sync import markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost, SuspiciousOperation
from django.db import OperationalError
from django.db import connection as database
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from dashboard import errors, links, theme
from dashboard.context import connection_of, queue_of
from dashboard.grants import Grants, grants_of
from dashboard.request import Next, Request
from queues.actions.actor import Actor
from queues.errors import QueueNotFound

log = structlog.get_logger("toril.access")

#: Paths that answer anyone. Probes never wait for a database.
PROBES = frozenset({"/livez", "/readyz"})
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
OPEN = PROBES | {SIGN_IN, "/favicon.ico", theme.PATH}


@dataclass(frozen=True, slots=True)
class Visitor:
    """A session with its user and grants, as they are in the database now."""

    session: SessionBase
    user: User | AnonymousUser
    grants: Grants = field(default_factory=lambda: Grants(Actor(None, "")))

    @property
    def is_signed_in(self) -> bool:
        return self.user.is_authenticated


def _session(key: str | None) -> SessionBase:
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return store(key)


def _look_up(session_key: str) -> Visitor:
    try:
        return _asked(session_key)
    except OperationalError:
        pool = getattr(database, "pool", None)
        if pool is None:
            raise
        # PostgreSQL may have been restarted: what was connected to it is thrown away, and it is asked once more.
        database.close()
        pool.check()
        return _asked(session_key)


def _asked(session_key: str) -> Visitor:
    asking = HttpRequest()
    asking.session = _session(session_key)
    user = get_user(asking)
    return Visitor(asking.session, user, grants_of(user))


async def visitor(session_key: str | None) -> Visitor:
    """Who holds this session now, asked anew each time; without a key nothing is asked."""
    if not session_key:
        return Visitor(_session(None), AnonymousUser())
    return await sync_to_async(_look_up)(session_key)


class Access:
    """Sets `session`, `user`, `auser` and `grants` on the request; turns away who may not see the page."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.sessions = SessionMiddleware(lambda request: HttpResponse())
        markcoroutinefunction(self)

    async def __call__(self, request: Request) -> HttpResponseBase:
        if request.path_info in PROBES:
            return await self.get_response(request)
        if refused := strange_host(request):
            return refused
        found = await visitor(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        _seat(request, found)
        response: HttpResponseBase = turned_away(request, found) or await self.get_response(request)
        session = request.session
        if session.modified or (settings.SESSION_COOKIE_NAME in request.COOKIES and session.is_empty()):
            await sync_to_async(self.sessions.process_response)(request, cast(HttpResponse, response))
        return response

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
    async def auser() -> Any:
        return request.user

    request.session, request.user, request.auser = found.session, found.user, auser
    request.grants = found.grants.at(_connection(request))


def _connection(request: Request) -> str:
    """What the address says; whether it can be read and there is such a one is its view's question."""
    with suppress(SuspiciousOperation):
        return connection_of(request)
    return links.DEFAULT_CONNECTION


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
    address = (
        links.site_root() + SIGN_IN + "?" + urlencode({"next": _page_behind(request) if is_htmx else _here(request)})
    )
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
