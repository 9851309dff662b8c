"""Django's CSRF check and flash messages, without the threads its own middleware would enter: neither does I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.log import log_response

from dashboard import errors
from dashboard.credentials.paths import is_program
from dashboard.request import Next, Request


class Csrf(CsrfViewMiddleware):
    """Django's, with our own words for a refusal, whatever a host says to its visitors."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        response = errors.csrf_failure(request, reason)
        log_response("Forbidden (%s): %s", reason, request.path, response=response, request=request)
        return response


class Forms:
    """Messages live in a signed cookie and the CSRF secret in another: both are read and written on the loop."""

    sync_capable, async_capable = False, True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.csrf = Csrf(lambda request: HttpResponseBase())
        markcoroutinefunction(self)

    async def __call__(self, request: Request) -> HttpResponseBase:
        request._messages = CookieStorage(request)
        self.csrf.process_request(request)
        response = await self.get_response(request)
        request._messages.update(response)
        return self.csrf.process_response(request, response)

    async def process_view(
        self, request: Request, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        if not request.identity.uses_cookies:
            return None
        if told := request.headers.get("X-XSRF-TOKEN"):
            # The same token under the name that Bull Board's client gives it.
            request.META.setdefault(settings.CSRF_HEADER_NAME, told)
        # Of programs no view is exempt: a framework that exempts its own would open them to whoever lures a browser.
        checked = _checked if is_program(request.path_info) else view
        return self.csrf.process_view(request, checked, args, kwargs)


def _checked() -> HttpResponseBase:
    """Stands for a view that is not exempt; never called."""
    raise AssertionError
