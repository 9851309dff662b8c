"""The self-check: one small function per question, in the order in which to ask them, each with verdict and advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import span
from dashboard.pages import health_sentences as sentences
from dashboard.pages.sentences import is_deserted
from dashboard.templatetags.figures import size as bytes_read
from queues.lookups.self_check import Facts
from queues.lookups.snapshot import Snapshot
from queues.options import get_options

OK, WARNING, BAD, UNKNOWN = "ok", "warning", "bad", "unknown"
#: BullMQ's own minimum; below the other some of its commands are slower or missing.
LEAST_VERSION, GOOD_VERSION = (5, 0), (6, 2)
SKEW_MS, LARGE_SKEW_MS = 250.0, 2_000.0
LATE_S = 60.0
#: A stream is trimmed roughly: this much over what it is to keep means that it is not trimmed at all.
UNTRIMMED = 2.0
#: Pruning brings it down to its bound; so far above, only jobs that Redis still has are left.
FULL_TABLES = 1.2
NAMED = 5
LEAST_SECRET = 40
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]", "::1", "testserver", ""})


@dataclass(frozen=True, slots=True)
class Check:
    """What was asked, how it stands, what was found, and what to do about it."""

    title: str
    verdict: str
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the checks look at: facts, and the queues that this person sees."""

    facts: Facts
    snapshot: Snapshot


def run(seen: Seen, *, with_settings: bool) -> list[Check]:
    """In order. Where Redis does not answer, what would have to be asked of it is left out."""
    asked = (redis_answers, *(() if seen.facts.trouble else ON_REDIS), *ON_TABLES)
    return [check(seen) for check in asked] + ([kept(seen), secret_settings()] if with_settings else [])


def redis_answers(seen: Seen) -> Check:
    if seen.facts.trouble:
        advice = _("Start it, or set REDIS_URL to where it is; then look at this page again.")
        return Check(_("Redis answers"), BAD, seen.facts.trouble, advice)
    found = sentences.replica(seen.facts.about)
    if found:
        return Check(_("Redis answers"), BAD, found, _("Set REDIS_URL to the primary."))
    return Check(_("Redis answers"), OK, _("It does."))


def version(seen: Seen) -> Check:
    title, info = _("Its version"), seen.facts.about.info
    if not info:
        return _forbidden(title, "INFO")
    told = info.get("redis_version", "0.0")
    parts = tuple(int(part) for part in told.split(".")[:2] if part.isdecimal())
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {told}"
    if parts < LEAST_VERSION:
        return Check(title, BAD, name, _("BullMQ needs Redis 5 or newer, and 6.2 to run as it should."))
    if parts < GOOD_VERSION:
        return Check(title, WARNING, name, _("BullMQ advises Redis 6.2 or newer."))
    return Check(title, OK, name)


def eviction(seen: Seen) -> Check:
    title, info = _("Jobs are never evicted"), seen.facts.about.info
    if not info:
        return _forbidden(title, "INFO")
    found = sentences.eviction(seen.facts.about)
    if not found:
        return Check(title, OK, _("The eviction policy is noeviction."))
    # Without a ceiling nothing is evicted yet.
    verdict = BAD if seen.facts.about.number("maxmemory") else WARNING
    return Check(title, verdict, found, "CONFIG SET maxmemory-policy noeviction")


def memory(seen: Seen) -> Check:
    title, about = _("There is memory left"), seen.facts.about
    if not about.info:
        return _forbidden(title, "INFO")
    used, most = about.number("used_memory"), about.number("maxmemory")
    if found := sentences.fullness(about):
        advice = _("Raise maxmemory, or clean finished jobs; the Redis page says which queues are heavy.")
        return Check(title, BAD if used >= 0.95 * most else WARNING, found, advice)
    if not most:
        system = about.number("total_system_memory")
        if system and used > sentences.FULL * system:
            advice = _("Set maxmemory below what the machine has, and move something away.")
            return Check(title, BAD, _("Redis uses nearly all memory of its machine."), advice)
        return Check(title, OK, _("There is no ceiling but the machine’s."))
    return Check(title, OK, _("%(share)s of the ceiling is used.") % {"share": f"{used / most:.0%}"})


def persistence(seen: Seen) -> Check:
    title, about = _("Jobs survive a restart of Redis"), seen.facts.about
    if not about.info:
        return _forbidden(title, "INFO")
    if found := sentences.aof(about) or sentences.rdb(about):
        return Check(title, BAD, found, _("Look at the space on its disk and at its log."))
    if found := sentences.volatile(about):
        return Check(title, WARNING, found, "CONFIG SET appendonly yes")
    return Check(title, OK, _("A crash loses: %(what)s.") % {"what": sentences.loss(about)})


