"""What a channel is told: a title of one line, and text; for webhooks, data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from queues.alerting import words
from queues.models import Alert, AlertNotice
from queues.options import get_options
from queues.options.alert_rules import KINDS

LONGEST_TITLE = 180


def title(kind: str, alerts: Sequence[Alert]) -> str:
    """`[Toril] Backlog: mails` or `[Toril] Cleared: Backlog in 3 places`."""
    first, count = alerts[0], len(alerts)
    where = words.one_line(words.place(first)) if count == 1 else ngettext(
        "%(n)s place", "%(n)s places", count) % {"n": f"{count:,}"}  # fmt: skip
    told = f"{words.one_line(words.rule_name(first.rule, first.rule_name, first.kind))}: {where}"
    if kind == AlertNotice.Kind.CLEARED:
        told = _("Cleared: %(what)s") % {"what": told}
    return _short(f"[{site_title()}] {told}")


def text(kind: str, alerts: Sequence[Alert]) -> str:
    first = alerts[0]
    found = words.lines(alerts, is_over=kind == AlertNotice.Kind.CLEARED)
    rule = words.levels(first.fires, first.clears, first.hold_s, first.kind)
    about = _("Rule “%(name)s”: %(levels)s.") % {
        "name": words.one_line(words.rule_name(first.rule, first.rule_name, first.kind)),
        "levels": rule,
    }
    link = address(first.connection, first.pk if len(alerts) == 1 else None)
    return "\n".join([*found, "", about, *([link] if link else [])])


def site_title() -> str:
    dashboard = get_options().dashboard
    place = f" {dashboard.environment.text}" if dashboard.environment else ""
    return words.one_line(dashboard.title + place)


def address(connection: str, number: int | None = None) -> str:
    """Where the page of alerts, or of this one, is; empty where the settings don't say where the site is."""
    site = get_options().alerts.site
    if not site:
        return ""
    query = f"?{urlencode({'connection': connection})}" if connection != "default" else ""
    return f"{site}/admin/queues/alerts{f'/{number}' if number else ''}{query}"


def data(alert: Alert) -> dict[str, Any]:
    """For programs. Values are in the kind's unit; moments are ISO 8601."""
    return {
        "alert": alert.pk,
        "rule": alert.rule_name,
        "kind": alert.kind,
        "connection": alert.connection,
        "queue": alert.queue or None,
        "scheduler": alert.subject or None,
        "value": alert.value,
        "unit": KINDS[alert.kind].unit.value if alert.kind in KINDS else None,
        "firesAt": alert.fires,
        "clearsAt": alert.clears,
        "since": alert.since.isoformat(),
        "firedAt": alert.fired_at.isoformat() if alert.fired_at else None,
        "clearedAt": alert.cleared_at.isoformat() if alert.cleared_at else None,
        "summary": f"{words.one_line(words.place(alert))}: "
        + (words.ending(alert) if alert.phase == Alert.Phase.CLEARED else words.what(alert)),
        "url": address(alert.connection, alert.pk) or None,
    }


def _short(told: str) -> str:
    return told if len(told) <= LONGEST_TITLE else f"{told[: LONGEST_TITLE - 1]}…"
