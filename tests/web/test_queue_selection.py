"""Ticked jobs, and all that fit a filter: asked about first, done as granted, each outcome counted."""

from __future__ import annotations

import re
from html import unescape

import pytest

from queues.actions import selected
from queues.models import AuditEntry
from tests.planting import plant_delayed, plant_failed
from tests.web.planted import cells, count, plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"
FAILED = QUEUE + "?status=failed"


def hidden(html: str) -> dict[str, object]:
    """What the panel's form would send, but for what is typed."""
    form = html.split('<section class="confirm')[1].split('method="post"')[1].split("</form>")[0]
    sent: dict[str, object] = {}
    for name, value in re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', form):
        sent.setdefault(name, []).append(unescape(value))  # type: ignore[attr-defined]
    return sent


async def test_ticked_jobs_are_retried_and_what_had_moved_on_is_said(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 9)
    client_of_redis.zrem(f"{prefix}:chat:failed", "3")
    form = {"do": "retry", "id": ["1", "2", "3"]}
    html = (await operator.post(f"{FAILED}&action=selected", form, htmx=True)).content.decode()
    assert "2 retried, 1 had moved on." in text_of(html)
    assert (count(html, "failed"), count(html, "waiting")) == (6, 2)
    entry = await AuditEntry.objects.aget()
    assert (entry.action, entry.affected) == ("queue.retry_selected", 2)


async def test_without_script_one_is_led_back_to_the_same_list(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3)
    here = FAILED + "&job=work"
    answer = await operator.post(f"{here}&action=selected", {"do": "retry", "id": ["1"]})
    assert (answer.status_code, answer["Location"]) == (303, here)
    assert "1 retried." in text_of((await operator.get(here)).content.decode())


async def test_removing_asks_for_the_queues_name(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 4)
    asked = await admin.post(f"{FAILED}&action=selected", {"do": "remove", "id": ["1", "2"]}, htmx=True)
    assert (asked["HX-Retarget"], asked["HX-Reswap"]) == ("#panel", "innerHTML")
    html = asked.content.decode()
    assert "Remove 2 jobs?" in text_of(html)
    form = hidden(html)
    assert form["id"] == ["1", "2"]
    wrong = await admin.post(f"{FAILED}&action=selected", form | {"typed": "chatt"}, htmx=True)
    assert "that is not the queue's name" in text_of(wrong.content.decode())
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 4
    whole = (await admin.post(f"{FAILED}&action=selected", form)).content.decode()
    assert "<html" in whole
    assert "Remove 2 jobs?" in text_of(whole)
    done = await admin.post(f"{FAILED}&action=selected", form | {"typed": "chat"}, htmx=True)
    assert "2 removed." in text_of(done.content.decode())
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 2


async def test_all_that_fit_are_counted_frozen_and_then_done(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 30, name="mail")
    plant_job(client_of_redis, prefix, "chat", "other", name="scan")
    here = FAILED + "&job=mail"
    html = (await operator.get(here)).content.decode()
    assert "All 30 that fit:" in text_of(html)
    asked = (await operator.get(f"{here}&confirm=selected&do=retry", htmx=True)).content.decode()
    assert "Retry 30 jobs?" in text_of(asked)
    assert "named like “mail”" in text_of(asked)
    form = hidden(asked)
    later = int(form["before"][0]) + 60_000  # type: ignore[index]
    plant_job(client_of_redis, prefix, "chat", "later", name="mail", finishedOn=later)
    answer = (await operator.post(f"{here}&action=selected", form, htmx=True)).content.decode()
    assert "30 retried." in text_of(answer)
    assert {one.decode() for one in client_of_redis.zrange(f"{prefix}:chat:failed", 0, -1)} == {"other", "later"}
    assert cells(answer) == ["later"]


async def test_where_the_time_ends_first_the_rest_is_offered(
    operator, connection, client_of_redis, prefix, monkeypatch
):
    plant_failed(client_of_redis, prefix, "chat", 40, name="mail")
    here = FAILED + "&job=mail"
    form = hidden((await operator.get(f"{here}&confirm=selected&do=retry", htmx=True)).content.decode())
    whole, budgets = selected.act_on, iter((0.0, 5.0))

    async def hurried(*args, **kwargs):
        return await whole(*args, **kwargs, budget_s=next(budgets))

    monkeypatch.setattr("dashboard.pages.listing.selection.act_on", hurried)
    html = (await operator.post(f"{here}&action=selected", form, htmx=True)).content.decode()
    assert "0 retried, 40 left." in text_of(html)
    assert "Continue: Retry 40 jobs" in text_of(html)
    html = (await operator.post(f"{here}&action=selected", hidden(html), htmx=True)).content.decode()
    assert "40 retried." in text_of(html)


async def test_promoting_and_consent_to_a_number(operator, connection):
    await plant_delayed(connection, "chat", 6)
    here = QUEUE + "?status=delayed&job=later"
    form = hidden((await operator.get(f"{here}&confirm=selected&do=promote", htmx=True)).content.decode())
    html = (await operator.post(f"{here}&action=selected", form | {"count": "4"}, htmx=True)).content.decode()
    assert (count(html, "delayed"), count(html, "waiting")) == (2, 4)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"do": "retry"}, 400),
        ({"do": "destroy", "id": "1"}, 400),
        ({"do": "promote", "id": "1"}, 400),
        ({"do": "retry", "id": "x" * 2_000}, 400),
        ({"do": "retry", "id": [str(n) for n in range(1_005)]}, 400),
        ({"do": "retry", "before": "1"}, 400),
        ({"do": "retry", "before": "99999999999999", "count": "5"}, 400),
        ({"do": "remove", "id": "1", "typed": "chat"}, 403),
    ],
)
async def test_a_form_that_asks_for_what_cannot_be_does_nothing(
    operator, connection, client_of_redis, prefix, form, status
):
    plant_failed(client_of_redis, prefix, "chat", 2)
    answer = await operator.post(f"{FAILED}&action=selected", form, htmx=True)
    assert answer.status_code == status
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 2
    assert await AuditEntry.objects.acount() == 0


async def test_nobody_acts_without_the_ability_and_sees_no_ticks(
    viewer, stranger, anonymous, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 2)
    for browser, status in ((viewer, 403), (stranger, 403), (anonymous, 302)):
        answer = await browser.post(f"{FAILED}&action=selected", {"do": "retry", "id": "1"})
        assert answer.status_code == status
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 2
    assert "data-pick " not in (await viewer.get(FAILED)).content.decode()
    assert (await viewer.get(f"{FAILED}&job=w&confirm=selected&do=retry", htmx=True)).status_code == 403
