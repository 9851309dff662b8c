"""Who is told of what, and when: silences and cooldown hold back, what belongs together is told together.

Synchronous. `plan` only reads; `carry_out` writes, inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from queues.alerting import messages
from queues.delivery import outbox
from queues.models import Alert, AlertNotice, AlertSilence
from queues.options import get_options
from queues.options.alert_rules import Rule
from queues.options.alerts import WEBHOOKS

#: So many are looked at in one turn.
MOST = 2_000
#: Rows per statement.
TOGETHER = 250
SILENCE, COOLDOWN, GROUP, NOBODY = "silence", "cooldown", "group", "nobody"


@dataclass(slots=True)
class Plan:
    """`groups`: what is to be told now, by rule and whether it fired or cleared. `held`: of which the reason to hold
    it back is another than before.
    """

    groups: dict[tuple[str, str], list[Alert]] = field(default_factory=dict)
    held: list[Alert] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.groups or self.held)


def plan(connection: str, rules: Sequence[Rule], now: datetime) -> Plan:
    waiting = Alert.objects.filter(connection=connection, to_tell__in=("fired", "cleared")).order_by("pk")
    found = Plan()
    alerts = list(waiting[:MOST])
    if not alerts:
        return found
    silences = list(AlertSilence.objects.filter(connection=connection, until__gt=now))
    before, known = _told_before(alerts), {rule.key: rule for rule in rules}
    free: dict[tuple[str, str], list[Alert]] = {}
    for alert in alerts:
        why, until = _held(alert, silences, before, known.get(alert.rule), now)
        if until is None:
            free.setdefault((alert.rule, alert.to_tell), []).append(alert)
        else:
            _hold(found, alert, why, until)
    for (rule, kind), group in free.items():
        until = _due(rule, kind, group)
        if until <= now:
            found.groups[rule, kind] = group
        else:
            for alert in group:
                _hold(found, alert, GROUP, until)
    return found


def carry_out(found: Plan, rules: Sequence[Rule], now: datetime) -> None:
    for (why, until), alerts in _by_reason(found.held).items():
        _update(alerts, held=why, held_until=until)
    known = {rule.key: rule for rule in rules}
    for (key, kind), alerts in found.groups.items():
        is_told = _tell(kind, alerts, known.get(key), now)
        told = {"cleared_told_at": now} if kind == "cleared" else {"told_at": now} if is_told else {}
        _update(alerts, to_tell="", held="" if is_told else NOBODY, held_until=None, **told)


def _by_reason(held: Iterable[Alert]) -> dict[tuple[str, datetime | None], list[Alert]]:
    found: dict[tuple[str, datetime | None], list[Alert]] = {}
    for alert in held:
        found.setdefault((alert.held, alert.held_until), []).append(alert)
    return found


def _update(alerts: Sequence[Alert], **fields: Any) -> None:
    for start in range(0, len(alerts), TOGETHER):
        Alert.objects.filter(pk__in=[alert.pk for alert in alerts[start : start + TOGETHER]]).update(**fields)


def _told_before(alerts: Sequence[Alert]) -> dict[str, datetime]:
    """When the same was told last, as it fired before."""
    digests = {alert.digest for alert in alerts if alert.to_tell == "fired"}
    rows = Alert.objects.filter(digest__in=digests, told_at__isnull=False).order_by()
    return dict(rows.values_list("digest").annotate(last=Max("told_at")))


def _held(
    alert: Alert, silences: Iterable[AlertSilence], before: Mapping[str, datetime], rule: Rule | None, now: datetime
) -> tuple[str, datetime | None]:
    over = [silence.until for silence in silences if silence.fits(alert)]
    if over:
        return SILENCE, max(over)
    if alert.to_tell == "fired" and rule is not None and (last := before.get(alert.digest)):
        until = last + timedelta(seconds=rule.cooldown_s)
        if until > now:
            return COOLDOWN, until
    return "", None


def _due(rule: str, kind: str, group: Sequence[Alert]) -> datetime:
    """The first waits a little for those that come with it; then they are told no more often than now and then."""
    options = get_options().alerts
    first = min(_moment(alert) for alert in group) + timedelta(seconds=options.group_wait_s)
    last = AlertNotice.objects.filter(rule=rule, kind=kind).aggregate(last=Max("made_at"))["last"]
    return first if last is None else max(first, last + timedelta(seconds=options.group_every_s))


def _moment(alert: Alert) -> datetime:
    return (alert.cleared_at if alert.to_tell == "cleared" else alert.fired_at) or alert.since


def _hold(found: Plan, alert: Alert, why: str, until: datetime) -> None:
    if (alert.held, alert.held_until) != (why, until):
        alert.held, alert.held_until = why, until
        found.held.append(alert)


def _tell(kind: str, alerts: Sequence[Alert], rule: Rule | None, now: datetime) -> bool:
    """Whether there was anybody to tell."""
    notices = list(_notices(kind, alerts, rule, now))
    for notice in notices:
        notice.save()
        notice.alerts.add(*alerts)
    return bool(notices)


def _notices(kind: str, alerts: Sequence[Alert], rule: Rule | None, now: datetime) -> Iterator[AlertNotice]:
    options, chosen = get_options().alerts, rule.channels if rule else None
    known = {WEBHOOKS, *(channel.name for channel in options.channels)}
    told = {"rule": alerts[0].rule, "kind": kind, "made_at": now}
    title, text = messages.title(kind, alerts), messages.text(kind, alerts)
    for name in sorted(known) if chosen is None else dict.fromkeys(chosen):
        if name == WEBHOOKS:
            count = sum(_to_webhooks(kind, alert) for alert in alerts)
            if count:
                yield AlertNotice(channel=name, title=title, sent_at=now, answer=str(count), **told)
        elif name in known:
            yield AlertNotice(channel=name, title=title, text=text, due_at=now, **told)


def _to_webhooks(kind: str, alert: Alert) -> int:
    """Each by itself: an endpoint hears of the queues that its maker sees."""
    return outbox.tell(
        f"alert.{kind}",
        messages.data(alert),
        connection=alert.connection,
        queue=alert.queue,
        key=f"alert {alert.pk} {kind}",
    )
