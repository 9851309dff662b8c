"""The leader's duties of alerts: every rule is looked at once per installation, and who is to be told is told.

Where no mirror leads nobody looks: pages and `/metrics` say so, and the heartbeat (docs/alerts.md) is missing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from queues.alerting import books, channels
from queues.alerting.gathering import Gathered, Slow, Wanted, gather
from queues.alerting.rules import rules
from queues.delivery.sending import post
from queues.lookups.alerts import FRESH_S
from queues.mirror.leader import Leader
from queues.mirror.thread import DatabaseThread
from queues.models import AlertLook, AlertNotice
from queues.options import get_options
from queues.options.alert_rules import Rule

log = logging.getLogger(__name__)

#: How often every rule is looked at; where a look takes long, it rests so many times as long, but no longer than this:
#: what is looked at too seldom (`judging.LONGEST_GAP`, FRESH) never fires.
EVERY_S = 5.0
REST, LONGEST_REST_S = 10, 20.0
PRUNE_EVERY_S = 600.0
#: How often to look for messages that are due, how many are sent at once, and how long nobody else tries one of them.
POLL_S = 1.0
TOGETHER = 10
CLAIMED = timedelta(seconds=90)
#: What failed is tried again after so many seconds, then given up.
AGAIN_S = (15, 60, 120, 300, 600, 1_800, 3_600)
HEARTBEAT_EVERY_S = 60.0
#: Looks older than this are no sign of life.
FRESH = timedelta(seconds=FRESH_S)


class Alerts:
    """Duties: 1. look at every connection, 2. judge and write, 3. prune."""

    name = "alerts"

    def __init__(self, leader: Leader, connections: Sequence[str]) -> None:
        self.leader, self.database = leader, DatabaseThread("mirror-alerts")
        self.connections = list(connections)
        self._slow: dict[str, Slow] = {}
        self._silent: dict[str, float | None] = {}
        self._prune_at = time.monotonic()

    async def turn(self) -> float:
        began = time.monotonic()
        every = await self.database.call(rules)
        for connection in self.connections:
            wanted = [rule for rule in every if rule.is_on and rule.fits_connection(connection)]
            await self._look(connection, wanted)
        if time.monotonic() >= self._prune_at:
            is_more = await self.database.call(books.prune, self.leader.check, timezone.now())
            self._prune_at = time.monotonic() + (1.0 if is_more else PRUNE_EVERY_S)
        return rest_s(time.monotonic() - began)

    async def _look(self, connection: str, wanted: Sequence[Rule]) -> None:
        found = await gather(connection, wanted_of(wanted), self._slow.get(connection, Slow()))
        self._slow[connection] = found.slow
        found = replace(found, silent_since=await self._silence(connection, found))
        verdict = await self.database.call(books.settle, self.leader.check, wanted, found)
        for alert in verdict.fired:
            log.warning("alert %d fires: %s, connection %s %s", alert.pk, alert.rule_name, connection, alert.queue)
        for alert in verdict.cleared:
            log.info("alert %d has cleared: %s, connection %s %s", alert.pk, alert.rule_name, connection, alert.queue)

    async def _silence(self, connection: str, found: Gathered) -> float | None:
        """Since when this Redis does not answer, also by whoever led before."""
        if found.facts is not None:
            self._silent[connection] = None
        elif self._silent.get(connection) is None:
            since = await self.database.call(_silent_since, connection)
            self._silent[connection] = since or found.at
        return self._silent[connection]


def rest_s(took_s: float) -> float:
    """How long to rest after a look that took so long."""
    return min(max(EVERY_S, REST * took_s), LONGEST_REST_S)


def wanted_of(wanted: Iterable[Rule]) -> Wanted:
    windows: dict[str, set[int]] = {}
    for rule in wanted:
        windows.setdefault(rule.kind, set()).add(rule.window_s)
    return Wanted(frozenset(windows), {kind: frozenset(some) for kind, some in windows.items()})


def _silent_since(connection: str) -> float | None:
    row = AlertLook.objects.filter(connection=connection).first()
    return row.silent_since.timestamp() if row and row.silent_since else None


class AlertNotices:
    """Duties: 1. send what is due, again where that failed, 2. give the sign of life."""

    name = "alert-notices"

    def __init__(self, leader: Leader) -> None:
        self.leader, self.database = leader, DatabaseThread("mirror-alert-notices")
        self._beat_at = time.monotonic()

    async def turn(self) -> float:
        waiting = await self.database.call(books.due, timezone.now(), TOGETHER)
        await asyncio.gather(*[self._send(notice) for notice in waiting])
        if get_options().alerts.heartbeat_url and time.monotonic() >= self._beat_at:
            await self._beat()
        return 0.0 if len(waiting) == TOGETHER else POLL_S

    async def _send(self, notice: AlertNotice) -> None:
        if not await self.database.call(books.claim, self.leader.check, notice, timezone.now() + CLAIMED):
            return
        channel = get_options().alerts.channel(notice.channel)
        if channel is None:
            await self.database.call(books.close, notice, "This channel is not configured any more.", None, None)
            return
        outcome = await channels.send(channel, notice.title, notice.text)
        now, tries = timezone.now(), notice.tries + 1
        if outcome.is_sent:
            await self.database.call(books.close, notice, outcome.said, now, None)
            return
        log.warning("channel %s was not told: %s", channel.name, outcome.said)
        again = now + timedelta(seconds=AGAIN_S[tries - 1]) if tries <= len(AGAIN_S) else None
        await self.database.call(books.close, notice, outcome.said, None, again)

    async def _beat(self) -> None:
        """Only where rules are looked at: it is this that somebody watches from outside."""
        looked = await self.database.call(books.looked_at)
        if looked is None or timezone.now() - looked > FRESH:
            return
        self._beat_at = time.monotonic() + HEARTBEAT_EVERY_S
        answer = await post(get_options().alerts.heartbeat_url, b"", {}, timeout_s=channels.POST_S)
        if not answer.is_ok:
            log.warning("the heartbeat was not taken: %s", answer.error or answer.status)
