"""The self-check for who has no page before them: `queues doctor`, and `check --deploy`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from asgiref.sync import sync_to_async
from django.core.checks import ERROR as FROM_ERROR
from django.core.checks import WARNING as FROM_WARNING
from django.core.checks import CheckMessage, run_checks

from dashboard.pages.redis import checks
from dashboard.pages.redis.checking import BAD, WARNING, Check, Seen
from queues.errors import RedisRefused, RedisUnavailable
from queues.lookups.self_check import facts
from queues.lookups.snapshot import Snapshot, snapshot

#: For who has no page to look at again.
WHERE_REFUSED = "Give Redis the name and password of a user with the rights that docs/redis.md lists (ACL users)."
WHERE_AWAY = "Start it, or correct its address: REDIS_URL, or URL in TORIL['CONNECTIONS']."


async def look(connection: str) -> Seen:
    """Never raises for what it is there to find."""
    is_away = False
    try:
        found = await snapshot(connection, max_age_s=0)
    except (RedisUnavailable, RedisRefused) as error:
        found = Snapshot(connection, (), datetime.now(UTC), str(error))
        is_away = isinstance(error, RedisUnavailable)
    told = await facts(connection, found.queues)
    if found.error and not told.trouble:
        told = replace(told, trouble=found.error, is_away=is_away)
    return Seen(told, found)


async def examine(connection: str, with_settings: bool) -> list[Check]:
    """All that the page says to who sees everything, and what Django's checks say of our settings, where asked."""
    asked = [without_page(check) for check in checks.run(await look(connection), with_settings=with_settings)]
    if not with_settings:
        return asked
    return asked + [_of(message) for message in await sync_to_async(_of_settings)()]


def without_page(check: Check) -> Check:
    if checks.REFUSED in check.found:
        return replace(check, advice=WHERE_REFUSED)
    return replace(check, advice=WHERE_AWAY) if check.is_away else check


def _of_settings() -> list[CheckMessage]:
    # Without those for a deployment that ask Redis: it has just been asked.
    from dashboard.checks import OF_DEPLOYMENT

    messages = [*run_checks(), *(message for check in OF_DEPLOYMENT for message in check())]
    return [
        message for message in messages if (message.id or "").startswith("toril.") and message.level >= FROM_WARNING
    ]


def _of(message: CheckMessage) -> Check:
    verdict = BAD if message.level >= FROM_ERROR else WARNING
    return Check(message.id or "", verdict, str(message.msg), str(message.hint or ""))
