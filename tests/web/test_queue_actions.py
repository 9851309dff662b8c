"""What the buttons of a queue's page do: with htmx a fragment in place, without script a form and a way back."""

from __future__ import annotations

import re
import time
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from queues.actions import bulk
from queues.models import AuditEntry
from queues.options import reset_options
from tests.eventually import eventually
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.planted import count, plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"


def hidden(html: str) -> dict[str, str]:
    """What the confirmation's form would send."""
    form = html.split('<section class="confirm')[1].split('method="post"')[1].split("</form>")[0]
    fields = re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', form)
    found = {name: unescape(value) for name, value in fields if name != "csrfmiddlewaretoken"}
    # As a person does who means it.
    return found | ({"typed": "chat"} if 'name="typed"' in form else {})


async def confirmed(browser, action: str, query: str = "", htmx: bool = True, **kwargs):
    """Open a confirmation as a person does, then press its button."""
    asked = await browser.get(f"{QUEUE}?status=failed&confirm={action}{query}", htmx=True)
    assert asked.status_code == 200, asked.content
    form = hidden(asked.content.decode())
    return await browser.post(f"{QUEUE}?status=failed&action={action}", form | kwargs, htmx=htmx)


# --- pause and resume


async def test_pausing_answers_with_the_queue_as_it_is_now(operator, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 2)
    answer = await operator.post(QUEUE + "?action=pause", htmx=True)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert html.startswith('\n<section id="queue"') or html.lstrip().startswith('<section id="queue"')
    assert "<html" not in html
    assert "Paused: 2 jobs wait" in text_of(html)
    assert "Resume" in text_of(html)
    assert 'hx-target="#notices"' in html
    assert client_of_redis.hget(f"{prefix}:chat:meta", "paused") == b"1"
    await operator.post(QUEUE + "?action=resume", htmx=True)
    assert client_of_redis.hget(f"{prefix}:chat:meta", "paused") is None
    entries = [entry async for entry in AuditEntry.objects.order_by("pk")]
    assert [(e.action, e.actor, e.outcome) for e in entries] == [
        ("queue.pause", "operator", "done"),
        ("queue.resume", "operator", "done"),
    ]


async def test_without_script_pausing_leads_back_and_says_so_there(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 30)
    answer = await operator.post(QUEUE + "?status=failed&page=2&action=pause")
    assert answer.status_code == 303
    assert answer["Location"] == QUEUE + "?status=failed&page=2"
    html = (await operator.get(answer["Location"])).content.decode()
    assert "Queue “chat” is paused." in text_of(html)
    assert "is paused." not in text_of((await operator.get(QUEUE)).content.decode()).replace("Paused:", "")


