"""The self-check's questions about Redis, its queues and their workers, in the order in which to ask them."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

from dashboard.moments import span
from dashboard.pages.queue.sentences import is_deserted
from dashboard.pages.redis import sentences
from dashboard.pages.redis.checking import BAD, OK, WARNING, Check, Seen, forbidden, named

#: BullMQ's own minimum; below the other some of its commands are slower or missing.
LEAST_VERSION, GOOD_VERSION = (5, 0), (6, 2)
SKEW_MS, LARGE_SKEW_MS = 250.0, 2_000.0
#: A stream is trimmed roughly: this much over what it is to keep means that it is not trimmed at all.
UNTRIMMED = 2.0


def version(seen: Seen) -> Check:
    title, info = _("Its version"), seen.facts.about.info
    if not info:
        return forbidden(title, "INFO")
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
        return forbidden(title, "INFO")
    found = sentences.eviction(seen.facts.about)
    if not found:
        return Check(title, OK, _("The eviction policy is noeviction."))
    # Without a ceiling nothing is evicted yet.
    verdict = BAD if seen.facts.about.number("maxmemory") else WARNING
    return Check(title, verdict, found, "CONFIG SET maxmemory-policy noeviction")


def memory(seen: Seen) -> Check:
    title, about = _("There is memory left"), seen.facts.about
    if not about.info:
        return forbidden(title, "INFO")
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
        return forbidden(title, "INFO")
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
    if not broken and seen.facts.untagged:
        return Check(title, BAD, seen.facts.untagged)
    if not broken:
        return Check(title, OK, _("All %(count)s can be read.") % {"count": len(seen.snapshot.queues)})
    advice = _("A key of theirs has the wrong type; the queue’s page names it. Mend or delete that key.")
    return Check(title, BAD, named(broken), advice)


def workers(seen: Seen) -> Check:
    title = _("Where jobs wait, workers are there")
    if any(queue.workers is None for queue in seen.snapshot.queues):
        return forbidden(title, "CLIENT LIST")
    deserted = [queue.name for queue in seen.snapshot.queues if is_deserted(queue)]
    if not deserted:
        return Check(title, OK, _("No queue waits for a worker."))
    advice = _("Start workers for them, or pause them, so that nobody waits for nothing.")
    return Check(title, WARNING, named(deserted), advice)


def stalled_jobs(seen: Seen) -> Check:
    title = _("Jobs of dead workers are noticed")
    missed = [each.queue for each in seen.facts.upkeep if each.active and not each.is_looked_after]
    if not missed:
        return Check(title, OK, _("Wherever a job runs, somebody looks for stalled ones."))
    advice = _("A worker does it, every 30 s: start one for them. Until then such a job stays active for ever.")
    return Check(title, WARNING, named(missed), advice)


def streams(seen: Seen) -> Check:
    title = _("Event streams are kept short")
    grown = [each for each in seen.facts.upkeep if each.events > UNTRIMMED * max(each.kept_events, 1_000)]
    if not grown:
        longest = max((each.events for each in seen.facts.upkeep), default=0)
        return Check(title, OK, _("The longest holds %(count)s events.") % {"count": f"{longest:,}"})
    told = named([f"{each.queue} ({each.events:,})" for each in grown])
    advice = _("They take memory for nothing: XTRIM them, and see who writes without trimming.")
    return Check(title, WARNING, told, advice)


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
