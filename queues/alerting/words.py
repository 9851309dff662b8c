"""Alerts in sentences, for pages and messages alike. Nothing here holds what a job carries."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from queues.alerting import measures
from queues.alerting.gathering import NO_ANSWER
from queues.alerting.judging import GONE
from queues.lookups.scheduler import Standing
from queues.models import Alert
from queues.options.alert_rules import KINDS, NoData, Rule, Unit

LABELS: Mapping[str, Any] = {
    "backlog": gettext_lazy("Backlog"),
    "oldest_waiting": gettext_lazy("Oldest waiting"),
    "failure_rate": gettext_lazy("Failure rate"),
    "latency": gettext_lazy("Latency"),
    "stalled": gettext_lazy("Stalled jobs"),
    "no_worker": gettext_lazy("No worker"),
    "scheduler_missed": gettext_lazy("Scheduler missed"),
    "mirror_behind": gettext_lazy("Mirror behind"),
    "redis_memory": gettext_lazy("Redis memory"),
    "redis_silent": gettext_lazy("Redis silent"),
}
BLIND: Mapping[str, Any] = {
    measures.BROKEN: gettext_lazy("one of its keys in Redis is of another type"),
    measures.UNSEEN: gettext_lazy("Redis forbids to look who works (CLIENT LIST or the heartbeats)"),
    measures.FEW: gettext_lazy("no job of it ended in that time"),
    measures.UNTOLD: gettext_lazy("the mirror has not told yet"),
    measures.NO_MEMORY: gettext_lazy("Redis forbids INFO, or does not tell its ceiling"),
    NO_ANSWER: gettext_lazy("Redis does not answer"),
}


def time(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `2 d`."""
    whole = round(seconds)
    if whole < 120:
        return _("%(n)s s") % {"n": whole}
    if whole < 7_200:
        return _("%(n)s min") % {"n": whole // 60}
    if whole < 2 * 86_400:
        hours, minutes = _("%(n)s h") % {"n": whole // 3_600}, whole % 3_600 // 60
        return f"{hours} {_('%(n)s min') % {'n': minutes}}" if minutes else hours
    return _("%(n)s d") % {"n": f"{whole // 86_400:,}"}


def amount(kind: str, value: float | None) -> str:
    """A value of this kind with its unit."""
    if value is None:
        return _("nobody knows")
    unit = KINDS[kind].unit if kind in KINDS else Unit.TIMES
    if unit is Unit.SECONDS:
        return time(value)
    if unit is Unit.PERCENT:
        return f"{value:.3g} %"
    if unit is Unit.JOBS:
        count = round(value)
        return ngettext("%(n)s job", "%(n)s jobs", count) % {"n": f"{count:,}"}
    count = round(value)
    return ngettext("%(n)s time", "%(n)s times", count) % {"n": f"{count:,}"}


def blind(why: str) -> str:
    """Why nobody knows."""
    return str(BLIND.get(why, why))


def what(alert: Alert) -> str:
    """What is wrong, with its figure as it was known last; without the queue's name."""
    facts = facts_of(alert)
    if "no_data" in facts:
        return _("nobody knows: %(why)s") % {"why": blind(str(facts["no_data"]))}
    said = _WHAT.get(alert.kind)
    return said(alert, facts) if said else alert.kind


def rule_name(key: str, name: str, kind: str) -> str:
    """What people call the rule: those that are built in have a name in every language."""
    return str(LABELS[kind]) if key == f"built-in:{kind}" and kind in LABELS else name


def place(alert: Alert) -> str:
    """What it is about: a queue, with its scheduler; or the connection."""
    if not alert.queue:
        return _("connection %(name)s") % {"name": alert.connection}
    return f"{alert.queue} · {alert.subject}" if alert.subject else alert.queue


def levels(fires: float, clears: float, hold_s: int, kind: str) -> str:
    """When it fires and clears."""
    if not clears:
        told = {"fires": amount(kind, fires), "hold": time(hold_s)}
        if hold_s:
            return _("fires from %(fires)s on, held for %(hold)s; clears at nought") % told
        return _("fires from %(fires)s on, at once; clears at nought") % told
    told = {"fires": amount(kind, fires), "clears": amount(kind, clears), "hold": time(hold_s)}
    if hold_s:
        return _("fires from %(fires)s on, held for %(hold)s; clears at %(clears)s or below") % told
    return _("fires from %(fires)s on, at once; clears at %(clears)s or below") % told


def ending(alert: Alert) -> str:
    """Why it ended."""
    if alert.ended_by == GONE:
        return _("What it was about is gone.")
    if alert.ended_by:
        return _("Its rule was changed, turned off or removed.")
    return _("It cleared at %(value)s.") % {"value": amount(alert.kind, alert.value)}


def rule_sentence(rule: Rule) -> str:
    """What the rule watches, and where."""
    where = _("in every queue") if rule.queue == "*" else _("in queues %(queue)s") % {"queue": rule.queue}
    window = time(rule.window_s)
    watched = {
        "backlog": _("jobs that wait %(where)s"),
        "oldest_waiting": _("how long the next job has waited %(where)s, but in paused ones"),
        "failure_rate": _("the share of jobs that fail %(where)s, of at least %(least)s within %(window)s"),
        "latency": _("how long 95 of 100 jobs wait for their start %(where)s, of at least %(least)s within %(window)s"),
        "stalled": _("how often jobs stall %(where)s within %(window)s"),
        "no_worker": _("jobs that wait %(where)s while nobody takes them, but in paused ones"),
        "scheduler_missed": _("how late the next run of a scheduler is %(where)s"),
        "mirror_behind": _("how far the mirror is behind Redis"),
        "redis_memory": _("how full Redis’s memory is"),
        "redis_silent": _("how long Redis has not answered"),
    }[rule.kind]
    found = watched % {"where": where, "window": window, "least": f"{rule.least:,}"}
    if rule.connection != "*":
        found += _(", on connections %(name)s") % {"name": rule.connection}
    if rule.no_data is NoData.FIRE:
        found += _("; where nobody knows, it fires")
    return found


def facts_of(alert: Alert) -> dict[str, Any]:
    try:
        facts = json.loads(alert.facts)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


# --- what is wrong, by kind


def _value(alert: Alert) -> dict[str, Any]:
    return {"value": amount(alert.kind, alert.value)}


def _backlog(alert: Alert, facts: Mapping[str, Any]) -> str:
    found = _("%(value)s waiting") % _value(alert)
    return f"{found} ({_('the queue is paused')})" if facts.get("is_paused") else found


def _oldest(alert: Alert, facts: Mapping[str, Any]) -> str:
    return _("the next job has waited %(value)s") % _value(alert)


def _failed(alert: Alert, facts: Mapping[str, Any]) -> str:
    told = _value(alert) | {name: f"{int(facts.get(name) or 0):,}" for name in ("failed", "ended")}
    return _("%(value)s of its jobs failed (%(failed)s of %(ended)s)") % told


def _latency(alert: Alert, facts: Mapping[str, Any]) -> str:
    return _("5 of 100 jobs waited %(value)s or longer for their start") % _value(alert)


def _stalled(alert: Alert, facts: Mapping[str, Any]) -> str:
    words = _("jobs stalled at least %(value)s") if facts.get("is_least") else _("jobs stalled %(value)s")
    return words % _value(alert)


def _no_worker(alert: Alert, facts: Mapping[str, Any]) -> str:
    return _("%(value)s waiting, and no worker") % _value(alert)


def _missed(alert: Alert, facts: Mapping[str, Any]) -> str:
    if facts.get("standing") == Standing.STUCK:
        return _("its next run was due %(value)s ago, and nothing will add it") % _value(alert)
    return _("its run is %(value)s late") % _value(alert)


def _behind(alert: Alert, facts: Mapping[str, Any]) -> str:
    found = _("the mirror is %(value)s behind") % _value(alert)
    return f"{found} ({facts['feed']})" if facts.get("feed") else found


def _memory(alert: Alert, facts: Mapping[str, Any]) -> str:
    used, most = (f"{int(facts.get(name) or 0) / 2**20:,.0f} MB" for name in ("used", "most"))
    told = _value(alert) | {"used": used, "most": most}
    if facts.get("is_machine"):
        return _("Redis uses %(value)s of the machine’s memory (%(used)s of %(most)s) and has no ceiling") % told
    return _("Redis uses %(value)s of its memory (%(used)s of %(most)s)") % told


def _silent(alert: Alert, facts: Mapping[str, Any]) -> str:
    found = _("Redis has not answered for %(value)s") % _value(alert)
    return f"{found} ({str(facts['trouble']).rstrip('.')})" if facts.get("trouble") and alert.value else found


_WHAT: Mapping[str, Callable[[Alert, Mapping[str, Any]], str]] = {
    "backlog": _backlog,
    "oldest_waiting": _oldest,
    "failure_rate": _failed,
    "latency": _latency,
    "stalled": _stalled,
    "no_worker": _no_worker,
    "scheduler_missed": _missed,
    "mirror_behind": _behind,
    "redis_memory": _memory,
    "redis_silent": _silent,
}
MOST_LINES = 30


def lines(alerts: Sequence[Alert], is_over: bool) -> list[str]:
    """One line for each, of many the first; each plain text of one line, whatever a queue is called."""
    found = [f"{one_line(place(a))}: {ending(a) if is_over else what(a)}" for a in alerts[:MOST_LINES]]
    more = len(alerts) - len(found)
    return [*found, *([_("… and %(n)s more") % {"n": f"{more:,}"}] if more > 0 else [])]


def one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
