"""What happens is told to webhooks: once for each ending, to whom may hear of it, signed, and until it is received."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from dashboard.models import QueueGrant
from queues.delivery import sealing
from queues.models import Delivery, DeliveryTry, Endpoint
from tests.eventually import eventually
from tests.mirroring import add, finish, mirror_running, start
from tests.receiving import answer, receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

KINDS = ["job.completed", "job.failed", "queue.paused", "queue.resumed"]
State = Delivery.State


@pytest.fixture(autouse=True)
def on_loopback(settings: Any, connection: str) -> None:
    settings.TORIL = settings.TORIL | {"WEBHOOKS": {"ALLOW": ["127.0.0.1"], "RETRIES_S": [0, 0, 0], "TIMEOUT_S": 20}}


@sync_to_async
def maker(name: str = "root", *abilities: str, queue: str = "") -> User:
    """A superuser where nothing is said; else staff with these abilities, on all queues or on those that fit."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=not abilities)
    if queue:
        QueueGrant.objects.create(user=user, connection="*", queue=queue, abilities=list(abilities))
    else:
        user.user_permissions.set(Permission.objects.filter(codename__in=abilities, content_type__app_label="toril"))
    return user


@sync_to_async
def endpoint(user: User, url: str, connection: str, kinds: list[str] = KINDS, **wished: Any) -> tuple[Endpoint, str]:
    secret = sealing.new_secret()
    for name in ("queues", "names", "data"):
        if name in wished:
            wished[name] = json.dumps(wished[name])
    row = Endpoint.objects.create(
        name=user.username, url=url, connection=connection, kinds=json.dumps(kinds), secret=sealing.seal(secret),
        maker=user, maker_name=user.username, since=timezone.now(), **wished,
    )  # fmt: skip
    return row, secret


async def end(connection: str, queue: str, data: str = "{}", *, is_failed: bool = False, **more: Any) -> str:
    (job_id,) = await add(connection, queue, data=data, **more)
    done = await start(connection, queue)
    await finish(connection, queue, done, "it broke" if is_failed else '{"sum": 3}', is_failed=is_failed)
    return job_id.decode() if isinstance(job_id, bytes) else job_id


async def test_an_ending_is_told_once_signed_and_again_under_its_id_until_it_is_received(connection: str) -> None:
    failures = iter([answer(500, "not now"), answer(503), answer(302, Location="http://127.0.0.1/")])
    async with receiver(lambda _: next(failures, answer(200, "thanks"))) as there, mirror_running(connection):
        row, secret = await endpoint(await maker(), there.url, connection)
        job_id = await end(connection, "mails")
        await eventually(lambda: len(there.received) == 4)
        await eventually(lambda: Delivery.objects.filter(state=State.SENT).acount())
    assert len(there.ids) == 1
    assert all(each.is_signed_with(secret) for each in there.received)
    assert not there.received[0].is_signed_with(sealing.new_secret())
    assert {each.body for each in there.received} == {there.received[0].body}
    told = there.received[0].told
    assert told["type"] == "job.completed"
    assert (told["data"]["queue"], told["data"]["jobId"], told["data"]["state"]) == ("mails", job_id, "completed")
    assert "data" not in told["data"]
    assert told["timestamp"] == told["data"]["finishedAt"]
    attempts = [(each.status, each.answer) async for each in DeliveryTry.objects.order_by("pk")]
    assert attempts == [(500, "not now"), (503, ""), (302, ""), (200, "thanks")]
    await row.arefresh_from_db()
    assert row.failing_since is None
    assert row.succeeded_at is not None
