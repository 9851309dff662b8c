"""The forms for acting, as a browser without script and htmx send them: editing, adding, undoing, confirming."""

from __future__ import annotations

import asyncio
import json
import re
from html import unescape

import pytest

from queues.models import AuditEntry
from queues.options import reset_options
from queues.processors import registry
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.planted import count, is_inert, plant_evil, text_of
from tests.working import operating

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"
STORED = (
    '{"user": "ana", "id": 12345678901234567890, "password": "hunter2", "items": [{"token": "aaa"}, {"token": "bbb"}]}'
)


def fields(html: str) -> dict[str, str]:
    """What the panel's form holds: hidden fields, and the editor's text."""
    form = html.split('class="confirm acting')[1]
    found = dict(re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', form))
    area = re.search(r"<textarea[^>]*name=\"data\"[^>]*>\n?(.*?)</textarea>", form, re.DOTALL)
    found["data"] = area[1] if area else ""
    return {name: unescape(value) for name, value in found.items() if name != "csrfmiddlewaretoken"}


def undo_of(html: str) -> tuple[str, dict[str, str]]:
    """Where the notice's Undo leads, and what it sends."""
    form = re.search(r'<form class="inline" method="post" action="([^"]*action=undo)"(.*?)</form>', html, re.DOTALL)
    assert form, "no Undo is offered"
    hidden = dict(re.findall(r'name="(token|back)" value="([^"]*)"', form[2]))
    return unescape(form[1]), {name: unescape(value) for name, value in hidden.items()}


@pytest.fixture
def failed(client_of_redis, prefix, connection):
    plant_failed(client_of_redis, prefix, "chat", 1, data=STORED)
    return lambda name: client_of_redis.hget(f"{prefix}:chat:1", name)


async def opened(browser, query: str = "") -> dict[str, str]:
    return fields((await browser.get(f"{QUEUE}/1?form=edit{query}")).content.decode())


# --- the editor


async def test_without_script_the_difference_comes_before_the_save(admin, failed):
    form = await opened(admin)
    form["data"] = form["data"].replace('"ana"', '"bob"').replace("\n", "\r\n")
    shown = (await admin.post(f"{QUEUE}/1?action=edit", form | {"step": "save", "seen": ""})).content.decode()
    assert failed("data").decode() == STORED
    assert 'class="gone"' in shown
    assert "bob" in text_of(shown.split('class="diff"')[1].split("</table>")[0])
    answer = await admin.post(f"{QUEUE}/1?action=edit", fields(shown) | {"step": "retry"})
    assert answer.status_code == 303
    saved = failed("data").decode()
    assert json.loads(saved)["user"] == "bob"
    assert "12345678901234567890" in saved
    assert "\r" not in saved
    page = (await admin.get(answer["Location"])).content.decode()
    assert "was put back to run again" in text_of(page)
    address, token = undo_of(page)
    page = (await admin.post(address, token, follow=True)).content.decode()
    assert "Undone" in text_of(page)
    assert failed("data").decode() == STORED
    assert failed("failedReason") is not None


async def test_what_is_masked_keeps_its_stored_value(admin, failed):
    form = await opened(admin)
    assert "hunter2" not in form["data"]
    assert "aaa" not in form["data"]
    # The second of two equal masks stays with its own item when the first item goes.
    form["data"] = re.sub(r'\{"token": "•••\(2\)"\},\s*', "", form["data"]).replace('"ana"', '"bob"')
    shown = (await admin.post(f"{QUEUE}/1?action=edit", form | {"step": "show"}, htmx=True)).content.decode()
    await admin.post(f"{QUEUE}/1?action=edit", fields(shown) | {"step": "save"}, htmx=True)
    stored = json.loads(failed("data"))
    assert stored == {"user": "bob", "id": 12345678901234567890, "password": "hunter2", "items": [{"token": "bbb"}]}
    entry = await AuditEntry.objects.aget(action="job.edit")
    assert "bob" in entry.parameters
    assert not re.search("hunter2|aaa|bbb", entry.parameters + entry.message)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"user": "ana"', '"user": "•••(1)"'),
        ('"password": "•••(1)"', '"passwords": {"hint": "•••(1) and more"}'),
        ('"•••(2)"', '"•••"'),
        ('"•••(2)"', '"•••(9)"'),
    ],
)
async def test_a_mask_is_never_stored_and_never_moved_to_where_it_would_be_seen(admin, failed, old, new):
    form = await opened(admin)
    form["data"] = form["data"].replace(old, new)
    shown = (await admin.post(f"{QUEUE}/1?action=edit", form | {"step": "show"}, htmx=True)).content.decode()
    assert "hunter2" not in shown
    await admin.post(f"{QUEUE}/1?action=edit", fields(shown) | {"step": "save"}, htmx=True)
    assert failed("data").decode() == STORED


