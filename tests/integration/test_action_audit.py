"""Every action leaves a row: opened before it acts, closed with the outcome, whatever becomes of the request."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connection as database

from queues.actions import audit
from queues.actions.actor import Actor
from queues.actions.audit import AuditUnavailable, Deed, Done, of_done, record, settle
from queues.errors import RedisUnavailable, Refused
from queues.models import AuditEntry, Outcome

ana = Actor(None, "ana")

# An action on a queue asks Redis how old its library is.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("connection")]


def deed(**more) -> Deed:
    return Deed(
        **{"actor": ana, "action": "job.retry", "connection": "default", "queue": "chat", "job_id": "7", **more}
    )


async def row() -> AuditEntry:
    return await AuditEntry.objects.aget()


async def test_a_row_is_open_while_the_action_runs_and_closed_when_it_is_done():
    user = await get_user_model().objects.acreate(username="ana")
    seen = []

    async def act() -> Done:
        seen.append(await row())
        return Done("It was done.", affected=3)

    asked = deed(actor=Actor(user.pk, "ana"), parameters={"state": "failed"})
    assert (await record(asked, act, of_done)).affected == 3
    (opened,) = seen
    assert (opened.outcome, opened.closed_at, opened.get_outcome_display()) == ("opened", None, "outcome unknown")
    closed = await row()
    assert (closed.outcome, closed.message, closed.affected) == ("done", "It was done.", 3)
    assert closed.closed_at >= closed.at
    assert (closed.user_id, closed.actor, closed.action, closed.connection) == (user.pk, "ana", "job.retry", "default")
    assert (closed.queue, closed.job_id, closed.parameters) == ("chat", "7", '{"state":"failed"}')


@pytest.mark.parametrize(
    ("error", "outcome", "words"),
    [
        (Refused("It cannot be."), Outcome.REFUSED, "It cannot be."),
        (RedisUnavailable("Redis is away."), Outcome.FAILED, "Redis is away. Whether it was done is unknown."),
        (ZeroDivisionError("secret"), Outcome.FAILED, "An error in Toril: ZeroDivisionError."),
    ],
)
async def test_an_action_that_raises_closes_its_row_and_raises_on(error, outcome, words):
    async def act() -> Done:
        raise error

    with pytest.raises(type(error)):
        await record(deed(), act, of_done)
    closed = await row()
    assert (closed.outcome, closed.message, closed.affected) == (outcome, words, 0)


async def test_a_cancelled_request_neither_stops_the_action_nor_leaves_its_row_open():
    begun, go_on, acted = asyncio.Event(), asyncio.Event(), []

    async def act() -> Done:
        begun.set()
        await go_on.wait()
        acted.append(1)
        return Done("It was done.")

    asked = deed()
    request = asyncio.create_task(record(asked, act, of_done))
    await begun.wait()
    request.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert asked.is_unwanted
    assert not request.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert acted == [1]
    assert (await row()).outcome == Outcome.DONE


async def test_a_request_cancelled_twice_is_let_go_and_the_row_is_closed_all_the_same():
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def act() -> Done:
        begun.set()
        await go_on.wait()
        return Done("It was done.")

    request = asyncio.create_task(record(deed(), act, of_done))
    await begun.wait()
    request.cancel()
    await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (await row()).outcome == Outcome.OPENED
    go_on.set()
    await settle()
    assert (await row()).outcome == Outcome.DONE
    assert not audit._under_way


async def test_an_action_that_fails_after_its_request_has_gone_is_no_loose_end():
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def act() -> Done:
        begun.set()
        await go_on.wait()
        raise Refused("It cannot be.")

    request = asyncio.create_task(record(deed(), act, of_done))
    await begun.wait()
    request.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (await row()).outcome == Outcome.REFUSED


async def test_a_server_that_is_told_to_stop_waits_for_the_row(monkeypatch):
    """daphne cancels what it serves and waits for it; Django's handler leaves its view behind when it is cancelled."""
    from dashboard import asgi

    begun, go_on = asyncio.Event(), asyncio.Event()

    async def act() -> Done:
        begun.set()
        await go_on.wait()
        return Done("It was done.")

    async def pages(_scope, _receive, _send) -> None:
        await asyncio.wait([asyncio.create_task(record(deed(), act, of_done))])

    monkeypatch.setattr(asgi, "pages", pages)
    request = asyncio.create_task(asgi.http({}, None, None))
    await begun.wait()
    request.cancel()
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (await row()).outcome == Outcome.DONE


async def test_no_trace_no_action():
    acted = []

    async def act() -> Done:
        acted.append(1)
        return Done("It was done.")

    def rename(old: str, new: str) -> None:
        with database.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    await sync_to_async(rename)("toril_auditentry", "hidden")
    try:
        with pytest.raises(AuditUnavailable, match="Nothing was done"):
            await record(deed(), act, of_done)
    finally:
        await sync_to_async(rename)("hidden", "toril_auditentry")
    assert acted == []


async def test_what_was_done_is_told_even_if_its_row_cannot_be_closed(caplog):
    def drop() -> None:
        with database.cursor() as cursor:
            cursor.execute("ALTER TABLE toril_auditentry RENAME TO hidden")

    async def act() -> Done:
        await sync_to_async(drop)()
        return Done("It was done.")

    def restore() -> None:
        with database.cursor() as cursor:
            cursor.execute("ALTER TABLE hidden RENAME TO toril_auditentry")

    try:
        assert (await record(deed(), act, of_done)).message == "It was done."
    finally:
        await sync_to_async(restore)()
    assert (await row()).outcome == Outcome.OPENED
    assert "stays open" in caplog.text


async def test_names_of_any_length_and_kind_are_recorded():
    async def act() -> Done:
        return Done("It was done.")

    await record(deed(queue="q" * 5_000, job_id="\0" + "é🐂" * 2_000), act, of_done)
    closed = await row()
    assert len(closed.queue) == 512
    assert closed.job_id.startswith("\ufffd00é")


async def test_an_action_of_a_user_who_is_gone_is_refused_rather_than_unsigned():
    async def act() -> Done:
        raise AssertionError("acted")

    with pytest.raises(AuditUnavailable):
        await record(deed(actor=Actor(10**6, "ghost")), act, of_done)
