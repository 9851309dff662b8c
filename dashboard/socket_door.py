"""The door of the dashboard's socket: only pages of this site, only people who may see, only its one address.

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
from django.http.cookie import parse_cookie
from django.http.request import split_domain_port, validate_host

from dashboard import access, links
from dashboard.live.codes import Close

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger("toril.socket")
PATH = f"/{links.BASE}/live"
_ORIGIN = re.compile(r"(https?)://([^/?#@\s\\]+)")
_PORTS = {"http": 80, "https": 443}


class SocketDoor:
    """Puts `visitor` and `session_key` into the scope of whom it lets in."""

    def __init__(self, inner: App) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        if not is_live_path(scope) or not is_own_page(headers.get("host", ""), headers.get("origin", "")):
            log.info("socket refused", path=scope["path"][:200], origin=headers.get("origin", "")[:200])
            await send({"type": "websocket.close"})
            return
        session_key = parse_cookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME, "")
        visitor = await access.visitor_of(session_key)
        if visitor.grants.may_see:
            await self.inner({**scope, "visitor": visitor, "session_key": session_key}, receive, send)
            return
        # Accepted first: a refused handshake tells the page nothing, and it would knock for ever.
        await receive()
        await send({"type": "websocket.accept"})
        code = Close.FORBIDDEN if visitor.is_signed_in else Close.SIGNED_OUT
        await send({"type": "websocket.close", "code": int(code)})


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
    """Each header's value; one that comes twice counts as absent where it matters, for who reads which is anyone's guess."""
    found: dict[str, str] = {}
    for name, value in scope.get("headers", []):
        key = name.decode("latin1").lower()
        found[key] = "" if key in found and key != "cookie" else value.decode("latin1")
    return found