async def test_showing_the_masked_values_is_an_ability_and_is_recorded(admin, operator, failed):
    shown = await admin.post(f"{QUEUE}/1?action=reveal-form", {"form": "edit"}, htmx=True)
    assert "hunter2" in fields(shown.content.decode())["data"]
    assert (await AuditEntry.objects.aget()).action == "job.reveal"
    assert (await operator.post(f"{QUEUE}/1?action=reveal-form", {"form": "edit"})).status_code == 403
    form = await opened(operator) | {"revealed": "1", "step": "show"}
    assert "hunter2" not in (await operator.post(f"{QUEUE}/1?action=edit", form, htmx=True)).content.decode()


async def test_a_mistake_is_told_with_its_line_and_column(admin, failed):
    form = {"data": '{\n  "a": 1,\n  "b" 2\n}', "sealed": "x"}
    html = (await admin.post(f"{QUEUE}/1?action=edit&step=check", form, htmx=True)).content.decode()
    assert "Line 3, column 7: a colon is missing after the key" in text_of(html)
    assert 'data-goto="3:7"' in html


async def test_who_saves_second_is_told_and_overwrites_nothing(admin, failed, client_of_redis, prefix):
    form = await opened(admin)
    form["data"] = form["data"].replace('"ana"', '"bob"')
    client_of_redis.hset(f"{prefix}:chat:1", "data", '{"user": "eve"}')
    answer = await admin.post(f"{QUEUE}/1?action=edit", form | {"step": "save"}, htmx=True)
    assert "was changed while you edited it" in text_of(answer.content.decode())
    assert "bob" in fields(answer.content.decode())["data"]
    assert failed("data") == b'{"user": "eve"}'


async def test_data_that_a_page_cannot_edit_says_so(admin, failed, client_of_redis, prefix):
    client_of_redis.hset(f"{prefix}:chat:1", "data", json.dumps("x" * 300_000))
    answer = await admin.get(f"{QUEUE}/1?form=edit", htmx=True)
    assert answer.status_code == 400
    assert "a page edits 256 KB at most" in answer.content.decode()


# --- what fits the data


async def test_a_schema_of_the_settings_is_held_to_and_can_be_overruled(admin, failed, settings):
    schema = {"type": "object", "properties": {"user": {"type": "integer", "title": "Who"}, "id": {"type": "integer"}}}
    settings.TORIL |= {"DASHBOARD": {"queues": {"chat": {"job_data_schema": schema}}}}
    reset_options()
    form = {"data": '{"user": "zoe"}', "sealed": (await opened(admin))["sealed"], "step": "show"}
    shown = (await admin.post(f"{QUEUE}/1?action=edit", form, htmx=True)).content.decode()
    assert "user: 'zoe' is not of type 'integer'" in text_of(shown)
    await admin.post(f"{QUEUE}/1?action=edit", fields(shown) | {"step": "save"}, htmx=True)
    assert failed("data").decode() == STORED
    await admin.post(f"{QUEUE}/1?action=edit", fields(shown) | {"step": "save", "anyway": "1"}, htmx=True)
    assert failed("data") == b'{"user": "zoe"}'
    adding = (await admin.get(QUEUE + "?form=add", htmx=True)).content.decode()
    assert 'name="f.user"' in adding
    assert "Who" in text_of(adding)


async def test_a_job_is_added_by_the_form_of_its_processors_type(admin, connection, client_of_redis, prefix):
    from dataclasses import dataclass

    @dataclass
    class Greeting:
        to: str
        times: int = 1

    plant_failed(client_of_redis, prefix, "typed", 1)
    registry.processor("typed", name="greet", data=Greeting)(lambda job: None)
    try:
        at = "/admin/queues/queue/typed"
        html = (await admin.get(f"{at}?form=add&name=greet", htmx=True)).content.decode()
        assert re.search(r'name="f.times" value="1"', html)
        form = fields(html) | {"name": "greet", "f.to": "Zoë", "f.times": "many", "step": "add"}
        assert "times" in text_of((await admin.post(f"{at}?action=add", form, htmx=True)).content.decode())
        answer = await admin.post(f"{at}?action=add", form | {"f.times": "3"}, htmx=True)
        job_id = answer["HX-Redirect"].rpartition("/")[2]
    finally:
        registry._queues.pop("typed", None)
    assert json.loads(client_of_redis.hget(f"{prefix}:typed:{job_id}", "data")) == {"to": "Zoë", "times": 3}


# --- adding


