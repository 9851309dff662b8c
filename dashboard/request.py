"""A request as views see it: Django's, with what the middleware of this project adds to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponseBase

from dashboard.grants import Grants

if TYPE_CHECKING:
    from django.contrib.messages.storage.cookie import CookieStorage
    from django_htmx.middleware import HtmxDetails

    from dashboard.credentials.identity import Identity


class Request(HttpRequest):
    """For annotations alone; at run time it is Django's own class that carries these."""

    #: The path as it was sent, percent-encoded, with the site's root.
    raw_path: str
    csp_nonce: str
    htmx: HtmxDetails
    grants: Grants
    #: Who asks, by session or by what a program shows.
    identity: Identity
    _messages: CookieStorage


Next = Callable[[Request], Awaitable[HttpResponseBase]]
