"""What every template gets beside its view's own: the visitor's grants and name, the connections, the nonce."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest

from dashboard import hosting, links
from dashboard.choices import choices_of
from dashboard.words import words
from queues.options import get_options

if TYPE_CHECKING:
    from dashboard.grants import Grants


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Nothing here may do I/O or fail: error pages are drawn with it too."""
    grants = getattr(request, "grants", None)
    has_redis = get_options().use_job_queue
    return {
        "grants": grants,
        "can": _held_here(request, grants),
        "user_name": grants.actor.name if grants else "",
        "connection": _known_connection(request),
        "connections": tuple(get_options().connections) if has_redis else (links.DEFAULT_CONNECTION,),
        "csp_nonce": getattr(request, "csp_nonce", ""),
        "site": get_options().dashboard,
        "choices": choices_of(request),
        "words": words(),
        "is_in_process": not has_redis,
        "is_pushed": hosting.is_pushed(request),
        "poll_s": hosting.POLL_S,
        "admin_url": hosting.admin_url(),
        "is_demo": getattr(settings, "DEMO", False) and has_redis,
        "systems_url": links.systems_url() if getattr(settings, "DEMO", False) else "",
        "is_embedded": getattr(settings, "IS_EMBEDDED", False),
    }


def connection_of(request: HttpRequest) -> str:
    """The connection that the address names; whether there is such a one is its view's question."""
    return request.GET.get("connection") or links.DEFAULT_CONNECTION


def _held_here(request: HttpRequest, grants: Grants | None) -> Grants | None:
    """On the queue that the address names, or on all."""
    here = queue_of(request)
    return grants if grants is None or here is None else grants.on(here)


def queue_of(request: HttpRequest) -> str | None:
    """The queue that the address names: in its path, or to the door `queue?name=…`."""
    match = getattr(request, "resolver_match", None)
    if match is None:
        return None
    named: str | None = match.kwargs.get("queue")
    if named is None and match.url_name == "queue-door":
        named = request.GET.get("name")
    return named


def _known_connection(request: HttpRequest) -> str:
    """The links of an error page must not lead into the same error."""
    try:
        name = connection_of(request)
    except SuspiciousOperation:
        return links.DEFAULT_CONNECTION
    return name if name in get_options().connections else links.DEFAULT_CONNECTION
