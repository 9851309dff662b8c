"""What every template gets beside its view's own: the visitor's grants and name, the connections, the nonce."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest

from dashboard import links
from queues.options import get_options


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Nothing here may do I/O or fail: error pages are drawn with it too."""
    grants = getattr(request, "grants", None)
    has_redis = get_options().use_job_queue
    return {
        "grants": grants,
        "user_name": grants.actor.name if grants else "",
        "connection": _known_connection(request),
        "connections": tuple(get_options().connections) if has_redis else (links.DEFAULT_CONNECTION,),
        "csp_nonce": getattr(request, "csp_nonce", ""),
        "is_in_process": not has_redis,
        "is_demo": getattr(settings, "DEMO", False) and has_redis,
        "is_embedded": getattr(settings, "IS_EMBEDDED", False),
    }


def connection_of(request: HttpRequest) -> str:
    """The connection that the address names; whether there is such a one is its view's question."""
    return request.GET.get("connection") or links.DEFAULT_CONNECTION


def _known_connection(request: HttpRequest) -> str:
    """The links of an error page must not lead into the same error."""
    try:
        name = connection_of(request)
    except SuspiciousOperation:
        return links.DEFAULT_CONNECTION
    return name if name in get_options().connections else links.DEFAULT_CONNECTION
