"""Alerts turned by hand: the leader's duties, without the rest of the mirror; and rules as tests wish them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import F
from django.utils import timezone

from queues.mirror.alerts import AlertNotices, Alerts
from queues.mirror.leader import Leader
from queues.models import Alert, AlertNotice, AlertRule, AlertSilence, Queue
from queues.options import get_options, reset_options


def configured(settings: Any, **alerts: Any) -> None:
    """`TORIL["ALERTS"]` of this test; without the built-in rules where it does not ask for them."""
    settings.TORIL = {**settings.TORIL, "ALERTS": {"BUILT_IN": False, "GROUP_WAIT_S": 0, "GROUP_EVERY_S": 0} | alerts}
    reset_options()


@asynccontextmanager
async def looking(*connections: str) -> AsyncIterator[Alerts]:
    """The duty of the one who leads: each `turn` is a look."""
    leader = Leader()
    duty = Alerts(leader, connections or ["default"])
    await duty.database.call(leader.try_take)
    try:
        yield duty
    finally:
        await duty.database.call(leader.give_back)
        await duty.database.close()


@asynccontextmanager
async def sending(duty: Alerts | None = None) -> AsyncIterator[AlertNotices]:
    leader = duty.leader if duty else Leader()
    one = AlertNotices(leader)
    if duty is None:
        await one.database.call(leader.try_take)
    try:
        yield one
    finally:
        if duty is None:
            await one.database.call(leader.give_back)
        await one.database.close()


async def known(*names: str, connection: str = "default") -> None:
    """As the mirror keeps the queues that there are."""
    await Queue.objects.abulk_create([Queue(name=name, connection=connection) for name in names])


async def made(name: str, **definition: Any) -> AlertRule:
    """A rule as people make it."""
    return await AlertRule.objects.acreate(name=name, definition=json.dumps(definition), actor="ana")


async def earlier(seconds: float) -> None:
    """As if everything so far had been so much earlier."""
    back = timedelta(seconds=seconds)
    moments = {name: F(name) - back for name in ("since", "fired_at", "cleared_at", "told_at", "held_until")}
    await Alert.objects.aupdate(**moments)
    await AlertNotice.objects.aupdate(made_at=F("made_at") - back)


async def alerts() -> list[Alert]:
    return [alert async for alert in Alert.objects.order_by("queue", "subject", "pk")]


async def notices() -> list[AlertNotice]:
    return [notice async for notice in AlertNotice.objects.order_by("pk")]


in_database = sync_to_async


def rule_named(name: str) -> Any:
    return next(rule for rule in get_options().alerts.rules if rule.name == name)


def plant_alert(number: int, queue: str, **more: Any) -> Alert:
    """One that fires since a minute in this queue, and a silence of it."""
    now = timezone.now()
    told = {"rule": "built-in:backlog", "rule_name": "Backlog", "kind": "backlog", "connection": "default"}
    told |= {"fires": 10, "clears": 5, "value": 12, "peak": 20, "fired_value": 11, "hold_s": 60}
    told |= {"since": now - timedelta(minutes=2), "seen_at": now, "fired_at": now - timedelta(minutes=1)}
    told |= {"phase": "firing", "queue": queue, "digest": f"{number:032x}"} | more
    until = now + timedelta(hours=1)
    AlertSilence.objects.create(pk=number, connection="default", queue=queue, until=until, reason="μ", actor="άνα")
    return Alert.objects.create(pk=number, **told)
