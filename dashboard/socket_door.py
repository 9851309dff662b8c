"""The door of the sockets: the dashboard's, for pages of this site alone, and the programs'. Who may look or listen
is asked behind it.

A browser sends its cookies with any page's socket, so the page's Origin must be this very site; a client that names
none is no page of ours. Programs have none: they show a token or a key, and then no cookie is read.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog
from django.conf import settings
from django.http import parse_cookie
from django.http.request import split_domain_port, validate_host

from dashboard import hosting, links
from queues.options import get_options

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger("toril.socket")
PATH = f"/{links.BASE}/live"
PROGRAMS = "/api/ws"
_ORIGIN = re.compile(r"(https?)://([^/?#@\s\\]+)")
_PORTS = {"http": 80, "https": 443}
LOCAL_HOSTS = (".localhost", "127.0.0.1", "[::1]")


class SocketDoor:
    """Refuses before the handshake, so that nothing of ours runs for a stranger."""

    def __init__(self, inner: App, programs: App) -> None:
        self.inner, self.programs = inner, programs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        is_own = is_own_page(headers.get("host", ""), headers.get("origin", ""))
        if _path(scope) == PROGRAMS and (is_own or _is_program(scope, headers)):
            await self.programs({**scope, "toril_headers": headers}, receive, send)
        elif _path(scope) == PATH and is_own:
            cookies = parse_cookie(headers.get("cookie", ""))
            await self.inner({**scope, "session_key": cookies.get(settings.SESSION_COOKIE_NAME, "")}, receive, send)
        else:
            log.info("socket refused", path=scope["path"][:200], origin=headers.get("origin", "")[:200])
            await send({"type": "websocket.close"})


def _path(scope: Scope) -> str:
    root = settings.FORCE_SCRIPT_NAME or scope.get("root_path", "")
    path: str = scope["path"].removeprefix(root).removeprefix(hosting.mount())
    return path


def is_ours(scope: Scope) -> bool:
    """Whether it is the address of a socket of ours: a host has others."""
    return _path(scope) in (PATH, PROGRAMS)


def _is_program(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether it says itself who it is, and is no page, or one of another site that the settings name."""
    shows = any(headers.get(name) for name in ("authorization", "x-api-key"))
    if not shows and not parse_qs(scope.get("query_string", b"").decode("ascii", "replace")).get("token"):
        return False
    origin = headers.get("origin")
    is_ours = _is_our_host(headers.get("host", ""))
    return is_ours and (origin is None or origin.lower() in get_options().live.origins)


def _is_our_host(host: str) -> bool:
    domain, _port = split_domain_port(host)
    # As Django's get_host() does: a project that was just begun names no host, and its pages are served all the same.
    hosts = settings.ALLOWED_HOSTS or (LOCAL_HOSTS if settings.DEBUG else ())
    return bool(domain) and validate_host(domain, hosts)


def is_own_page(host: str, origin: str) -> bool:
    """Whether this Origin is the site that this Host names, and that one is ours."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    found = _ORIGIN.fullmatch(origin.lower())
    if not found or (hosting.is_https() and found[1] != "https"):
        return False
    if not _is_our_host(host):
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
