"""Whether Toril has a site to itself, or is a guest in another Django project; and what follows from either.

A guest brings no settings of its own: what its pages need of them is asked here, with a default.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, get_script_prefix, reverse

_HERE = Path(__file__).resolve().parent
#: A wheel carries these inside the package, below a folder of our own, so that no name meets one of a host's.
TEMPLATES, STATIC = (
    packed if (packed := _HERE / name / "toril").is_dir() else _HERE.parent / name for name in ("templates", "static")
)
#: The pages' own middleware; a host's does not hold it.
_OURS = "dashboard.access.Access"
REQUEST_BODY_MAX = 2_000_000
#: How often pages ask where nothing is pushed.
POLL_S = 5

#: The path before ours, while a request of a guest's pages is answered.
root_now: ContextVar[str | None] = ContextVar("toril root", default=None)
_sockets = {"are_served": False}


def is_guest() -> bool:
    return _OURS not in settings.MIDDLEWARE


def is_https() -> bool:
    """Whether browsers reach this site by https; a host says so with its cookies."""
    return bool(getattr(settings, "HTTPS", settings.SESSION_COOKIE_SECURE if is_guest() else False))


def request_body_max() -> int:
    return int(getattr(settings, "REQUEST_BODY_MAX", REQUEST_BODY_MAX))


def static_name(name: str) -> str:
    """A file of ours by the name that Django's static files know it by."""
    return f"toril/{name}" if is_guest() else name


# --- addresses


def root() -> str:
    """What stands before every path of ours, without its last slash; empty where the site has its host to itself."""
    # A pushed fragment is drawn outside any request, where Django knows no prefix but the setting.
    if not is_guest():
        return (settings.FORCE_SCRIPT_NAME or get_script_prefix()).rstrip("/")
    told = root_now.get()
    return (settings.FORCE_SCRIPT_NAME or "").rstrip("/") + mount() if told is None else told


def mount() -> str:
    """Where a host's URLconf includes ours, below its own root: empty, or `/ops`."""
    return _mounted(settings.ROOT_URLCONF) if is_guest() else ""


@cache
def _mounted(urlconf: str) -> str:
    prefix = get_script_prefix()
    try:
        path = reverse("toril:overview", urlconf=urlconf)
    except NoReverseMatch:
        return ""
    before = path.removeprefix(prefix).removesuffix("admin/queues/").rstrip("/")
    return before and f"/{before}"


def admin_url(view: str = "index") -> str:
    """A page of Django's admin; empty where the host has none, or has it under another name."""
    prefix = get_script_prefix()
    try:
        path = reverse(f"admin:{view}", urlconf=settings.ROOT_URLCONF)
    except NoReverseMatch:
        return ""
    return f"{root().removesuffix(mount())}/{path.removeprefix(prefix)}"


def sign_in_url() -> str:
    """Where people sign in: our own page, or the host's (LOGIN_URL, else its admin's)."""
    if not is_guest():
        return f"{root()}/sign-in"
    told = resolve_url(settings.LOGIN_URL)
    return told if _leads_somewhere(told) else admin_url("login") or told


def _leads_somewhere(address: str) -> bool:
    from django.urls import Resolver404, resolve

    if not address.startswith("/") or address.startswith("//"):
        return True
    try:
        resolve(f"/{address.removeprefix(get_script_prefix())}".replace("//", "/"), settings.ROOT_URLCONF)
    except Resolver404:
        return False
    return True


# --- what is pushed


def serve_sockets() -> None:
    """This process answers sockets: its pages need not ask."""
    _sockets["are_served"] = True


def mark_of(names: Iterable[str]) -> str:
    """Another for other names, whatever their order: whether a page lists the queues that there are."""
    return sha256("\0".join(sorted(names)).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def is_pushed(request: HttpRequest | None) -> bool:
    """Whether the page can have a socket. Under WSGI, or without the lines in `asgi.py`, it asks every POLL_S."""
    if not is_guest():
        return True
    return _sockets["are_served"] and hasattr(request, "scope")
