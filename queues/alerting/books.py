"""What a look comes to, written down: alerts, notices, and that it was looked. Synchronous, each in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

from queues.alerting import measures, telling
from queues.alerting.gathering import Gathered
from queues.alerting.judging import Verdict, judge
from queues.alerting.measures import Reading, measure
from queues.models import Alert, AlertLook, AlertNotice, AlertSilence, Stall
from queues.options import get_options
from queues.options.alert_rules import Rule

#: That it was looked, and nothing is new, is written this often.
SAY_EVERY = timedelta(seconds=10)
#: Of what nobody knows, so many places are kept for each rule.
MOST_UNKNOWN = 50
#: A stall counts within an hour at most.
STALLS_KEPT_S = 7_200
PRUNED_AT_ONCE = 500
FIELDS = (
    "rule_name phase seen_at since fired_at cleared_at value fired_value peak fires clears hold_s facts blind_since"
    " blind_why ended_by to_tell held held_until"
).split()

Check = Callable[[], None]


def settle(check: Check, rules: Sequence[Rule], found: Gathered) -> Verdict:
    """Judge, write, and see to who is told. `check` raises, inside the transaction, where another process leads now."""
    now = datetime.fromtimestamp(found.at, UTC)
    told = {rule.key: measure(rule, found) for rule in rules}
    open_alerts = Alert.objects.filter(connection=found.connection, phase__in=("pending", "firing")).order_by("pk")
    verdict = judge(rules, told, found.connection, open_alerts, now)
    if not verdict.is_empty:
        with transaction.atomic():
            check()
            _write(verdict)
    plan = telling.plan(found.connection, rules, now)
    if not plan.is_empty:
        with transaction.atomic():
            check()
            telling.carry_out(plan, rules, now)
    _say(check, found, told, now)
    return verdict


def _write(verdict: Verdict) -> None:
    Alert.objects.filter(pk__in=[alert.pk for alert in verdict.dropped]).delete()
    Alert.objects.bulk_create(verdict.made, batch_size=100)
    # Django's bulk_update takes a second for some hundred rows.
    Alert.objects.bulk_create(
        verdict.changed, batch_size=100, update_conflicts=True, unique_fields=["id"], update_fields=FIELDS
    )


def _say(check: Check, found: Gathered, told: Mapping[str, Sequence[Reading] | str], now: datetime) -> None:
    silent = None if found.silent_since is None else datetime.fromtimestamp(found.silent_since, UTC)
    unknown = json.dumps({key: some for key, one in told.items() if (some := _unknown(one))})
    took_ms = int((timezone.now() - now).total_seconds() * 1000)
    row = AlertLook.objects.filter(connection=found.connection).first()
    if row and now - row.at < SAY_EVERY and (row.unknown, row.silent_since) == (unknown, silent):
        return
    said = {"at": now, "took_ms": max(0, took_ms), "silent_since": silent, "unknown": unknown}
    with transaction.atomic():
        check()
        AlertLook.objects.update_or_create(connection=found.connection, defaults=said)


def _unknown(told: Sequence[Reading] | str) -> list[list[str]]:
    """Where nobody knows, and why; a queue in which nothing ended is not worth a word."""
    if isinstance(told, str):
        return [["", told[:200]]]
    blind = (one for one in told if one.value is None and one.why != measures.FEW)
    return [[one.queue, one.why[:200]] for one, _ in zip(blind, range(MOST_UNKNOWN), strict=False)]


# --- notices


def due(now: datetime, most: int) -> list[AlertNotice]:
    return list(AlertNotice.objects.filter(due_at__lte=now).order_by("due_at")[:most])


def claim(check: Check, notice: AlertNotice, until: datetime) -> bool:
    """Whether it is ours to send: until then nobody else tries, whatever becomes of us."""
    with transaction.atomic():
        check()
        mine = AlertNotice.objects.filter(pk=notice.pk, due_at=notice.due_at)
        return bool(mine.update(due_at=until, tries=F("tries") + 1))


def close(notice: AlertNotice, answer: str, sent_at: datetime | None, due_at: datetime | None) -> None:
    AlertNotice.objects.filter(pk=notice.pk).update(answer=answer, sent_at=sent_at, due_at=due_at)


def looked_at() -> datetime | None:
    """When the connection was looked at of which that is longest ago, of all that are configured; None before."""
    names = list(get_options().connections)
    looks = list(AlertLook.objects.filter(connection__in=names).values_list("at", flat=True))
    return min(looks) if len(looks) == len(names) else None


# --- forgetting


def prune(check: Check, now: datetime) -> bool:
    """Forget some of what is kept too long; whether there may be more."""
    old = now - timedelta(days=get_options().alerts.keep_days)
    with transaction.atomic():
        check()
        return any([
            _forget(Alert.objects.filter(phase="cleared", cleared_at__lt=old)),
            _forget(AlertNotice.objects.filter(made_at__lt=old, alerts__isnull=True)),
            _forget(AlertSilence.objects.filter(until__lt=old)),
            _forget(AlertLook.objects.filter(~Q(connection__in=list(get_options().connections)))),
            _forget(Stall.objects.filter(at__lt=int(now.timestamp()) - STALLS_KEPT_S)),
        ])  # fmt: skip


def _forget(rows: models.QuerySet[Any]) -> bool:
    some = list(rows.values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    if some:
        rows.model.objects.filter(pk__in=some).delete()
    return len(some) == PRUNED_AT_ONCE