def scripts(seen: Seen) -> Check:
    title = _("BullMQ’s scripts are those that Toril knows")
    if seen.facts.scripts:
        return Check(title, BAD, seen.facts.scripts, _("Install the packages of requirements.txt again."))
    return Check(title, OK, _("Each has the number of keys that is expected."))


def clock(seen: Seen) -> Check:
    title = _("This machine’s clock and Redis’s agree")
    skew, unsure = abs(seen.facts.skew_ms), seen.facts.unsure_ms
    found = _("They differ by %(time)s.") % {"time": span(round(skew))}
    if skew - unsure < SKEW_MS:
        return Check(title, OK, found)
    advice = _("Let both machines keep time by NTP: ages, delays and “ago” are told wrongly by this much.")
    return Check(title, BAD if skew - unsure >= LARGE_SKEW_MS else WARNING, found, advice)


def queues_work(seen: Seen) -> Check:
    title = _("No queue is broken")
    broken = [queue.name for queue in seen.snapshot.queues if queue.broken]
    if not broken:
        return Check(title, OK, _("All %(count)s can be read.") % {"count": len(seen.snapshot.queues)})
    advice = _("A key of theirs has the wrong type; the queue’s page names it. Mend or delete that key.")
    return Check(title, BAD, _named(broken), advice)


def workers(seen: Seen) -> Check:
    title = _("Where jobs wait, workers are there")
    if any(queue.workers is None for queue in seen.snapshot.queues):
        return _forbidden(title, "CLIENT LIST")
    deserted = [queue.name for queue in seen.snapshot.queues if is_deserted(queue)]
    if not deserted:
        return Check(title, OK, _("No queue waits for a worker."))
    advice = _("Start workers for them, or pause them, so that nobody waits for nothing.")
    return Check(title, WARNING, _named(deserted), advice)


def stalled_jobs(seen: Seen) -> Check:
    title = _("Jobs of dead workers are noticed")
    missed = [each.queue for each in seen.facts.upkeep if each.active and not each.is_looked_after]
    if not missed:
        return Check(title, OK, _("Wherever a job runs, somebody looks for stalled ones."))
    advice = _("A worker does it, every 30 s: start one for them. Until then such a job stays active for ever.")
    return Check(title, WARNING, _named(missed), advice)


def streams(seen: Seen) -> Check:
    title = _("Event streams are kept short")
    grown = [each for each in seen.facts.upkeep if each.events > UNTRIMMED * max(each.kept_events, 1_000)]
    if not grown:
        longest = max((each.events for each in seen.facts.upkeep), default=0)
        return Check(title, OK, _("The longest holds %(count)s events.") % {"count": f"{longest:,}"})
    named = _named([f"{each.queue} ({each.events:,})" for each in grown])
    advice = _("They take memory for nothing: XTRIM them, and see who writes without trimming.")
    return Check(title, WARNING, named, advice)


def mirror(seen: Seen) -> Check:
    title, found = _("The mirror follows"), seen.facts.mirror
    if seen.facts.tables.trouble or seen.facts.tables.missing or seen.facts.trouble:
        return Check(title, UNKNOWN, _("It cannot be told while the database or Redis does not answer."))
    if not found.is_known or not found.is_alive:
        said = _("It does not run.") if found.is_known else _("It never ran here.")
        advice = _("Start manage.py runmirror: without it there is no history, and figures end with what Redis keeps.")
        return Check(title, WARNING, said, advice)
    if found.lag_s is not None and found.lag_s > LATE_S:
        advice = _("It may be busy, or the database slow: see its log.")
        late = _("It runs on %(host)s and is %(time)s behind.")
        return Check(title, WARNING, late % {"host": found.holder, "time": span(int(found.lag_s * 1000))}, advice)
    return Check(title, OK, _("It runs on %(host)s and is up to date.") % {"host": found.holder} + _skipped(seen))


def _skipped(seen: Seen) -> str:
    """What it has not made good yet, and where it last could not keep up."""
    told, said = seen.facts.followed, ""
    if told is None:
        return said
    if told.mending:
        text = ngettext(
            "%(count)s queue is being compared with its sets.",
            "%(count)s queues are being compared with their sets.",
            told.mending,
        )
        said += " " + text % {"count": f"{told.mending:,}"}
    is_recent = told.lost_at is not None and timezone.now() - told.lost_at < timedelta(days=1)
    if is_recent and any(queue.name == told.lost_queue for queue in seen.snapshot.queues):
        text = _("It last skipped ahead in %(queue)s: %(why)s.")
        said += " " + text % {"queue": told.lost_queue, "why": told.lost_why}
    return said


