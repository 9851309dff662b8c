"""Pause, resume and retry for a group of queues or for all: counted, confirmed, audited, and only where one may."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from dashboard.models import QueueGrant
from queues.actions import groups
from queues.models import AuditEntry
from tests.planting import plant_failed, plant_waiting
from tests.web.conftest import signed_in
from tests.web.planted import text_of

pytestmark = pytest.mark.django_db(transaction=True)
OVERVIEW = "/admin/queues/"


async def confirmed(browser, action: str, group: str = "") -> tuple[str, str]:
    """What the confirmation says, and the plan in its form."""
    answer = await browser.get(f"{OVERVIEW}?confirm={action}&group={group}", htmx=True)
    assert answer.status_code == 200, answer.content
    html = answer.content.decode()
    plan = re.search(r'name="plan" value="([^"]*)"', html)
    return text_of(html), unescape(plan[1]) if plan else ""


async def done(browser, action: str, plan: str, group: str = ""):
    return await browser.post(f"{OVERVIEW}?action={action}&group={group}", {"plan": plan}, follow=True)


def is_paused(client, prefix: str, name: str) -> bool:
    return client.hexists(f"{prefix}:{name}:meta", "paused")


async def audited() -> list[tuple[str, str, str, int]]:
    return [(e.actor, e.action, e.queue, e.affected) async for e in AuditEntry.objects.order_by("queue", "pk")]


@pytest.fixture
async def mail(connection, client_of_redis, prefix):
    """mail.in and mail.out, each with two waiting jobs; chat outside."""
    for name in ("mail.in", "mail.out", "chat"):
        await plant_waiting(connection, name, 2)


async def test_a_group_is_paused_and_resumed_counted_first_and_each_queue_audited(admin, mail, client_of_redis, prefix):
    said, plan = await confirmed(admin, "pause", "mail")
    assert "Pause 2 queues?" in said
    assert "4 jobs will wait" in said
    assert not is_paused(client_of_redis, prefix, "mail.in")
    answer = await done(admin, "pause", plan, "mail")
    assert "2 queues are paused." in answer.content.decode()
    assert [is_paused(client_of_redis, prefix, name) for name in ("mail.in", "mail.out", "chat")] == [True, True, False]
    assert await audited() == [("admin", "queue.pause", "mail.in", 1), ("admin", "queue.pause", "mail.out", 1)]
    said, plan = await confirmed(admin, "resume")
    assert "Resume 2 queues?" in said
    await done(admin, "resume", plan)
    assert not is_paused(client_of_redis, prefix, "mail.in")
    said, plan = await confirmed(admin, "resume")
    assert "No queue here is paused." in said
    assert plan == ""


async def test_retrying_all_touches_what_had_failed_when_it_was_counted(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "a", 3)
    plant_failed(client_of_redis, prefix, "b", 2)
    client_of_redis.hset(f"{prefix}:idle:meta", "version", "bullmq:6")
    said, plan = await confirmed(admin, "retry-all")
    assert "Retry 5 jobs that failed in 2 queues?" in said
    # One fails anew, and one that nobody was told of turns up among the old: neither was agreed to.
    client_of_redis.zadd(f"{prefix}:a:failed", {"1": 9_999_999_999_999})
    client_of_redis.hset(f"{prefix}:b:9", mapping={"name": "work", "data": "{}", "opts": "{}", "timestamp": 1})
    client_of_redis.zadd(f"{prefix}:b:failed", {"9": 1_700_000_000_000})
    answer = await done(admin, "retry-all", plan)
    assert "4 failed jobs of 2 queues were put back" in answer.content.decode()
    assert client_of_redis.zrange(f"{prefix}:a:failed", 0, -1) == [b"1"]
    assert client_of_redis.llen(f"{prefix}:b:wait") == 2
    assert client_of_redis.zcard(f"{prefix}:b:failed") == 1
    assert await audited() == [("admin", "queue.retry_all", "a", 2), ("admin", "queue.retry_all", "b", 2)]


async def test_queues_that_one_may_not_steer_are_left_out_and_named(
    transactional_db, mail, connection, client_of_redis, prefix
):
    browser = await signed_in("half", "view")
    user = await _user("half")
    await QueueGrant.objects.acreate(user=user, connection="*", queue="mail.in", abilities=["view", "pause"])
    said, plan = await confirmed(browser, "pause")
    assert "Pause 1 queue?" in said
    assert "2 queues are left out, because you may not do this to them: chat, mail.out" in said
    forged = json.loads(plan)
    forged["queues"].append(["chat", 2])
    await done(browser, "pause", json.dumps(forged))
    assert is_paused(client_of_redis, prefix, "mail.in")
    assert not is_paused(client_of_redis, prefix, "chat")
    forged = {"before": 1, "queues": [["chat", 1]]}
    refused = await browser.post(f"{OVERVIEW}?action=pause", {"plan": json.dumps(forged)})
    assert refused.status_code == 403


async def test_who_may_steer_nothing_is_offered_nothing(viewer, mail):
    html = (await viewer.get(OVERVIEW)).content.decode()
    assert "Pause all" not in html
    assert "confirm=" not in html
    assert (await viewer.get(OVERVIEW + "?confirm=pause")).status_code == 403


async def test_a_hidden_queue_is_neither_counted_nor_named_nor_touched(
    transactional_db, mail, connection, client_of_redis, prefix
):
    browser = await signed_in("blinkered")
    await QueueGrant.objects.acreate(
        user=await _user("blinkered"), connection="*", queue="mail.*", abilities=["view", "pause"]
    )
    page = (await browser.get(OVERVIEW)).content.decode()
    assert "chat" not in page
    assert "2 queues" in page
    said, _ = await confirmed(browser, "pause")
    assert "Pause 2 queues?" in said
    assert "chat" not in said
    await done(browser, "pause", json.dumps({"before": 9_999_999_999_999, "queues": [["chat", 5], ["mail.in", 2]]}))
    assert not is_paused(client_of_redis, prefix, "chat")
    assert is_paused(client_of_redis, prefix, "mail.in")


async def test_what_the_time_did_not_suffice_for_is_said_and_offered_again(
    admin, connection, client_of_redis, prefix, monkeypatch
):
    for name in "abc":
        await plant_waiting(connection, name, 2)
    _, plan = await confirmed(admin, "pause")
    run = groups.run
    monkeypatch.setattr(groups, "run", lambda actor, plan: run(actor, plan, budget_s=0))
    answer = await done(admin, "pause", plan)
    html = text_of(answer.content.decode())
    assert "3 queues with 6 jobs are left." in html
    assert "Pause 3 queues?" in html


async def test_one_queue_that_refuses_does_not_stop_the_others(admin, mail, client_of_redis, prefix, connection):
    _, plan = await confirmed(admin, "pause")
    client_of_redis.delete(f"{prefix}:chat:meta")
    client_of_redis.set(f"{prefix}:chat:meta", "x")
    html = text_of((await done(admin, "pause", plan)).content.decode())
    assert "2 queues are paused." in html
    assert "1 could not be: chat" in html


async def _user(name: str):
    from django.contrib.auth.models import User

    return await User.objects.aget(username=name)
