"""The sessions that somebody holds: shown to them, and ended by them or by whoever runs the site. Synchronous.

Django keeps no list of whose is which: each living one is looked into. Only where sessions are kept in the database.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from dashboard.sign_in import stay

#: In this order: each says that it is those after it, too.
_BROWSERS = {"Firefox": "Firefox", "Edg": "Edge", "OPR": "Opera", "Chrome": "Chrome", "Version": "Safari"}
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")
ENGINE = "django.contrib.sessions.backends.db"


@dataclass(frozen=True, slots=True)
class Held:
    """One session. `id` stands for its key, which no page shows."""

    id: str
    began_at: datetime | None
    seen_at: datetime | None
    place: str
    agent: str
    is_this: bool

    @property
    def browser(self) -> str:
        """`Firefox 140, Linux` where that can be told: a guess, for agents say what they like."""
        for sign, name in _BROWSERS.items():
            if found := re.search(rf"\b{sign}/(\d+)", self.agent):
                system = next((f", {each}" for each in _SYSTEMS if each in self.agent), "")
                return f"{name} {found[1]}{system}"
        return self.agent


def held(user_id: int, this_key: str = "") -> list[Held]:
    """This one first, then who did something last."""
    found = [_shown(key, content, this_key) for key, content in _of(user_id) if not stay.is_over(content)]
    return sorted(found, key=lambda one: (not one.is_this, -(one.seen_at.timestamp() if one.seen_at else 0)))


def end(user_id: int, id: str = "", *, but: str = "") -> int:
    """Ends the one, or all of this person's but that of this key; how many. Their sockets are cut within seconds."""
    ending = [key for key, _content in _of(user_id) if key != but and (not id or id_of(key) == id)]
    return Session.objects.filter(session_key__in=ending).delete()[0] if ending else 0


def id_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _of(user_id: int) -> Iterator[tuple[str, dict[str, object]]]:
    if settings.SESSION_ENGINE != ENGINE:
        return
    codec = SessionStore()
    living = Session.objects.filter(expire_date__gt=datetime.now(UTC)).values_list("session_key", "session_data")
    for key, data in living.iterator():
        content = codec.decode(data)
        if content.get(SESSION_KEY) == str(user_id):
            yield key, content


def _shown(key: str, content: dict[str, object], this_key: str) -> Held:
    told = stay.of(content)
    began, seen = (datetime.fromtimestamp(at, UTC) for at in (told.began, told.seen)) if told else (None, None)
    place, agent = (told.place, told.agent) if told else ("", "")
    return Held(id_of(key), began, seen, place, agent, key == this_key)
