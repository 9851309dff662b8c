"""Sign-in by a proxy that has asked people itself (oauth2-proxy, Authelia, an identity-aware proxy): `PROXY_SIGN_IN`.

Its header is believed where it comes from one of `TRUSTED_PROXIES`, and from nobody else.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, login
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from dashboard.sign_in import people
from dashboard.sign_in.proxies import is_trusted

log = structlog.get_logger("toril.sign_in")


class Vouched(ModelBackend):
    """What a session names that a proxy began; it answers for nobody's password."""

    def authenticate(self, request: Any, *args: Any, **kwargs: Any) -> None:
        return None


BACKEND = f"{__name__}.{Vouched.__name__}"


def is_on() -> bool:
    return bool(getattr(settings, "PROXY_SIGN_IN", None))


def named(request: HttpRequest) -> str:
    """Whom our proxy says to be there; empty where it says nothing, or is not ours."""
    return _said(request, "HEADER")


def is_begun_by_proxy(session: Any) -> bool:
    return bool(session.get(BACKEND_SESSION_KEY) == BACKEND)


def let_in(request: HttpRequest, name: str) -> None:
    """Begins a session of this person's. Synchronous. Raises Forbidden."""
    user = people.of_name(name)
    if getattr(settings, "PROXY_SIGN_IN", {}).get("GROUPS_HEADER"):
        claimed = [word.strip() for word in _said(request, "GROUPS_HEADER").split(",") if word.strip()]
        people.join(user, claimed, getattr(settings, "PROXY_SIGN_IN", {}).get("GROUPS", {}))
    login(request, user, BACKEND)
    log.info("signed in by the proxy", user=name)


def _said(request: HttpRequest, which: str) -> str:
    header = getattr(settings, "PROXY_SIGN_IN", {}).get(which, "")
    # Which proxy asks people is always told: that some proxy of a private network stands there is not enough here.
    is_told = bool(getattr(settings, "TRUSTED_PROXIES", None))
    if not header or not is_told or not is_trusted(request.META.get("REMOTE_ADDR") or ""):
        return ""
    return str(request.META.get("HTTP_" + header.upper().replace("-", "_"), "")).strip()