async def test_a_paused_queue_says_who_paused_it(operator, viewer, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    await operator.post(QUEUE + "?action=pause")
    html = text_of((await viewer.get(QUEUE)).content.decode())
    assert "Paused by operator" in html
    await operator.post(QUEUE + "?action=resume")
    assert "Paused by" not in text_of((await viewer.get(QUEUE)).content.decode())


# --- many jobs


async def test_a_bulk_action_first_says_how_many(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 37)
    fragment = (await operator.get(QUEUE + "?status=failed&confirm=retry-all", htmx=True)).content.decode()
    page = (await operator.get(QUEUE + "?status=failed&confirm=retry-all")).content.decode()
    assert "<html" not in fragment
    for html in (fragment, page):
        assert "Retry 37 failed jobs?" in text_of(html)
    assert "<table" in page
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 37
    assert await AuditEntry.objects.acount() == 0


async def test_then_it_works_and_says_what_was_done(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 37)
    html = (await confirmed(operator, "retry-all")).content.decode()
    assert "37 failed jobs retried" in text_of(html)
    assert count(html, "failed") == 0
    assert count(html, "waiting") == 37
    assert "No failed jobs" in text_of(html)
    entry = await AuditEntry.objects.aget()
    assert (entry.action, entry.affected, entry.outcome) == ("queue.retry_all", 37, "done")


async def test_without_script_too(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 5)
    answer = await confirmed(operator, "retry-all", htmx=False)
    assert (answer.status_code, answer["Location"]) == (303, QUEUE + "?status=failed")
    assert "5 failed jobs retried" in text_of((await operator.get(answer["Location"])).content.decode())


async def test_what_failed_after_the_question_is_not_meant(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3)
    form = hidden((await operator.get(QUEUE + "?confirm=retry-all&status=failed", htmx=True)).content.decode())
    later = int(form["before"]) + 1
    plant_job(client_of_redis, prefix, "chat", "later", finishedOn=later)
    client_of_redis.zadd(f"{prefix}:chat:failed", {"later": later})
    await eventually(lambda: time.time() * 1000 > later)
    html = (await operator.post(QUEUE + "?action=retry-all&status=failed", form | {"count": "9"}, htmx=True)).content
    assert count(html.decode(), "failed") == 1


async def test_promoting_all_delayed(operator, connection):
    await plant_delayed(connection, "chat", 4)
    html = (await operator.get(QUEUE + "?status=delayed&confirm=promote-all", htmx=True)).content.decode()
    assert "Promote 4 delayed jobs?" in text_of(html)
    html = (await operator.post(QUEUE + "?action=promote-all", hidden(html), htmx=True)).content.decode()
    assert (count(html, "delayed"), count(html, "waiting")) == (0, 4)


async def test_cleaning_asks_for_state_and_age_and_counts_them(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 6)
    old = int(client_of_redis.zscore(f"{prefix}:chat:failed", "1")) - 2 * 3_600_000
    for job_id in ("1", "2"):
        client_of_redis.zadd(f"{prefix}:chat:failed", {job_id: old})
        client_of_redis.hset(f"{prefix}:chat:{job_id}", "finishedOn", old)
    html = (await admin.get(QUEUE + "?confirm=clean&state=failed&age=1h", htmx=True)).content.decode()
    assert "Remove 2 failed jobs older than 1 hour?" in text_of(html)
    custom = (await admin.get(QUEUE + "?confirm=clean&state=failed&age=custom&hours=3", htmx=True)).content.decode()
    assert "There are no failed jobs older than 3 hours" in text_of(custom)
    assert 'method="post"' not in custom
    html = (await admin.post(QUEUE + "?status=failed&action=clean", hidden(html), htmx=True)).content.decode()
    assert count(html, "failed") == 4
    assert not client_of_redis.exists(f"{prefix}:chat:1")


@pytest.mark.parametrize("age", ["age=bogus", "age=custom&hours=x", "age=custom&hours=-1", "age=custom&hours=99999999"])
async def test_an_age_that_is_none_is_refused_not_guessed(admin, connection, client_of_redis, prefix, age):
    plant_failed(client_of_redis, prefix, "chat", 1)
    answer = await admin.get(f"{QUEUE}?confirm=clean&state=failed&{age}", htmx=True)
    assert answer.status_code == 400
    assert "whole number of hours" in answer.content.decode()


async def test_emptying_takes_what_waits_and_leaves_the_rest(admin, connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 5)
    await plant_delayed(connection, "chat", 2)
    html = (await admin.get(QUEUE + "?confirm=drain", htmx=True)).content.decode()
    assert "5 waiting and prioritized jobs?" in text_of(html)
    html = (await admin.post(QUEUE + "?action=drain", hidden(html), htmx=True)).content.decode()
    assert (count(html, "waiting"), count(html, "delayed")) == (0, 2)


async def test_where_the_time_ends_first_the_rest_is_offered(admin, connection, client_of_redis, prefix, monkeypatch):
    plant_failed(client_of_redis, prefix, "chat", 40)
    whole, budgets = bulk.run, iter((0.0, 5.0))
    monkeypatch.setattr(bulk, "run", lambda actor, plan: whole(actor, plan, next(budgets)))
    html = (await confirmed(admin, "retry-all")).content.decode()
    assert count(html, "failed") == 40
    assert "40 left" in text_of(html)
    assert "Continue: retry 40 failed jobs" in text_of(html)
    html = (await admin.post(QUEUE + "?status=failed&action=retry-all", hidden(html), htmx=True)).content.decode()
    assert count(html, "failed") == 0


async def test_without_script_the_rest_is_offered_on_the_page_one_is_led_to(
    admin, connection, client_of_redis, prefix, monkeypatch
):
    plant_failed(client_of_redis, prefix, "chat", 40)
    whole = bulk.run
    monkeypatch.setattr(bulk, "run", lambda actor, plan: whole(actor, plan, 0.0))
    answer = await confirmed(admin, "clean", "&state=failed", htmx=False)
    assert answer.status_code == 303
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert (query["confirm"], query["state"]) == (["clean"], ["failed"])
    html = text_of((await admin.get(answer["Location"])).content.decode())
    assert "Continue: remove 40 failed jobs" in html
    assert "40 left" in html


async def test_consent_is_to_a_number(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 8)
    html = (await confirmed(admin, "clean", "&state=failed", count="3")).content.decode()
    assert count(html, "failed") == 5


@pytest.mark.parametrize("change", [{"state": "active"}, {"state": ""}, {"before": ""}, {"before": "x"}, {"count": ""}])
async def test_a_form_that_does_not_say_which_jobs_does_nothing(admin, connection, client_of_redis, prefix, change):
    plant_failed(client_of_redis, prefix, "chat", 2)
    answer = await confirmed(admin, "retry-all", **change)
    assert answer.status_code == 400
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 2


async def test_buttons_of_another_connection_act_there_alone(admin, settings, redis_server, prefix, client_of_redis):
    place = {"URL": redis_server.url, "PREFIX": prefix}
    settings.TORIL = {"CONNECTIONS": {"default": place, "other": {**place, "PREFIX": prefix + "o"}}}
    reset_options()
    for where in (prefix, prefix + "o"):
        plant_failed(client_of_redis, where, "chat", 3)
    html = (await admin.get(QUEUE + "?status=failed&connection=other")).content.decode()
    (pause,) = re.findall(r'action="([^"]*action=pause[^"]*)"', html)
    retry = re.findall(r'action="([^"]*action=retry&[^"]*)"', html)[0]
    await admin.post(unescape(pause), htmx=True)
    await admin.post(unescape(retry), {"back": "status=failed"}, htmx=True)
    assert client_of_redis.hget(f"{prefix}o:chat:meta", "paused") == b"1"
    assert client_of_redis.hget(f"{prefix}:chat:meta", "paused") is None
    assert client_of_redis.zcard(f"{prefix}o:chat:failed") == 2
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 3
    assert {entry.connection async for entry in AuditEntry.objects.all()} == {"other"}
    reset_options()


# --- who may


@pytest.mark.parametrize("action", ["pause", "resume", "retry-all", "promote-all", "clean", "drain"])
async def test_nobody_acts_without_the_permission(
    viewer, stranger, anonymous, connection, client_of_redis, prefix, action
):
    plant_failed(client_of_redis, prefix, "chat", 2)
    form = {"state": "failed", "before": "99999999999999", "count": "2"}
    for browser, status in ((viewer, 403), (stranger, 403), (anonymous, 302)):
        assert (await browser.post(f"{QUEUE}?action={action}", form)).status_code == status
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 2
    assert await AuditEntry.objects.acount() == 0


@pytest.mark.parametrize("action", ["clean", "drain"])
async def test_an_operator_removes_nothing_and_is_told_why(operator, connection, client_of_redis, prefix, action):
    plant_failed(client_of_redis, prefix, "chat", 2)
    for answer in (
        await operator.get(f"{QUEUE}?confirm={action}", htmx=True),
        await operator.post(f"{QUEUE}?action={action}", {"state": "failed", "before": "9", "count": "2"}, htmx=True),
    ):
        assert answer.status_code == 403
        assert "toril.clean" in answer.content.decode()
        assert answer["HX-Retarget"] == "#notices"


async def test_a_form_from_elsewhere_changes_nothing(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    admin.handler.enforce_csrf_checks = True
    answer = await admin.post(QUEUE + "?action=pause")
    assert answer.status_code == 403
    assert "too old" in answer.content.decode()


@pytest.mark.parametrize("action", ["", "destroy", "retry", "<b>"])
async def test_an_unknown_action_is_named(admin, connection, client_of_redis, prefix, action):
    plant_failed(client_of_redis, prefix, "chat", 2)
    answer = await admin.post(f"{QUEUE}?action={action}", htmx=True)
    assert answer.status_code == 400
    assert "There is no action" in answer.content.decode()
    assert "<b>”" not in answer.content.decode()


async def test_looking_changes_nothing_in_redis(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3)
    before = {key: client_of_redis.dump(key) for key in client_of_redis.scan_iter(f"{prefix}:*")}
    for query in ("", "?status=failed", "?confirm=clean&age=1h", "?confirm=drain", "?action=pause", "?action=drain"):
        assert (await admin.get(QUEUE + query)).status_code == 200
    assert {key: client_of_redis.dump(key) for key in client_of_redis.scan_iter(f"{prefix}:*")} == before
