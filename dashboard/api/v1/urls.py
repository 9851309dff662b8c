"""Routes of Toril's own API: Ninja's, behind one door that bounds bodies and words refusals as problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext as _

from dashboard.api.board.fresh import changed
from dashboard.api.v1 import describing, problems
from dashboard.api.v1.app import api
from dashboard.api.v1.bounds import require_bounded
from dashboard.pages.shell.frame import known_connection
from dashboard.request import Request

View = Callable[..., Any]


def door(view: View) -> View:
    """The view as it is served: never exempt from CSRF (Ninja's are), for a session may be what lets somebody in."""

    @wraps(view)
    async def through(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "HEAD":
            # The server leaves out the body.
            request.method = "GET"
        require_bounded(request)
        response = await view(request, *args, **kwargs)
        if request.method != "GET" and response.status_code < 300 and "queue" in kwargs:
            # Whoever acted sees what came of it, in lists too.
            await changed(known_connection(request), kwargs["queue"])
        return not_allowed(response) if response.status_code == 405 else response

    # Ninja exempts its views; a function has no such attribute for the types, and Django looks for it.
    through.csrf_exempt = False  # type: ignore[attr-defined]
    return through


def not_allowed(response: HttpResponseBase) -> HttpResponse:
    allowed = ", ".join(sorted(response["Allow"].replace(" ", "").split(",")))
    said = _("This address takes %(methods)s.") % {"methods": allowed}
    return problems.answer(405, said, "method_not_allowed", {"Allow": allowed})


def patterns() -> Iterator[URLPattern | URLResolver]:
    """Each path once: Ninja gives it once per method, each time with the same view."""
    found = {str(pattern.pattern): pattern for pattern in reversed(api.urls[0]) if isinstance(pattern, URLPattern)}
    for route, pattern in reversed(found.items()):
        if pattern.name != "api-root":
            yield path(route, door(pattern.callback), name=f"v1-{pattern.name}")


urlpatterns: list[URLPattern | URLResolver] = [
    path("openapi.json", door(describing.openapi_json), name="v1-document"),
    path("docs", describing.docs_page, name="v1-docs"),
    *patterns(),
]
