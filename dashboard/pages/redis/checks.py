"""The self-check: one small function per question, in the order in which to ask them, each with verdict and advice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from dashboard.pages.redis import sentences
from dashboard.pages.redis.checking import BAD, OK, WARNING, Check, Seen
from dashboard.pages.redis.checks_of_redis import ON_REDIS
from dashboard.pages.redis.checks_of_tables import ON_TABLES, kept
from queues.options import get_options

LEAST_SECRET = 40
REFUSED = "Redis refused"
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]", "::1", "testserver", ""})


def questions(seen: Seen) -> Sequence[Callable[[Seen], Check]]:
    return redis_answers, *(() if seen.facts.trouble else ON_REDIS), *ON_TABLES


def run(seen: Seen, *, with_settings: bool) -> list[Check]:
    """In order. Where Redis does not answer, what would have to be asked of it is left out."""
    return [check(seen) for check in questions(seen)] + ([kept(seen), secret_settings()] if with_settings else [])


def redis_answers(seen: Seen) -> Check:
    if seen.facts.trouble:
        # What it refuses, its own words say.
        is_there = REFUSED in seen.facts.trouble
        advice = "" if is_there else _("Start it, or set REDIS_URL to where it is; then look at this page again.")
        return Check(_("Redis answers"), BAD, seen.facts.trouble, advice, seen.facts.is_away)
    found = sentences.replica(seen.facts.about)
    if found:
        return Check(_("Redis answers"), BAD, found, _("Set REDIS_URL to the primary."))
    return Check(_("Redis answers"), OK, _("It does."))


def secret_settings() -> Check:
    """The site's own: for those who see every queue, for it says where the site is weak."""
    title = _("Nothing secret lies open")
    found = [
        sentence
        for is_so, sentence in (
            (settings.DEBUG, _("DEBUG is on: errors show settings and source to whoever causes one.")),
            (is_weak(settings.SECRET_KEY), _("SECRET_KEY is short or an example: sessions can be forged.")),
            ("*" in settings.ALLOWED_HOSTS, _("ALLOWED_HOSTS holds “*”: name the hosts of this site.")),
            (_is_plain(), _("Others reach this site without https: passwords and sessions can be read on the way.")),
            (_is_redis_open(), _("Redis is on another machine and its address holds no password.")),
        )
        if is_so
    ]
    if not found:
        return Check(title, OK, _("Keys, hosts and debug mode are as they should be."))
    verdict = BAD if settings.DEBUG or is_weak(settings.SECRET_KEY) else WARNING
    return Check(title, verdict, " ".join(found), _("docs/configuration.md says how each is set."))


def is_weak(key: str) -> bool:
    return len(key) < LEAST_SECRET or key.startswith("django-insecure") or len(set(key)) < 10


def _is_plain() -> bool:
    return not getattr(settings, "HTTPS", False) and bool(set(settings.ALLOWED_HOSTS) - LOCAL - {"*"})


def _is_redis_open() -> bool:
    if not get_options().use_job_queue:
        return False
    places = [urlsplit(each.url) for each in get_options().connections.values()]
    return any(at.scheme != "unix" and not at.password and (at.hostname or "") not in LOCAL for at in places)
