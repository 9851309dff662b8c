"""The one place that knows HTTP for what went wrong: a page, a fragment for htmx, or JSON for programs."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.api import refusals
from dashboard.credentials.paths import is_program
from dashboard.drawing import render_to_string
from dashboard.request import Next, Request
from queues.errors import TorilError

log = structlog.get_logger("toril.web")

TITLES = {
    400: gettext_lazy("This cannot be understood"),
    401: gettext_lazy("Your session has ended"),
    403: gettext_lazy("You may not do this"),
    404: gettext_lazy("Not found"),
    405: gettext_lazy("Not possible here"),
    409: gettext_lazy("Nothing was changed"),
    429: gettext_lazy("Too many attempts"),
    502: gettext_lazy("Redis refused"),
    503: gettext_lazy("Not now"),
}
#: Where the page shows an error fragment: what was clicked stays as it is.
NOTICE = "#notices"


class Errors:
    """Turns what a view raises into an answer. Django's own handlers (below) come to the same `answer`."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: Request) -> HttpResponseBase:
        return await self.get_response(request)

    async def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, TorilError) and error.status != 500:
            return of(request, error)
        # Django knows these and calls the handlers below; with DEBUG it shows its own page for the rest.
        if isinstance(error, Http404 | PermissionDenied | SuspiciousOperation) or settings.DEBUG:
            return None
        return unexpected(request, error)


def of(request: HttpRequest, error: TorilError) -> HttpResponse:
    """The answer to an error of ours."""
    if is_program(request.path_info):
        return refusals.of(request, error, str(TITLES.get(error.status, "")))
    return answer(request, error.status, str(error), error.code)


def answer(
    request: HttpRequest, status: int, message: str, code: str = "error", headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """One sentence with its status, in the form the client asked for."""
    title = str(TITLES.get(status) or _("Something went wrong"))
    if is_program(request.path_info):
        return refusals.answer(request, refusals.Refusal(status, title, message, code), headers)
    shown = {"status": status, "title": title, "message": message, "code": code}
    if wants_json(request):
        body = json.dumps({"error": {"code": code, "message": message}})
        return HttpResponse(body, status=status, content_type="application/json", headers=headers)
    is_fragment = wants_fragment(request)
    response = HttpResponse(
        _drawn("error/fragment.html" if is_fragment else "error/page.html", shown, request),
        status=status,
        headers=headers,
    )
    if is_fragment and "HX-Redirect" not in response:
        response["HX-Retarget"], response["HX-Reswap"] = NOTICE, "innerHTML"
    return response


def unexpected(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """A 500 that tells the visitor an id and nothing else; the log has the id and the rest."""
    if isinstance(error, OperationalError | InterfaceError):
        log.error("the database failed", path=request.path, error=str(error))
        message = _("The database does not answer. Nothing can be shown until it does.")
        response = answer(request, 503, message, "database")
    else:
        error_id = secrets.token_hex(4)
        log.error("unexpected error", id=error_id, method=request.method, path=request.path, exc_info=error)
        message = _("An error that nobody expected. The log of the web process has the details under %(id)s.")
        message %= {"id": error_id}
        response = answer(request, 500, message, "unexpected")
    # Logged above: Django need not say it again, with a traceback and without the id.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page (not for a whole one, as boosted links and history do)."""
    headers = request.headers
    if headers.get("HX-Request") != "true" or headers.get("HX-History-Restore-Request") == "true":
        return False
    return headers.get("HX-Request-Type", "partial") != "full"


def wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _drawn(template: str, shown: dict[str, Any], request: HttpRequest) -> str:
    try:
        return render_to_string(template, shown, request)
    except Exception:
        # The page that says what is wrong must not depend on what may be wrong.
        log.exception("the error page itself could not be drawn", template=template)
        return format_html("<!doctype html><title>{title}</title><h1>{title}</h1><p>{message}</p>", **shown)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return answer(request, 400, _("The request was not what a browser sends to this address."), "bad_request")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return answer(request, 403, _("Your account has no permission for this."), "forbidden")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return answer(request, 404, _("There is nothing at this address."), "not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    """For what was raised outside a view (middleware, a template drawn late)."""
    return unexpected(request, sys.exc_info()[1])


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    message = _("This page was too old to act from, and nothing was changed. Reload it and try again.")
    return answer(request, 403, message, "csrf")
