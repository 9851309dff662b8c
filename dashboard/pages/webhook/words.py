"""How a webhook and its deliveries stand, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import links
from dashboard.moments import as_ms, now_ms, relative
from queues.lookups.webhooks import MOST_COUNTED, Standing
from queues.models import Delivery, Endpoint

KIND_WORDS = {
    "job.completed": gettext_lazy("a job completed"),
    "job.failed": gettext_lazy("a job failed for good: no attempt is left"),
    "queue.paused": gettext_lazy("a queue was paused, by whomever"),
    "queue.resumed": gettext_lazy("a paused queue runs again"),
    "operation.ended": gettext_lazy("an operation is done or was cancelled"),
    "alert.fired": gettext_lazy("an alert fired"),
    "alert.cleared": gettext_lazy("an alert cleared"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A webhook as a list or its page shows it."""

    row: Endpoint
    standing: Standing

    @property
    def url(self) -> str:
        return links.webhook_url(self.row.connection, self.row.pk)

    @property
    def host(self) -> str:
        """An address may hold a secret in its path; where it leads is no secret."""
        return urlsplit(self.row.url).netloc

    @property
    def kinds(self) -> list[str]:
        return list(json.loads(self.row.kinds))

    @property
    def queues(self) -> list[str]:
        return list(json.loads(self.row.queues))

    @property
    def names(self) -> list[str]:
        return list(json.loads(self.row.names))

    @property
    def data(self) -> list[str]:
        return [f"{place} = {wanted}" for place, wanted in json.loads(self.row.data).items()]

    @property
    def waiting(self) -> str:
        return counted(self.standing, Delivery.State.WAITING)

    @property
    def failed(self) -> str:
        return counted(self.standing, Delivery.State.FAILED)

    @property
    def is_bad(self) -> bool:
        return bool(self.row.failing_since) or (not self.row.enabled and self.row.why != Endpoint.Why.PERSON)

    @property
    def is_orphan(self) -> bool:
        """It is told nothing: nobody's rights stand for it."""
        return self.row.maker is None or not self.row.maker.is_active

    @property
    def words(self) -> str:
        row = self.row
        if not row.enabled:
            why = row.get_why_display()
            return _("Disabled %(ago)s: %(why)s.") % {"ago": ago(row.disabled_at), "why": why}
        if self.is_orphan:
            return _("Told nothing: the account that made it is gone or inactive.")
        if row.failing_since:
            return _("Failing, first %(ago)s. %(error)s") % {"ago": ago(row.failing_since), "error": row.error}
        if row.succeeded_at:
            return _("Received %(ago)s.") % {"ago": ago(row.succeeded_at)}
        return _("Nothing was sent yet.")

    @property
    def held(self) -> str:
        """It asked to be left alone."""
        until = self.row.held_until
        if until is None or until <= timezone.now():
            return ""
        return _("It asked to be left alone until %(moment)s.") % {"moment": f"{until:%Y-%m-%d %H:%M:%S} UTC"}


def ago(moment: datetime | None) -> str:
    ms = as_ms(moment)
    return "" if ms is None else relative(ms, now_ms())


def counted(standing: Standing, state: str) -> str:
    """`37`; `10,000+` where there are more than are counted."""
    number = standing.counts.get(str(state), 0)
    return f"{MOST_COUNTED:,}+" if number > MOST_COUNTED else f"{number:,}"


def delivery_words(row: Delivery) -> str:
    """What became of it."""
    if row.state == Delivery.State.SENT:
        return _("received: %(status)s") % {"status": row.status}
    if row.state == Delivery.State.FAILED:
        return _("given up. %(error)s") % {"error": row.error}
    if not row.round_tries:
        return _("waits to be sent")
    ms = as_ms(row.due_at)
    when = "" if ms is None else relative(ms, now_ms()) if ms > now_ms() else _("now")
    return _("tried again %(when)s. %(error)s") % {"when": when, "error": row.error}
