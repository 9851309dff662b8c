"""When a rule fires and when it clears, from one look to the next. Pure.

What is over its level for the hold time fires; what fires goes on until it is known to be at the clear level or below.
What nobody knows neither fires (unless the rule says so) nor clears anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from queues.alerting.measures import Reading
from queues.models import Alert
from queues.models.alert import digest_of
from queues.options.alert_rules import NoData, Rule

#: A hold that nobody looked at for so long begins anew: nobody knows what was meanwhile.
LONGEST_GAP = timedelta(seconds=60)
#: A value that only moves is written down this often.
WRITE_EVERY = timedelta(seconds=15)
GONE, RULE = "gone", "rule"


@dataclass(slots=True)
class Verdict:
    """What is to be written: new alerts, changed ones, and those that went away before they fired."""

    made: list[Alert] = field(default_factory=list)
    changed: list[Alert] = field(default_factory=list)
    dropped: list[Alert] = field(default_factory=list)
    fired: list[Alert] = field(default_factory=list)
    cleared: list[Alert] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.made or self.changed or self.dropped)


def judge(
    rules: Sequence[Rule],
    told: Mapping[str, Sequence[Reading] | str],
    connection: str,
    open_alerts: Iterable[Alert],
    now: datetime,
) -> Verdict:
    """`told` by the rule's key. The alerts are those of this connection that have not cleared; they are changed."""
    verdict, known = Verdict(), {alert.digest: alert for alert in open_alerts}
    for rule in rules:
        readings = told[rule.key]
        if isinstance(readings, str):
            for alert in [one for one in known.values() if one.rule == rule.key]:
                _judge_one(verdict, rule, Reading(why=readings), known.pop(alert.digest), now)
            continue
        for reading in readings:
            digest = digest_of(rule.key, connection, reading.queue, reading.subject)
            _judge_one(verdict, rule, reading, known.pop(digest, None), now, connection, digest)
    in_force = {rule.key for rule in rules}
    for alert in known.values():
        _end(verdict, alert, now, GONE if alert.rule in in_force else RULE)
    return verdict


def _judge_one(
    verdict: Verdict, rule: Rule, reading: Reading, alert: Alert | None, now: datetime, connection: str = "",
    digest: str = "",
) -> None:  # fmt: skip
    is_blind = reading.value is None
    if is_blind and rule.no_data is NoData.FIRE and (alert is not None or digest):
        reading, is_blind = replace(reading, value=rule.fires, facts={"no_data": reading.why}), False
    is_over = reading.value is not None and reading.value >= rule.fires and not reading.is_thin
    if alert is None:
        if is_over:
            _begin(verdict, rule, reading, connection, digest, now)
    elif is_blind:
        _lose_sight(verdict, alert, reading, now)
    elif alert.phase == Alert.Phase.PENDING:
        _hold(verdict, rule, reading, alert, is_over, now)
    else:
        _go_on(verdict, rule, reading, alert, now)


def _begin(verdict: Verdict, rule: Rule, reading: Reading, connection: str, digest: str, now: datetime) -> None:
    alert = Alert(rule=rule.key, kind=rule.kind, connection=connection, digest=digest, since=now, seen_at=now)
    alert.queue, alert.subject = _plain(reading.queue), _plain(reading.subject)
    _note(alert, rule, reading, now)
    verdict.made.append(alert)
    if not rule.hold_s:
        _fire(verdict, alert, now)


def _hold(verdict: Verdict, rule: Rule, reading: Reading, alert: Alert, is_over: bool, now: datetime) -> None:
    if not is_over:
        verdict.dropped.append(alert)
        return
    if now - alert.seen_at > LONGEST_GAP:
        alert.since = now
    is_due = now - alert.since >= timedelta(seconds=rule.hold_s)
    if not is_due and _is_seldom(alert, now):
        return
    _note(alert, rule, reading, now)
    verdict.changed.append(alert)
    if is_due:
        _fire(verdict, alert, now)


def _go_on(verdict: Verdict, rule: Rule, reading: Reading, alert: Alert, now: datetime) -> None:
    is_well = reading.value is not None and reading.value <= rule.clears and not reading.is_least
    is_same = (alert.fires, alert.clears) == (rule.fires, rule.clears)
    if _is_seldom(alert, now) and is_same and not is_well:
        return
    _note(alert, rule, reading, now)
    verdict.changed.append(alert)
    if is_well:
        _clear(verdict, alert, now, "")


def _is_seldom(alert: Alert, now: datetime) -> bool:
    """Whether its value was written down a moment ago."""
    return alert.blind_since is None and now - alert.seen_at < WRITE_EVERY


def _lose_sight(verdict: Verdict, alert: Alert, reading: Reading, now: datetime) -> None:
    if alert.blind_since is None or alert.blind_why != reading.why[:200]:
        alert.blind_since, alert.blind_why = alert.blind_since or now, _plain(reading.why)[:200]
        verdict.changed.append(alert)


def _end(verdict: Verdict, alert: Alert, now: datetime, why: str) -> None:
    """What it was about is gone, or its rule: nothing is left to look at."""
    if alert.phase == Alert.Phase.PENDING:
        verdict.dropped.append(alert)
    else:
        verdict.changed.append(alert)
        _clear(verdict, alert, now, why)


def _note(alert: Alert, rule: Rule, reading: Reading, now: datetime) -> None:
    alert.rule_name, alert.fires, alert.clears, alert.hold_s = rule.name, rule.fires, rule.clears, rule.hold_s
    alert.value, alert.seen_at, alert.blind_since, alert.blind_why = reading.value, now, None, ""
    alert.peak = max(value for value in (alert.peak, reading.value, 0.0) if value is not None)
    alert.facts = json.dumps(dict(reading.facts) | ({"is_least": True} if reading.is_least else {}))


def _fire(verdict: Verdict, alert: Alert, now: datetime) -> None:
    alert.phase, alert.fired_at, alert.fired_value, alert.to_tell = Alert.Phase.FIRING, now, alert.value, "fired"
    verdict.fired.append(alert)


def _clear(verdict: Verdict, alert: Alert, now: datetime, why: str) -> None:
    """Who was not told that it fires is not told that it ended."""
    alert.phase, alert.cleared_at, alert.ended_by = Alert.Phase.CLEARED, now, why
    alert.to_tell, alert.held, alert.held_until = ("cleared" if alert.told_at else ""), "", None
    verdict.cleared.append(alert)


def _plain(text: str) -> str:
    """As the tables take it."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:512]
