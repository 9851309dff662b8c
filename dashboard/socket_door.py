"""The door of the dashboard's socket: one address, for pages of this site alone. Who may look the consumer asks.

A browser sends its cookies with any page's socket, so the page's Origin must be this very site; a client that names
none is no page of ours.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.http import parse_cookie
from django.http.request import split_domain_port, validate_host

from dashboard import links

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger("toril.socket")
PATH = f"/{links.BASE}/live"
_ORIGIN = re.compile(r"(https?)://([^/?#@\s\\]+)")
_PORTS = {"http": 80, "https": 443}


class SocketDoor:
    """Refuses before the handshake, so that nothing of ours runs for a stranger."""

    def __init__(self, inner: App) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        if is_live_path(scope) and is_own_page(headers.get("host", ""), headers.get("origin", "")):
            cookies = parse_cookie(headers.get("cookie", ""))
            await self.inner({**scope, "session_key": cookies.get(settings.SESSION_COOKIE_NAME, "")}, receive, send)
        else:
            log.info("socket refused", path=scope["path"][:200], origin=headers.get("origin", "")[:200])
            await send({"type": "websocket.close"})


def is_live_path(scope: Scope) -> bool:
    root = settings.FORCE_SCRIPT_NAME or scope.get("root_path", "")
    return bool(scope["path"].removeprefix(root) == PATH)


def is_own_page(host: str, origin: str) -> bool:
    """Whether this Origin is the site that this Host names, and that one is ours."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    found = _ORIGIN.fullmatch(origin.lower())
    if not found or (settings.HTTPS and found[1] != "https"):
        return False
    domain, _port = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    ours = _place(found[1], host)
    return ours is not None and ours == _place(found[1], found[2])


def _place(scheme: str, netloc: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{netloc.lower()}")
        return (parts.hostname or "", parts.port or _PORTS[scheme])
    except ValueError:
        return None


def _headers(scope: Scope) -> dict[str, str]:
    """Each header's value; one that comes twice counts as absent: which of the two is meant is anyone's guess."""
    found: dict[str, str] = {}
    for name, value in scope.get("headers", []):
        key = name.decode("latin1").lower()
        found[key] = "" if key in found else value.decode("latin1")
    return found