async def test_a_job_is_added_with_its_options_and_taken_away_again(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    form = fields((await admin.get(QUEUE + "?form=add")).content.decode())
    form |= {"name": "hello", "data": '{"n": 12345678901234567890}', "priority": "3", "attempts": "4", "step": "add"}
    form |= {"backoff": "exponential", "backoff_amount": "2", "backoff_unit": "s", "remove_on_fail": "count"}
    answer = await admin.post(QUEUE + "?action=add", form | {"remove_on_fail_number": "50"})
    assert answer.status_code == 303
    job_id = answer["Location"].rpartition("/")[2]
    stored = client_of_redis.hgetall(f"{prefix}:chat:{job_id}")
    assert stored[b"data"] == b'{"n": 12345678901234567890}'
    options = json.loads(stored[b"opts"])
    assert options["backoff"] == {"type": "exponential", "delay": 2000}
    assert (options["priority"], options["attempts"], options["removeOnFail"]) == (3, 4, 50)
    address, token = undo_of((await admin.get(answer["Location"])).content.decode())
    await admin.post(address, token)
    assert not client_of_redis.exists(f"{prefix}:chat:{job_id}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"priority": "high"}, "Priority: “high” is no whole number."),
        ({"job_id": "12"}, "is a whole number; those are the ids that BullMQ gives itself"),
        ({"job_id": "meta"}, "is the name of a key of the queue's own"),
        ({"data": "{"}, "Line 1, column 2"),
        ({"name": ""}, "A job's name must be text"),
    ],
)
async def test_what_a_producer_may_not_add_a_form_may_not_either(
    admin, connection, client_of_redis, prefix, given, said
):
    plant_failed(client_of_redis, prefix, "chat", 1)
    form = {"name": "hello", "data": "{}", "step": "add"} | given
    answer = await admin.post(QUEUE + "?action=add", form, htmx=True)
    assert said in text_of(answer.content.decode())
    assert not client_of_redis.exists(f"{prefix}:chat:wait")


async def test_a_duplicate_has_the_stored_values_and_an_id_of_its_own(operator, failed, client_of_redis, prefix):
    form = fields((await operator.get(f"{QUEUE}/1?form=duplicate")).content.decode())
    assert "hunter2" not in form["data"]
    answer = await operator.post(f"{QUEUE}/1?action=duplicate", form | {"name": "work", "step": "add"})
    job_id = answer["Location"].rpartition("/")[2]
    assert job_id != "1"
    assert json.loads(client_of_redis.hget(f"{prefix}:chat:{job_id}", "data")) == json.loads(STORED)
    assert (await AuditEntry.objects.aget(action="job.duplicate")).outcome == "done"


# --- the rest of one job's buttons


async def test_moments_priorities_and_cancellations_are_asked_for_by_forms(admin, connection, client_of_redis, prefix):
    (job_id,) = await plant_delayed(connection, "chat")
    job = f"{QUEUE}/{job_id}"
    for name in ("reschedule", "reprioritize", "fail"):
        assert 'class="confirm acting' in (await admin.get(f"{job}?form={name}", htmx=True)).content.decode()
    due = {"at": "2030-05-06T07:08:09", "panel": "1"}
    html = (await admin.post(f"{job}?action=reschedule", due, htmx=True)).content.decode()
    assert client_of_redis.zscore(f"{prefix}:chat:delayed", job_id) // 4096 == 1904281689000
    assert '<hx-partial hx-target="#panel"' in html
    await admin.post(f"{job}?action=reprioritize", {"priority": "9"}, htmx=True)
    html = (await admin.post(f"{job}?action=fail", {"reason": "not today"}, htmx=True)).content.decode()
    assert "will not run" in text_of(html)
    assert client_of_redis.hmget(f"{prefix}:chat:{job_id}", "priority", "defa") == [b"9", b"not today"]
    for action, form in (("reschedule", {"at": "soon"}), ("reschedule", {"amount": "-1"}), ("reprioritize", {})):
        assert (await admin.post(f"{job}?action={action}", form, htmx=True)).status_code == 400


async def test_a_run_that_is_not_ours_says_why_it_cannot_be_cancelled(admin, connection, client_of_redis, prefix):
    (job_id,) = await plant_waiting(connection, "chat")
    client_of_redis.lmove(f"{prefix}:chat:wait", f"{prefix}:chat:active")
    client_of_redis.set(f"{prefix}:chat:{job_id}:lock", "0f0f-node:1", px=60_000)
    html = (await admin.get(f"{QUEUE}/{job_id}?form=cancel", htmx=True)).content.decode()
    assert "has no ear for Toril" in text_of(html)
    assert "<form" not in html
    page = (await admin.get(f"{QUEUE}/{job_id}")).content.decode()
    assert "action=recover" not in page


