"""What every template gets beside its view's own: the visitor's grants and name, the connections, the nonce."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from dashboard import links
from queues.options import get_options


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """Nothing here may do I/O or fail: error pages are drawn with it too."""
    grants = getattr(request, "grants", None)
    return {
        "grants": grants,
        "user_name": grants.actor.name if grants else "",
        "connection": connection_of(request),
        "connections": tuple(get_options().connections),
        "csp_nonce": getattr(request, "csp_nonce", ""),
        "is_demo": _is_demo(),
    }


def connection_of(request: HttpRequest) -> str:
    """The connection that the address names; whether there is such a one is the lookup's question."""
    return request.GET.get("connection") or links.DEFAULT_CONNECTION


def _is_demo() -> bool:
    from django.conf import settings

    return bool(getattr(settings, "DEMO", False))
