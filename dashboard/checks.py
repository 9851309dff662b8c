"""Django system checks of an installation: what a site needs of its host's settings, and before it is deployed.

W010 to W029 ask Redis and the database, as the self-check's page does: only `check --deploy` does so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import Resolver404, resolve

from dashboard import hosting
from queues import processors
from queues.errors import ConfigurationError
from queues.options import get_options
from queues.protocol.connections import close_wires

LOCAL = frozenset({"localhost", "127.0.0.1", "::1", ""})
#: Which question of the self-check has which number.
NUMBERS = {
    "redis_answers": "W010", "version": "W011", "eviction": "W012", "memory": "W013", "persistence": "W014",
    "scripts": "W015", "clock": "W016", "queues_work": "W017", "workers": "W018", "stalled_jobs": "W019",
    "streams": "W020", "tables": "W021", "mirror": "W022", "followers": "W023",
}  # fmt: skip
OTHERS = "W029"


@register
def check_host(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """toril.E010 the addresses do not lead to the pages, E011 USE_TZ; W040 SQLite without IMMEDIATE transactions."""
    if not hosting.is_guest():
        return []
    found: list[CheckMessage] = []
    if not _leads_to_pages():
        advice = (
            'Put path("", include("dashboard.embedding.urls")) into the URLconf, before admin/ (docs/embedding.md).'
        )
        found.append(Error("/admin/queues/ does not lead to the dashboard.", hint=advice, id="toril.E010"))
    if not settings.USE_TZ:
        found.append(Error("USE_TZ is False, and the dashboard's moments have zones.", id="toril.E011"))
    database = settings.DATABASES.get("default", {})
    mode = database.get("OPTIONS", {}).get("transaction_mode")
    if database.get("ENGINE", "").endswith("sqlite3") and mode != "IMMEDIATE":
        advice = 'Set OPTIONS of the database to {"transaction_mode": "IMMEDIATE", "timeout": 20}, or use PostgreSQL.'
        found.append(Warning("SQLite fails at once where pages and mirror write.", hint=advice, id="toril.W040"))
    return found


def _leads_to_pages() -> bool:
    try:
        match = resolve(f"{hosting.mount()}/admin/queues/", settings.ROOT_URLCONF)
    except Resolver404:
        return False
    return match.namespace == "toril"


def check_redis_addresses(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """toril.W030 Redis on another machine without TLS, W031 without a password."""
    found: list[CheckMessage] = []
    for connection in get_options().connections.values() if _uses_redis() else ():
        place = urlsplit(connection.url)
        if place.scheme == "unix" or (place.hostname or "") in LOCAL:
            continue
        if place.scheme == "redis":
            said = f"The connection “{connection.name}” goes to another machine in clear text."
            found.append(Warning(said, hint="Use rediss://, or a network of its own (docs/redis.md).", id="toril.W030"))
        if not place.password:
            said = f"The connection “{connection.name}” shows Redis no password."
            found.append(Warning(said, hint="Give Redis a user for Toril (docs/redis.md).", id="toril.W031"))
    return found


def check_processors(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """toril.W032: a queue of the settings for which nobody here has a processor, where others have."""
    known = set(processors.registry.queues())
    missing = sorted(set(get_options().queues) - known) if known and _uses_redis() else []
    advice = "If programs elsewhere work on it, silence this check; else look for a misspelt name."
    return [
        Warning(f"TORIL['QUEUES'] names “{name}”, and no processor here is for it.", hint=advice, id="toril.W032")
        for name in missing
    ]


def check_secrets(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """toril.W033: the key that signs sessions and seals the secrets of webhooks can be guessed."""
    from dashboard.pages.redis.checks import is_weak

    weak = [key for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS) if is_weak(str(key))]
    said = "SECRET_KEY, or one of SECRET_KEY_FALLBACKS, is short or an example."
    advice = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
    return [Warning(said, hint=advice, id="toril.W033")] if weak else []


OF_DEPLOYMENT: tuple[Callable[..., list[CheckMessage]], ...] = (check_redis_addresses, check_processors, check_secrets)
for _check in OF_DEPLOYMENT:
    register(_check, deploy=True)


@register(deploy=True)
def check_installation(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """toril.W010 … W029: what the self-check finds wrong, of each connection."""
    if not _uses_redis():
        return []
    return [message for name in get_options().connections for message in asyncio.run(_examined(name))]


async def _examined(connection: str) -> list[CheckMessage]:
    from dashboard.examining import look, without_page
    from dashboard.pages.redis import checks
    from dashboard.pages.redis.checking import BAD, WARNING

    try:
        seen = await look(connection)
    finally:
        await close_wires()
    told = [(question.__name__, without_page(question(seen))) for question in checks.questions(seen)]
    return [
        Warning(
            f"{connection}: {check.title}: {check.found}", hint=check.advice, id=f"toril.{NUMBERS.get(name, OTHERS)}"
        )
        for name, check in told
        if check.verdict in (BAD, WARNING)
    ]


async def examine(connection: str, with_settings: bool) -> Sequence[Any]:
    """For `queues doctor`. Loaded when it is asked for: workers need none of the pages."""
    from dashboard import examining

    return await examining.examine(connection, with_settings)


def _uses_redis() -> bool:
    try:
        return get_options().use_job_queue
    except ConfigurationError:
        # `queues.checks` says what is wrong with the settings.
        return False
