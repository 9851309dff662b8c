"""What happens is told to webhooks: once for each ending, to whom may hear of it, signed, and until it is received."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.db import transaction
from django.utils import timezone

from dashboard.models import QueueGrant
from queues.actions import queues as queue_actions
from queues.actions.actor import Actor
from queues.delivery import books, notices, outbox, sealing, steering
from queues.delivery.notices import tell_maker
from queues.delivery.sender import Sender
from queues.delivery.wishes import wish
from queues.errors import Refused
from queues.lookups.webhooks import deliveries
from queues.mirror.endings import Endings
from queues.mirror.happenings import Happenings
from queues.mirror.thread import DatabaseThread
from queues.models import AuditEntry, Cursor, Delivery, DeliveryTry, Endpoint, Job, Operation, Queue
from queues.options import reset_options
from queues.protocol import writes
from tests.eventually import eventually
from tests.mirroring import add, finish, mirror_running, start
from tests.operating import leading
from tests.receiving import answer, receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

KINDS = ["job.completed", "job.failed", "queue.paused", "queue.resumed"]
State = Delivery.State
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def on_loopback(settings: Any, connection: str) -> None:
    settings.TORIL = settings.TORIL | {"WEBHOOKS": {"ALLOW": ["127.0.0.1"], "RETRIES_S": [0, 0, 0], "TIMEOUT_S": 60}}


@sync_to_async
def maker(name: str = "root", *abilities: str, queue: str = "") -> User:
    """A superuser where nothing is said; else staff with these abilities, on all queues or on those that fit."""
    user = User.objects.create_user(name, f"{name}@example.com", is_staff=True, is_superuser=not abilities)
    if queue:
        QueueGrant.objects.create(user=user, connection="*", queue=queue, abilities=list(abilities))
    else:
        user.user_permissions.set(Permission.objects.filter(codename__in=abilities, content_type__app_label="toril"))
    return user


async def endpoint(user: User, url: str, kinds: list[str] = KINDS, **wished: Any) -> tuple[Endpoint, str]:
    secret = sealing.new_secret()
    lists = {name: json.dumps(wished.pop(name)) for name in ("queues", "names", "data") if name in wished}
    told = {"name": user.username, "since": timezone.now(), "kinds": json.dumps(kinds), "maker_name": user.username}
    row = await Endpoint.objects.acreate(url=url, maker=user, secret=sealing.seal(secret), **(told | lists | wished))
    return row, secret


async def end(connection: str, queue: str, data: str = "{}", *, is_failed: bool = False, **more: Any) -> None:
    await add(connection, queue, data=data, **more)
    done = await start(connection, queue)
    await finish(connection, queue, done, "it broke" if is_failed else '{"sum": 3}', is_failed=is_failed)


@asynccontextmanager
async def sending() -> AsyncIterator[Sender]:
    """The sender, turned by hand."""
    database = DatabaseThread()
    async with leading() as leader:
        try:
            yield Sender(database.call, leader.check)
        finally:
            await database.close()


@asynccontextmanager
async def feeding() -> AsyncIterator[Endings]:
    async with leading() as leader:
        feed = Endings(leader)
        try:
            yield feed
        finally:
            await feed.database.close()


async def turned(feed: Endings) -> None:
    while await feed.turn() == 0.0:
        pass


_changes = iter(range(1, 10_000))


async def ended(queue: str = "mails-1", state: str = "completed", ago_s: float = 0.0, **fields: Any) -> Job:
    """A row as the mirror writes it of a job that ended."""
    now, change = int((time.time() - ago_s) * 1000), next(_changes)
    told = {"job_id": str(change), "name": "invoice", "data": "{}", "timestamp_ms": now - 50, "finished_on_ms": now}
    return await Job.objects.acreate(queue=queue, state=state, change=change, **(told | fields))


async def waiting(row: Endpoint, count: int = 1) -> None:
    for number in range(count):
        await sync_to_async(outbox.make)(_told(f"{row.pk}-{number}"), row)


def _told(key: str) -> Any:
    from queues.delivery.selecting import Happening

    return Happening("job.failed", "default", "mails-1", {"queue": "mails-1"}, timezone.now(), key)


async def test_an_ending_is_told_once_signed_and_again_under_its_id_until_it_is_received(connection: str) -> None:
    failures = iter([answer(500, "not now"), answer(503), answer(302, Location="http://127.0.0.1/")])
    async with receiver(lambda _: next(failures, answer(200, "thanks"))) as there, mirror_running(connection):
        row, secret = await endpoint(await maker(), there.url)
        await end(connection, "mails", job_id="one")
        await eventually(lambda: len(there.received) == 4)
        await eventually(lambda: Delivery.objects.filter(state=State.SENT).acount())
    assert len(there.ids) == 1
    assert all(each.is_signed_with(secret) for each in there.received)
    assert not there.received[0].is_signed_with(sealing.new_secret())
    assert {each.body for each in there.received} == {there.received[0].body}
    told = there.received[0].told
    assert told["type"] == "job.completed"
    assert (told["data"]["queue"], told["data"]["jobId"], told["data"]["state"]) == ("mails", "one", "completed")
    assert "data" not in told["data"]
    assert told["timestamp"] == told["data"]["finishedAt"]
    attempts = [(each.status, each.answer) async for each in DeliveryTry.objects.order_by("pk")]
    assert attempts == [(500, "not now"), (503, ""), (302, ""), (200, "thanks")]
    await row.arefresh_from_db()
    assert row.failing_since is None
    assert row.succeeded_at is not None


async def test_every_ending_of_a_job_is_told_and_every_pause_whoever_it_was(connection: str) -> None:
    async with receiver() as there, mirror_running(connection):
        await endpoint(await maker(), there.url, with_payload=True)
        await end(connection, "mails", '{"to": "ana", "password": "hunter2"}', is_failed=True, job_id="again")
        await eventually(lambda: len(there.received) == 1)
        await writes.retry_jobs(connection, "mails", (await Job.objects.aget()).state_enum, ["again"])
        await finish(connection, "mails", await start(connection, "mails"))
        await eventually(lambda: len(there.received) == 2)
        await queue_actions.pause_queue(Actor(None, "ana"), connection, "mails")
        await eventually(lambda: len(there.received) == 3)
        await writes.resume(connection, "mails")
        await eventually(lambda: len(there.received) == 4)
        rows = await Delivery.objects.acount()
    kinds = [each.told["type"] for each in there.received]
    assert kinds == ["job.failed", "job.completed", "queue.paused", "queue.resumed"]
    assert (len(there.ids), rows) == (4, 4)
    failed = there.received[0].data
    assert failed["data"] == {"to": "ana", "password": "•••"}
    assert failed["failedReason"] == "it broke"
    assert there.received[1].data["result"] == "done"
    assert there.received[2].data == {"connection": "default", "queue": "mails"}


#: What is wished, what the maker may, what ended → whether it is told, and whether with what the job carries.
WIDE = ("view", "view_payload", "webhooks")
CASES: dict[str, tuple[dict[str, Any], tuple[str, ...], dict[str, Any], bool, bool]] = {
    "everything": ({}, WIDE, {}, True, False),
    "with payload": ({"with_payload": True}, WIDE, {}, True, True),
    "payload unread": ({"with_payload": True}, ("view", "webhooks"), {}, True, False),
    "unseen": ({}, ("webhooks",), {}, False, False),
    "without the ability": ({}, ("view", "view_payload"), {}, False, False),
    "another kind": ({"kinds": ["job.completed"]}, WIDE, {"state": "failed"}, False, False),
    "another connection": ({"connection": "other"}, WIDE, {}, False, False),
    "a queue that fits": ({"queues": ["chat", "mails-*"]}, WIDE, {}, True, False),
    "no queue that fits": ({"queues": ["mails-2"]}, WIDE, {}, False, False),
    "a name that fits": ({"names": ["inv*"]}, WIDE, {}, True, False),
    "no name that fits": ({"names": ["letter"]}, WIDE, {}, False, False),
    "data that fits": ({"data": {"plan.tier": "pro", "items.0": "7"}}, WIDE, {}, True, False),
    "data that differs": ({"data": {"plan.tier": "free"}}, WIDE, {}, False, False),
    "data that is not there": ({"data": {"plan.none": "null"}}, WIDE, {}, False, False),
    "data behind a mask": ({"data": {"password": "hunter2"}}, WIDE, {}, False, False),
    "data unread": ({"data": {"plan.tier": "pro"}}, ("view", "webhooks"), {}, False, False),
    "not ended": ({}, WIDE, {"state": "active"}, False, False),
    "before the webhook was": ({}, WIDE, {"ago_s": 60.0}, False, False),
    "disabled": ({"enabled": False}, WIDE, {}, False, False),
    "long ago": ({"since": timezone.now() - timedelta(days=400)}, WIDE, {"ago_s": 31 * 86_400.0}, False, False),
}
DATA = '{"plan": {"tier": "pro"}, "items": [7], "password": "hunter2"}'


async def test_who_is_told_what_of_an_ending() -> None:
    """Each case with a maker and a webhook of its own, all told at once of endings that only their own fits."""
    for number, (wished, abilities, _job, _is_told, _carries) in enumerate(CASES.values()):
        user = await maker(f"u{number}", *abilities)
        await endpoint(user, "https://example.com/", **({"kinds": ["job.completed", "job.failed"]} | wished))
    told = []
    endings = [await ended(**({"data": DATA} | job)) for _wished, _abilities, job, *_ in CASES.values()]
    async with feeding() as feed:
        await turned(feed)
    for number, row in enumerate(endings):
        rows = [each async for each in Delivery.objects.filter(endpoint__name=f"u{number}", job_id=row.job_id)]
        carried = [json.loads(each.body)["data"].get("data") for each in rows]
        assert all(each in (None, {"plan": {"tier": "pro"}, "items": [7], "password": "•••"}) for each in carried)
        assert [each.has_payload for each in rows] == [each is not None for each in carried]
        told.append((len(rows) == 1, carried not in ([], [None])))
    assert dict(zip(CASES, told, strict=True)) == {name: case[3:] for name, case in CASES.items()}


async def test_whose_grants_are_on_some_queues_hears_of_these_alone_and_of_no_connection() -> None:
    row, _ = await endpoint(await maker("ana", *WIDE, queue="mails-*"), "https://example.com/", [*KINDS, "alert.fired"])
    for queue in ("mails-1", "hidden-chat"):
        await ended(queue)
    async with feeding() as feed:
        await turned(feed)
    for queue in ("mails-2", "hidden-chat", ""):
        await sync_to_async(outbox.tell)("alert.fired", {}, connection="default", queue=queue)
    assert [each.queue async for each in row.deliveries.order_by("pk")] == ["mails-1", "mails-2"]


async def test_an_ending_is_told_once_however_often_its_row_is_written_or_read_again() -> None:
    await endpoint(await maker(), "https://example.com/")
    job = await ended()
    async with feeding() as feed:
        await turned(feed)
        for change, fields in ((20_000, {}), (20_001, {"removed_at": timezone.now()})):
            await Job.objects.filter(pk=job.pk).aupdate(change=change, **fields)
            await turned(feed)
        await Cursor.objects.filter(name="endings").aupdate(at=0)
        await turned(feed)
    assert await Delivery.objects.acount() == 1


async def test_the_end_of_an_operation_is_told_once_to_who_hears_of_all_its_queues() -> None:
    row, _ = await endpoint(await maker(), "https://example.com/", ["operation.ended"])
    some, _ = await endpoint(await maker("ana", *WIDE, queue="mails-*"), "https://example.com/", ["operation.ended"])
    told = {"action": "retry", "target": "{}", "actor": "ana", "phase": "done", "ended_at": timezone.now(), "done": 3}
    for queues in (["mails-1"], ["mails-1", "mails-2"], []):
        await Operation.objects.acreate(queues=json.dumps(queues), total=4, stayed=1, **told)
    for _again in range(2):
        async with leading() as leader:
            one = Happenings(leader)
            await one.turn()
            assert len(one._told) == 3
            await one.turn()
            await Operation.objects.filter(queues="[]").aupdate(ended_at=timezone.now() - timedelta(hours=2))
            await one.turn()
            # What is not looked at again need not be remembered: this process may live for months.
            assert len(one._told) == 2
            await Operation.objects.filter(queues="[]").aupdate(ended_at=told["ended_at"])
            await one.database.close()
    assert [await Delivery.objects.filter(endpoint=each).acount() for each in (row, some)] == [3, 1]
    body = json.loads((await row.deliveries.order_by("pk").afirst()).body)
    assert {name: body["data"][name] for name in ("action", "phase", "total", "done", "stayed")} == {
        "action": "retry", "phase": "done", "total": 4, "done": 3, "stayed": 1,
    }  # fmt: skip


async def test_a_pause_is_told_once_and_a_queue_that_is_gone_does_not_run_again() -> None:
    row, _ = await endpoint(await maker(), "https://example.com/")
    for name in ("mails", "gone", "chat"):
        await Queue.objects.acreate(name=name, is_paused=name != "chat")
    async with leading() as leader:
        one = Happenings(leader)
        for _again in range(2):
            await one.turn()
        await Queue.objects.filter(name="gone").aupdate(removed_at=timezone.now())
        await Queue.objects.filter(name="mails").aupdate(is_paused=False)
        for _again in range(2):
            await one.turn()
        await one.database.close()
    told = [(each.kind, each.queue) async for each in row.deliveries.order_by("pk")]
    assert told == [("queue.paused", "mails"), ("queue.paused", "gone"), ("queue.resumed", "mails")]


async def test_with_nobody_to_tell_what_ended_is_passed_over() -> None:
    job = await ended()
    async with feeding() as feed:
        await turned(feed)
        await endpoint(await maker(), "https://example.com/", since=timezone.now() - timedelta(hours=1))
        await turned(feed)
        assert (await Cursor.objects.aget(name="endings")).at == job.change
    assert not await Delivery.objects.aexists()


async def test_a_receiver_that_hangs_holds_up_no_other_and_nothing_is_left_behind() -> None:
    user = await maker()
    async with receiver(lambda _: None) as hanging, receiver() as well, sending() as sender:
        slow, _ = await endpoint(user, hanging.url)
        quick, _ = await endpoint(user, well.url)
        await waiting(slow, 30)
        await waiting(quick, 30)
        turning = asyncio.create_task(sender.turn())
        await eventually(lambda: len(well.ids) == 30)
        await eventually(lambda: Delivery.objects.filter(endpoint=quick, state=State.SENT, due_at=None).acount(), 30)
        assert len(hanging.received) == 8
        turning.cancel()
        await asyncio.wait({turning})
        assert turning.cancelled()
    assert await Delivery.objects.filter(endpoint=slow, state=State.WAITING, tries=0).acount() == 30


async def test_a_receiver_that_is_gone_asks_for_time_or_fails_for_long_is_let_be() -> None:
    user, long_ago = await maker("ana", *WIDE), timezone.now() - timedelta(hours=121)
    async with (
        receiver(lambda _: answer(410)) as gone,
        receiver(lambda _: answer(503, Retry_After="3600")) as busy,
        receiver(lambda _: answer(500)) as broken,
        sending() as sender,
    ):
        rows = [(await endpoint(user, each.url, name=name))[0] for each, name in ((gone, "gone"), (busy, "busy"))]
        rows.append((await endpoint(user, broken.url, name="broken", failing_since=long_ago))[0])
        sealed_otherwise = sealing.seal("x")[:-8] + "AAAAAAA="
        rows.append((await endpoint(user, broken.url, name="sealed"))[0])
        await Endpoint.objects.filter(pk=rows[3].pk).aupdate(secret=sealed_otherwise)
        for row in rows:
            await waiting(row, 12)
        await sender.turn()
        received = [len(each.received) for each in (gone, busy, broken)]
        await sender.turn()
        assert [len(each.received) for each in (gone, busy, broken)] == received, "nothing more until it is enabled"
    standing = {row.name: row async for row in Endpoint.objects.all()}
    why = {name: (row.enabled, row.why) for name, row in standing.items()}
    assert why == {
        "gone": (False, "gone"), "busy": (True, ""), "broken": (False, "failing"), "sealed": (False, "secret"),
    }  # fmt: skip
    assert standing["busy"].held_until > timezone.now() + timedelta(minutes=58)
    assert sorted(each.subject for each in mail.outbox) == [
        f"Webhook “{n}” was disabled" for n in ("broken", "gone", "sealed")
    ]
    assert {tuple(each.to) for each in mail.outbox} == {("ana@example.com",)}
    recorded = AuditEntry.objects.filter(action="webhook.disable", actor="Toril")
    assert await recorded.acount() == 3
    for row, kept in ((rows[0], 4), (rows[3], 12)):
        await steering.enable(Actor(user.pk, "ana"), row.pk)
        assert await Delivery.objects.filter(endpoint=row, due_at__isnull=False).acount() == kept


async def test_where_its_maker_cannot_be_mailed_those_who_are_mailed_alerts_hear_that_it_was_disabled(
    settings: Any,
) -> None:
    told = {"CHANNELS": {"ops": {"MAIL": ["ops@example.com"]}}, "SITE": "https://ops.example"}
    settings.TORIL = settings.TORIL | {"ALERTS": told}
    reset_options()
    user = await maker("ana")
    row, _secret = await endpoint(user, "https://hooks.example/x", connection="replica")
    for about in ({}, {"email": ""}, {"email": "ana@example.com", "is_active": False}):
        await User.objects.filter(pk=user.pk).aupdate(**about)
        await tell_maker(row, lambda function, *given: sync_to_async(function)(*given))
    assert [each.to for each in mail.outbox] == [["ana@example.com"], ["ops@example.com"], ["ops@example.com"]]
    assert f"https://ops.example/admin/queues/webhooks/{row.pk}?connection=replica" in mail.outbox[0].body


async def test_makers_of_many_that_are_disabled_together_are_mailed_together(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TORIL = settings.TORIL | {"WEBHOOKS": settings.TORIL["WEBHOOKS"] | {"MOST_WAITING": 100}}
    together, mailed = threading.Barrier(2), []

    def slow(subject: str, *_: Any) -> None:
        together.wait(60)
        mailed.append(subject)

    monkeypatch.setattr(notices, "send_mail", slow)
    monkeypatch.setattr(notices, "LONGEST_S", 600)
    user = await maker("ana")
    for name in ("one", "two"):
        row, _secret = await endpoint(user, "https://hooks.example/x", name=name, held_until=timezone.now() + HOUR)
        await waiting(row, 101)
    async with sending() as sender:
        await sender.turn()
    assert sorted(mailed) == ["Webhook “one” was disabled", "Webhook “two” was disabled"]


async def test_rights_are_asked_again_before_it_is_sent() -> None:
    user = await maker("ana", *WIDE)
    await endpoint(user, "https://example.com/", with_payload=True)
    await ended(data=DATA)
    async with feeding() as feed:
        await turned(feed)
    async with receiver() as there, sending() as sender:
        await Endpoint.objects.aupdate(url=there.url)
        await user.user_permissions.aremove(await Permission.objects.aget(codename="view_payload"))
        await sender.turn()
        row = await Delivery.objects.aget()
        assert (row.state, there.connections) == (State.FAILED, 0)
        assert "may not read what jobs of this queue carry" in row.error
        assert (await Endpoint.objects.aget()).failing_since is None


async def test_while_a_secret_is_rotated_both_sign_and_then_the_new_one_alone() -> None:
    user = await maker()
    async with receiver() as there, sending() as sender:
        row, first = await endpoint(user, there.url)
        made = await steering.rotate(Actor(user.pk, "root"), row.pk, 24)
        await waiting(row)
        await sender.turn()
        assert there.received[0].is_signed_with(first)
        assert there.received[0].is_signed_with(made.secret)
        await Endpoint.objects.aupdate(former_until=timezone.now())
        await steering.redeliver(Actor(user.pk, "root"), row.pk, (await Delivery.objects.aget()).pk)
        await sender.turn()
        assert not there.received[1].is_signed_with(first)
        assert there.received[1].is_signed_with(made.secret)
    assert len(there.ids) == 1


async def test_a_connection_has_so_many_webhooks_and_no_more(monkeypatch: Any) -> None:
    monkeypatch.setattr(steering, "MOST_MADE", 1)
    user = await maker()
    actor, wanted = Actor(user.pk, "root"), wish("more", "http://127.0.0.1/", ["job.failed"])
    await steering.make(actor, "default", wanted)
    with pytest.raises(Refused, match="There are 1 webhooks already"):
        await steering.make(actor, "default", wanted)
    await steering.make(actor, "replica", wanted)


async def test_deliveries_of_all_states_are_listed_together_the_newest_first() -> None:
    row, _ = await endpoint(await maker(), "https://example.com/")
    await waiting(row, 5)
    keys = [key async for key in Delivery.objects.order_by("-pk").values_list("pk", flat=True)]
    for state, some in ((State.SENT, keys[1::2]), (State.FAILED, keys[4:])):
        await Delivery.objects.filter(pk__in=some).aupdate(state=state)
    found, before = [], None
    while page := await deliveries(row.pk, ["mails-1"], before=before, most=2):
        found += [each.pk for each in page.rows]
        if (before := page.before) is None:
            break
    assert found == keys


async def test_a_test_is_sent_once_also_where_the_webhook_is_disabled() -> None:
    user = await maker()
    async with receiver(lambda _: answer(500)) as there, sending() as sender:
        row, _ = await endpoint(user, there.url, enabled=False)
        await waiting(row)
        await steering.test(Actor(user.pk, "root"), row.pk)
        await sender.turn()
        assert [each.told["type"] for each in there.received] == ["webhook.test"]
    assert (await Delivery.objects.aget(kind="webhook.test")).state == State.FAILED


async def test_one_for_which_too_much_waits_is_disabled_and_what_ended_long_ago_forgotten(settings: Any) -> None:
    settings.TORIL = settings.TORIL | {"WEBHOOKS": {"MOST_WAITING": 100, "KEEP_DAYS": 1}}
    row, _ = await endpoint(await maker(), "https://example.com/")
    await waiting(row, 101)
    (disabled,) = await sync_to_async(transaction.atomic(books.disable_the_full))()
    assert (disabled.pk, disabled.why) == (row.pk, "full")
    await row.arefresh_from_db()
    assert not row.enabled
    # Enabled again it is sent what waits, and not disabled for it at once.
    await steering.enable(Actor(None, "root"), row.pk)
    assert await sync_to_async(transaction.atomic(books.disable_the_full))() == []
    await steering.disable(Actor(None, "root"), row.pk)
    old = await Delivery.objects.order_by("pk").afirst()
    await DeliveryTry.objects.acreate(delivery=old, at=timezone.now())
    await Delivery.objects.filter(pk=old.pk).aupdate(made_at=timezone.now() - timedelta(days=3))
    assert await sync_to_async(transaction.atomic(books.forget))() == 1
    assert await Delivery.objects.acount() == 100
