"""How long somebody stays signed in: twelve hours at most, and no longer than they do something.

Both stand in the session itself, so that pages and sockets ask the same with what they have read anyway. What a page
is told by push is nothing that its person does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieStore
from django.db import DatabaseError
from django.http import HttpRequest

from dashboard import hosting
from dashboard.sign_in.hurry import waiting_at_most
from dashboard.sign_in.proxies import address_of

KEY = "toril_stay"
#: So often what somebody does is noted at most, in seconds: a write to the database.
NOTED_EVERY_S = 60
#: A page does not wait longer for that, where SQLite is locked.
WRITE_MS = 100


@dataclass(frozen=True, slots=True)
class Stay:
    """When it began and when something was last done (epoch seconds), from where and with which browser it began."""

    began: float
    seen: float
    place: str = ""
    agent: str = ""


def of(content: Mapping[str, Any] | SessionBase) -> Stay | None:
    """None for a session that began before this was noted."""
    told: Any = content.get(KEY)
    try:
        return Stay(float(told["began"]), float(told["seen"]), str(told["place"]), str(told["agent"]))
    except (TypeError, KeyError, ValueError):
        return None


def is_over(content: Mapping[str, Any] | SessionBase) -> bool:
    """Whether it has lasted too long, or nothing was done with it for too long."""
    stay, now = of(content), time.time()
    if stay is None:
        return False
    idle_s = getattr(settings, "SESSION_IDLE_S", 0)
    return now - stay.began > settings.SESSION_COOKIE_AGE or bool(idle_s and now - stay.seen > idle_s)


def begin(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    """For Django's signal `user_logged_in`."""
    now, agent = time.time(), request.META.get("HTTP_USER_AGENT", "")[:200]
    request.session[KEY] = {"began": now, "seen": now, "place": address_of(request), "agent": agent}


def note(session: SessionBase) -> None:
    """Something was done. Synchronous; what cannot be noted is left, for a page is worth more than its time."""
    if hosting.is_guest():
        # How long its sessions last is the host's own matter.
        return
    stay, now = of(session), time.time()
    if stay is not None and now - stay.seen < NOTED_EVERY_S:
        return
    told: Any = session[KEY] if stay is not None else {"began": now, "place": "", "agent": ""}
    was_modified = session.modified
    session[KEY] = {**told, "seen": now}
    if isinstance(session, CookieStore):
        return
    try:
        with waiting_at_most(WRITE_MS):
            session.save()
    except (DatabaseError, UpdateError):
        pass
    finally:
        session.modified = was_modified
