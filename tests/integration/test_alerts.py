"""What fires, when, and when it clears: every kind of rule against a real Redis, looked at by hand."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from queues.models import Alert, AlertLook, MirrorReport, Queue, Stall
from tests.alerting import alerts, configured, earlier, known, looking
from tests.mirroring import add, finish, redis, start

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = {"HOLD_S": 0, "COOLDOWN_S": 0}


async def phases() -> list[tuple[str, str]]:
    return [(alert.queue, alert.phase) for alert in await alerts()]


async def test_a_backlog_fires_after_its_hold_and_clears_at_its_own_level(connection, settings):
    configured(settings, RULES={"Deep": {"KIND": "backlog", "FIRES": 4, "CLEARS": 1, "HOLD_S": 60, "QUEUE": "mail*"}})
    await known("mails", "chat")
    await add(connection, "mails", 3)
    await add(connection, "chat", 9)
    async with looking() as duty:
        await duty.turn()
        assert await phases() == []
        await add(connection, "mails", 2)
        await duty.turn()
        assert await phases() == [("mails", "pending")]
        await earlier(61)
        await duty.turn()
        (one,) = await alerts()
        assert (one.phase, one.value, one.peak, one.fires, one.clears) == ("firing", 5, 5, 4, 1)
        await finish(connection, "mails", await start(connection, "mails", 3))
        await duty.turn()
        assert await phases() == [("mails", "firing")], "below its level is not yet at the level where it clears"
        await finish(connection, "mails", await start(connection, "mails", 1))
        await duty.turn()
        (one,) = await alerts()
        assert (one.phase, one.value, one.peak, one.ended_by) == ("cleared", 1, 5, "")
        await duty.turn()
        assert len(await alerts()) == 1
