"""Who paused a queue, told by the audit table in one query."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from queues.actions.actor import Actor
from queues.actions.queues import pause_queue, resume_queue
from queues.lookups.audit import paused_by
from queues.models import AuditEntry, Outcome
from queues.protocol import writes
from tests.planting import plant_waiting

ana, bob = Actor(None, "ana"), Actor(None, "bob")

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_paused_queue_knows_who_paused_it_last(connection):
    for name in ("chat", "mail", "scan"):
        await plant_waiting(connection, name)
    await pause_queue(bob, connection, "chat")
    await resume_queue(bob, connection, "chat")
    await pause_queue(ana, connection, "chat")
    await pause_queue(bob, connection, "mail")
    found = await paused_by(connection, ["chat", "mail", "scan", "nope"])
    assert {name: entry.actor for name, entry in found.items()} == {"chat": "ana", "mail": "bob"}
    assert found["chat"].at


async def test_who_pauses_what_is_paused_already_did_not_pause_it(connection):
    await plant_waiting(connection, "chat")
    await pause_queue(ana, connection, "chat")
    await pause_queue(bob, connection, "chat")
    assert (await paused_by(connection, ["chat"]))["chat"].actor == "ana"


async def test_a_pause_from_elsewhere_after_our_resume_is_nobodys(connection):
    await plant_waiting(connection, "chat")
    await pause_queue(ana, connection, "chat")
    await resume_queue(ana, connection, "chat")
    await writes.pause(connection, "chat")
    assert await paused_by(connection, ["chat"]) == {}


async def test_another_connections_queue_of_the_same_name_and_a_failed_pause_do_not_count(connection):
    await AuditEntry.objects.acreate(
        actor="ana", action="queue.pause", connection="other", queue="chat", outcome=Outcome.DONE, affected=1
    )
    await AuditEntry.objects.acreate(actor="ana", action="queue.pause", queue="chat", outcome=Outcome.FAILED)
    assert await paused_by(connection, ["chat"]) == {}


def test_all_queues_cost_one_query(connection, transactional_db):
    with CaptureQueriesContext(database) as queries:
        async_to_sync(paused_by)(connection, [f"q{n}" for n in range(300)])
    assert len(queries) == 1