async def test_a_removed_row_is_brought_back_from_where_it_stood(admin, failed, client_of_redis, prefix):
    back = {"back": "status=failed"}
    html = (await admin.post(f"{QUEUE}/1?action=remove", back, htmx=True)).content.decode()
    assert not client_of_redis.exists(f"{prefix}:chat:1")
    address, token = undo_of(html)
    answer = await admin.post(address, token, htmx=True)
    assert answer["HX-Redirect"] == QUEUE + "?status=failed"
    assert failed("data").decode() == STORED


async def test_an_undo_needs_what_the_act_needed(admin, viewer, operator, failed, client_of_redis, prefix):
    address, token = undo_of((await admin.post(f"{QUEUE}/1?action=remove", htmx=False, follow=True)).content.decode())
    for browser in (viewer, operator):
        assert (await browser.post(address, token)).status_code == 403
    assert not client_of_redis.exists(f"{prefix}:chat:1")
    await admin.post(address, token)
    assert client_of_redis.exists(f"{prefix}:chat:1")


# --- the queue


@pytest.mark.parametrize("typed", ["", "chats", "CHAT"])
async def test_what_destroys_needs_the_queues_name(admin, connection, client_of_redis, prefix, typed):
    await plant_waiting(connection, "chat", 2)
    html = (await admin.get(QUEUE + "?confirm=drain", htmx=True)).content.decode()
    form = dict(re.findall(r'name="(state|before|count)" value="([^"]*)"', html))
    for action, more in (("drain", form), ("obliterate", {})):
        answer = await admin.post(f"{QUEUE}?action={action}", more | {"typed": typed}, htmx=True)
        assert answer.status_code == 400
        assert "type the queue’s name" in answer.content.decode()
    assert client_of_redis.llen(f"{prefix}:chat:wait") == 2


async def test_obliterating_leads_away_and_says_what_went(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3)
    html = text_of((await admin.get(QUEUE + "?form=obliterate")).content.decode())
    assert "All 3 jobs go" in html
    answer = await admin.post(QUEUE + "?action=obliterate", {"typed": "chat"}, follow=True)
    assert "Queue “chat” is gone, with 3 jobs." in text_of(answer.content.decode())
    assert client_of_redis.keys(f"{prefix}:chat:*") == []


async def test_limits_are_set_by_a_form_and_undone(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    form = {"concurrency": "4", "max": "100", "amount": "1", "unit": "min"}
    html = (await admin.post(QUEUE + "?action=limits", form, htmx=True)).content.decode()
    assert "at most 4 jobs at once" in text_of(html)
    address, token = undo_of(html)
    await admin.post(address, token)
    assert client_of_redis.hget(f"{prefix}:chat:meta", "concurrency") is None
    assert (await admin.post(QUEUE + "?action=limits", {"max": "5"}, htmx=True)).status_code == 400


async def test_a_pause_is_undone_from_its_notice(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    html = (await operator.post(QUEUE + "?action=pause", htmx=True)).content.decode()
    address, token = undo_of(html)
    await operator.post(address, token)
    assert client_of_redis.hget(f"{prefix}:chat:meta", "paused") is None
    assert count((await operator.get(QUEUE + "?status=failed")).content.decode(), "failed") == 1


@pytest.mark.parametrize("form", ["edit", "duplicate", "reprioritize", "elsewhere"])
async def test_markup_in_a_job_stays_text_in_every_form(admin, connection, client_of_redis, prefix, form):
    from dashboard.links import job_url

    evil = plant_evil(client_of_redis, prefix)
    html = (await admin.get(job_url(connection, evil, evil, form=form), htmx=True)).content.decode()
    assert is_inert(html)


@pytest.mark.parametrize("form", ["edit", "duplicate", "reprioritize", "fail", "cancel", "elsewhere", "nothing"])
async def test_a_form_opens_for_nobody_without_the_ability(viewer, failed, form):
    assert (await viewer.get(f"{QUEUE}/1?form={form}", htmx=True)).status_code == (404 if form == "nothing" else 403)


async def test_a_run_of_ours_is_cancelled_and_it_is_said_when_it_took_effect(admin, connection, sight):
    async def endless(job):
        await asyncio.sleep(60)

    (job_id,) = await plant_waiting(connection, "chat")
    async with operating(endless):
        await sight.until("active", job_id)
        asked = (await admin.get(f"{QUEUE}/{job_id}?form=cancel", htmx=True)).content.decode()
        assert "Its worker is told at once" in text_of(asked)
        form = {"reason": "too slow", "panel": "1"}
        html = text_of((await admin.post(f"{QUEUE}/{job_id}?action=cancel", form, htmx=True)).content.decode())
    assert "was cancelled: it is failed now (“too slow”)" in html
    assert re.search(r"It took effect \d+\.\d s after it was asked\.", html)
