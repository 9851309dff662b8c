"""Each kind of trouble as a number, from what was gathered. Pure. What nobody knows is None and never nought."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from queues.alerting.gathering import NO_ANSWER, Gathered
from queues.lookups.scheduler import Scheduler, Standing
from queues.options.alert_rules import Rule
from queues.protocol.codec import QueueFacts

#: Why there is no number: worded in `alerting.words`.
BROKEN, UNSEEN, FEW, UNTOLD, GAP, NO_MEMORY = "broken", "unseen", "few", "untold", "gap", "no-memory"


@dataclass(frozen=True, slots=True)
class Reading:
    """`value` None: nobody knows, and `why`. `is_least`: it may be more, so it clears nothing."""

    queue: str = ""
    subject: str = ""
    value: float | None = None
    why: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_least: bool = False
    #: Enough to clear by, too little to fire by.
    is_thin: bool = False


def measure(rule: Rule, found: Gathered) -> list[Reading] | str:
    """Of all that the rule is about, in this connection; or why nothing is known of any of it."""
    if found.facts is None and rule.kind not in ("redis_silent", "mirror_behind"):
        return found.trouble or NO_ANSWER
    return _MEASURES[rule.kind](rule, found)


def _facts(rule: Rule, found: Gathered) -> Iterator[QueueFacts]:
    return (fact for name, fact in (found.facts or {}).items() if rule.fits(found.connection, name))


def _backlog(rule: Rule, found: Gathered) -> list[Reading]:
    def one(fact: QueueFacts) -> Reading:
        facts = {"is_paused": True} if fact.is_paused else {}
        return Reading(fact.name, value=_ready(fact), facts=facts)

    return _sound(rule, found, one)


def _oldest(rule: Rule, found: Gathered) -> list[Reading]:
    """A queue that people paused waits because they said so."""

    def one(fact: QueueFacts) -> Reading:
        if fact.is_paused or not fact.oldest_waiting_ms or not _ready(fact):
            return Reading(fact.name, value=0.0)
        age_s = max(0.0, (found.redis_ms - fact.oldest_waiting_ms) / 1000)
        return Reading(fact.name, value=age_s, facts={"waiting": _ready(fact)})

    return _sound(rule, found, one)


def _no_worker(rule: Rule, found: Gathered) -> list[Reading]:
    """How many jobs could run and have nobody who runs them."""

    def one(fact: QueueFacts) -> Reading:
        if fact.is_paused or not _ready(fact) or found.workers.get(fact.name):
            return Reading(fact.name, value=0.0)
        if not found.sees_others:
            return Reading(fact.name, why=UNSEEN)
        return Reading(fact.name, value=float(_ready(fact)))

    return _sound(rule, found, one)


def _failure_rate(rule: Rule, found: Gathered) -> list[Reading]:
    minutes = rule.window_s // 60

    def one(fact: QueueFacts) -> Reading:
        pulse = found.pulses.get(fact.name)
        failed = sum(n or 0 for n in pulse.failed[-minutes:]) if pulse else 0
        ended = failed + (sum(n or 0 for n in pulse.completed[-minutes:]) if pulse else 0)
        if not ended:
            return Reading(fact.name, why=FEW)
        facts = {"failed": failed, "ended": ended}
        return Reading(fact.name, value=100 * failed / ended, facts=facts, is_thin=ended < rule.least)

    return _sound(rule, found, one)


def _latency(rule: Rule, found: Gathered) -> list[Reading]:
    told = found.slow.waits.get(rule.window_s, {})

    def one(fact: QueueFacts) -> Reading:
        if fact.name not in told:
            return Reading(fact.name, why=FEW)
        slow_s, count = told[fact.name]
        return Reading(fact.name, value=slow_s, facts={"ended": count}, is_thin=count < rule.least)

    return _sound(rule, found, one)


def _stalled(rule: Rule, found: Gathered) -> list[Reading]:
    """Counted from the event streams: where the mirror missed some, there may have been more."""
    told = found.stalls.get(rule.window_s, {})
    report = next((one for one in found.mirror.connections if one.connection == found.connection), None)
    missed = report is None or report.lag_s > rule.window_s
    if report is not None and report.lost_at is not None:
        missed = missed or found.at - report.lost_at.timestamp() <= rule.window_s
    return _sound(rule, found, lambda fact: Reading(fact.name, value=float(told.get(fact.name, 0)), is_least=missed))


def _scheduler_missed(rule: Rule, found: Gathered) -> list[Reading] | str:
    if found.slow.schedulers is None:
        return UNTOLD
    return [_missed(one, found) for one in found.slow.schedulers if rule.fits(found.connection, one.queue)]


def _missed(one: Scheduler, found: Gathered) -> Reading:
    """By how much its next run is late; of one that will not run again by itself, since when it should have."""
    is_late = one.standing in (Standing.LATE, Standing.STUCK) and one.schedule.next_ms
    late_s = max(0.0, (found.redis_ms - one.schedule.next_ms) / 1000) if is_late and one.schedule.next_ms else 0.0
    facts = {"standing": one.standing.value, "problem": one.problem[:200]} if is_late else {}
    return Reading(one.queue, one.id, late_s, facts=facts)


def _mirror_behind(rule: Rule, found: Gathered) -> list[Reading]:
    lag_s = found.mirror.lag_s(found.connection)
    if lag_s is None:
        return [Reading(why=UNTOLD)]
    feeds = {fed.name: fed.lag_s for fed in found.mirror.feeds}
    slowest = max(feeds, key=feeds.__getitem__, default="")
    facts = {"feed": slowest} if slowest and feeds[slowest] > lag_s else {}
    return [Reading(value=max([lag_s, *feeds.values()]), facts=facts)]


def _redis_memory(rule: Rule, found: Gathered) -> list[Reading]:
    if found.slow.memory is None:
        return [Reading(why=NO_MEMORY)]
    used, most = found.slow.memory
    facts = {"used": used, "most": most, "is_machine": not found.slow.has_ceiling}
    return [Reading(value=100 * used / most, facts=facts)]


def _redis_silent(rule: Rule, found: Gathered) -> list[Reading]:
    since = found.silent_since
    value = 0.0 if since is None else max(0.0, found.at - since)
    return [Reading(value=value, facts={"trouble": found.trouble[:200]} if found.trouble else {})]


def _sound(rule: Rule, found: Gathered, one: Callable[[QueueFacts], Reading]) -> list[Reading]:
    return [Reading(fact.name, why=BROKEN) if fact.broken else one(fact) for fact in _facts(rule, found)]


def _ready(fact: QueueFacts) -> int:
    return fact.counts.get("waiting", 0) + fact.counts.get("prioritized", 0)


_MEASURES: Mapping[str, Callable[[Rule, Gathered], list[Reading] | str]] = {
    "backlog": _backlog,
    "oldest_waiting": _oldest,
    "failure_rate": _failure_rate,
    "latency": _latency,
    "stalled": _stalled,
    "no_worker": _no_worker,
    "scheduler_missed": _scheduler_missed,
    "mirror_behind": _mirror_behind,
    "redis_memory": _redis_memory,
    "redis_silent": _redis_silent,
}