def followers(seen: Seen) -> Check:
    title, state = _("What follows the mirror’s rows is up to date"), seen.facts.state
    if not state.leads:
        return Check(title, UNKNOWN, _("It rests while no mirror runs."))
    late = [f"{fed.name} ({span(int(fed.lag_s * 1000))})" for fed in state.feeds if fed.lag_s > LATE_S]
    if not late:
        return Check(title, OK, _("Search, failures and the others have taken in what there is."))
    advice = _("After a first start or a long outage this takes a while: some thousand jobs a second.")
    return Check(title, WARNING, _named(late), advice)


def kept(seen: Seen) -> Check:
    """Over all queues: for those who see every one."""
    title, size, most = _("What the mirror keeps"), seen.facts.state.size(), get_options().mirror.keep_mb
    if size is None:
        return Check(title, OK, _("It was not measured yet."))
    said = _("%(rows)s jobs, %(removed)s of which Redis no longer has, in about %(size)s.") % {
        "rows": f"{size.rows:,}",
        "removed": f"{size.removed:,}",
        "size": bytes_read(size.bytes),
    }
    if most is not None and size.bytes > most * 1024 * 1024 * FULL_TABLES:
        advice = _("Clean finished jobs in Redis, keep shorter payloads, or raise KEEP_MB (docs/mirror.md).")
        return Check(title, WARNING, said, advice)
    return Check(title, OK, said)


def tables(seen: Seen) -> Check:
    title, found = _("The database takes what is written"), seen.facts.tables
    if found.trouble:
        advice = _("Without it nobody can act: nothing is done that cannot be recorded.")
        return Check(title, BAD, found.trouble, advice)
    if found.missing:
        return Check(title, BAD, _("Missing: %(names)s") % {"names": _named(list(found.missing))}, "manage.py migrate")
    return Check(title, OK, _("It does, and every migration was applied."))


def secret_settings() -> Check:
    """The site's own: for those who see every queue, for it says where the site is weak."""
    title = _("Nothing secret lies open")
    found = [
        sentence
        for is_so, sentence in (
            (settings.DEBUG, _("DEBUG is on: errors show settings and source to whoever causes one.")),
            (_is_weak(settings.SECRET_KEY), _("SECRET_KEY is short or an example: sessions can be forged.")),
            ("*" in settings.ALLOWED_HOSTS, _("ALLOWED_HOSTS holds “*”: name the hosts of this site.")),
            (_is_plain(), _("Others reach this site without https: passwords and sessions can be read on the way.")),
            (_is_redis_open(), _("Redis is on another machine and its address holds no password.")),
        )
        if is_so
    ]
    if not found:
        return Check(title, OK, _("Keys, hosts and debug mode are as they should be."))
    verdict = BAD if settings.DEBUG or _is_weak(settings.SECRET_KEY) else WARNING
    return Check(title, verdict, " ".join(found), _("docs/configuration.md says how each is set."))


def _is_weak(key: str) -> bool:
    return len(key) < LEAST_SECRET or key.startswith("django-insecure") or len(set(key)) < 10


def _is_plain() -> bool:
    return not getattr(settings, "HTTPS", False) and bool(set(settings.ALLOWED_HOSTS) - LOCAL - {"*"})


def _is_redis_open() -> bool:
    if not get_options().use_job_queue:
        return False
    places = [urlsplit(each.url) for each in get_options().connections.values()]
    return any(at.scheme != "unix" and not at.password and (at.hostname or "") not in LOCAL for at in places)


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED])
    more = len(names) - NAMED
    if more <= 0:
        return shown
    return shown + " " + ngettext("and %(count)s more", "and %(count)s more", more) % {"count": f"{more:,}"}


def _forbidden(title: str, command: str) -> Check:
    advice = _("Let this Redis user call %(command)s to have it checked.") % {"command": command}
    return Check(title, UNKNOWN, _("This user may not call %(command)s.") % {"command": command}, advice)


ON_REDIS: tuple[Callable[[Seen], Check], ...] = (
    version,
    eviction,
    memory,
    persistence,
    scripts,
    clock,
    queues_work,
    workers,
    stalled_jobs,
    streams,
)
ON_TABLES: tuple[Callable[[Seen], Check], ...] = (tables, mirror, followers)
