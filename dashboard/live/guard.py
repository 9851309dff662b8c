"""Whether those who look may still look: sessions and users as the database has them now, for all sockets at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest

from dashboard.grants import Grants, grants_of
from dashboard.live.codes import Close
from dashboard.sign_in import stay

#: SQLite takes no more values than this in one query, in its older versions.
ASKED_AT_ONCE = 500


async def judged(session_keys: Collection[str]) -> dict[str, Close | Grants]:
    """For each of these sessions what its person may, or why it may not look. One thread hop, whatever their number."""
    answers: dict[str, Close | Grants] = await database_sync_to_async(_judged)(frozenset(session_keys))
    return answers


def _judged(keys: frozenset[str]) -> dict[str, Close | Grants]:
    held = {key: content for key, content in _contents(keys).items() if not stay.is_over(content)}
    answers: dict[Any, Close | Grants] = {}
    for content in held.values():
        if _identity(content) not in answers:
            answers[_identity(content)] = _answer(content)
    return {key: answers[_identity(held[key])] if key in held else Close.SIGNED_OUT for key in keys}


def _contents(keys: frozenset[str]) -> dict[str, Mapping[str, Any]]:
    """What each living session holds."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if store is not DatabaseStore:
        return {key: content for key in keys if (content := store(key).load())}
    asked, codec = sorted(keys), DatabaseStore()
    return {
        key: codec.decode(data)
        for at in range(0, len(asked), ASKED_AT_ONCE)
        for key, data in DatabaseStore.get_model_class()
        .objects.filter(session_key__in=asked[at : at + ASKED_AT_ONCE], expire_date__gt=datetime.now(UTC))
        .values_list("session_key", "session_data")
    }


def _identity(content: Mapping[str, Any]) -> tuple[Any, ...]:
    """All that Django asks of a session to tell whose it is: many sessions of a person are one question."""
    return tuple(str(content.get(name)) for name in (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY))


def _answer(content: Mapping[str, Any]) -> Close | Grants:
    asking = HttpRequest()
    asking.session = _Glance(content)  # type: ignore[assignment]
    user = get_user(asking)
    if not (user.is_authenticated and user.is_active):
        return Close.SIGNED_OUT
    grants = grants_of(user)
    return grants if grants.may_see else Close.FORBIDDEN


class _Glance(dict[str, Any]):
    """A session to look into: Django would end or renew a real one here, and no answer could carry the new cookie."""

    def flush(self) -> None: ...

    def cycle_key(self) -> None: ...
