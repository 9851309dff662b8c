"""The one view behind which a host's Django becomes ours: our middleware, our addresses, our error pages.

The host's own middleware has run before. It is not relied on, and its request is left as it was: ours is a copy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponseBase
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import timezone, translation
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from dashboard import hosting
from dashboard.embedding import wsgi

#: Outermost first. Static files are the host's, as are its site's other pages.
MIDDLEWARE = (
    "dashboard.headers.headers",
    "dashboard.compression.compression",
    "dashboard.raw_path.raw_path",
    "django_htmx.middleware.HtmxMiddleware",
    "dashboard.errors.Errors",
    "dashboard.access.Access",
    "dashboard.forms.Forms",
)
SITE = "dashboard.embedding.site"
Answering = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


# Who may, is asked behind it, with one CSRF check of its own: a host's would refuse programs that show a key.
@csrf_exempt
@login_not_required
@non_atomic_requests
async def door(request: HttpRequest) -> HttpResponseBase:
    """Answers every request for an address of ours."""
    if isinstance(request, WSGIRequest):
        return await wsgi.elsewhere(request, answer)
    return await answer(request)


async def answer(request: HttpRequest) -> HttpResponseBase:
    """On the loop that all requests of this process share."""
    ours = _copy(request)
    with _at_home():
        response: HttpResponseBase = await _chain()(ours)
    response._resource_closers.append(ours.close)  # type: ignore[attr-defined]
    return response


def _copy(request: HttpRequest) -> HttpRequest:
    mount = hosting.mount()
    # Not `copy.copy`, which leaves out the body: that is how Django has requests pickled.
    ours = type(request).__new__(type(request))
    ours.__dict__.update(request.__dict__)
    ours.META = {**request.META, "SCRIPT_NAME": request.META.get("SCRIPT_NAME", "") + mount}
    ours.path_info = request.path_info.removeprefix(mount)
    ours.urlconf = SITE
    return ours


@contextmanager
def _at_home() -> Iterator[None]:
    """Addresses, language and zone as ours are; what is pushed is shared by all who look, whatever a host chose."""
    # Django keeps these with the prefix of the moment in which they are first asked for: the host's, not ours.
    _ = settings.STATIC_URL, settings.MEDIA_URL
    prefix, urlconf = get_script_prefix(), get_urlconf()
    root = prefix.rstrip("/") + hosting.mount()
    token = hosting.root_now.set(root)
    set_script_prefix(f"{root}/")
    set_urlconf(SITE)
    try:
        with translation.override(settings.LANGUAGE_CODE), timezone.override(UTC):
            yield
    finally:
        set_urlconf(urlconf)
        set_script_prefix(prefix)
        hosting.root_now.reset(token)


class _Handler(BaseHandler):
    """Django's own way from a request to its view, with our middleware for the settings'."""

    def __init__(self) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self.chain: Any = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]
        for path in reversed(MIDDLEWARE):
            self._put_around(import_string(path)(self.chain))

    def _put_around(self, middleware: Any) -> None:
        if hasattr(middleware, "process_view"):
            self._view_middleware.insert(0, self.adapt_method_mode(True, middleware.process_view))
        if hasattr(middleware, "process_exception"):
            self._exception_middleware.append(self.adapt_method_mode(False, middleware.process_exception))
        self.chain = convert_exception_to_response(middleware)

    def make_view_atomic(self, view: Any) -> Any:
        # ATOMIC_REQUESTS is for views that wait for the database; ours open their transactions themselves.
        return view


@cache
def _chain() -> Answering:
    chain: Answering = _Handler().chain
    return chain
