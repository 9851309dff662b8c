"""Sessions: whom a browser's cookie stands for, asked of the database in one thread hop."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from dashboard.credentials.asking import once_more
from dashboard.grants import Grants, grants_of
from dashboard.sign_in import stay
from queues.actions.actor import Actor


@dataclass(frozen=True, slots=True)
class Visitor:
    """A session with its user and grants, as they are in the database now."""

    session: SessionBase
    user: User | AnonymousUser
    grants: Grants = field(default_factory=lambda: Grants(Actor(None, "")))

    @property
    def is_signed_in(self) -> bool:
        return self.user.is_authenticated


def no_visitor() -> Visitor:
    return Visitor(session_of(None), AnonymousUser())


def session_of(key: str | None) -> SessionBase:
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return store(key)


async def visitor(session_key: str | None, *, does_something: bool = True) -> Visitor:
    """Who holds this session now, asked anew each time; without a key nothing is asked. Who only goes on listening
    does nothing that would keep the session alive.
    """
    if not session_key:
        return no_visitor()
    return await sync_to_async(once_more(_asked))(session_key, does_something)


def _asked(session_key: str, does_something: bool) -> Visitor:
    asking = HttpRequest()
    asking.session = session_of(session_key)
    user = get_user(asking)
    if user.is_authenticated:
        if stay.is_over(asking.session):
            return no_visitor()
        if does_something:
            stay.note(asking.session)
    return Visitor(asking.session, user, grants_of(user))
