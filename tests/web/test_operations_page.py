"""Bulk work on its pages: counted before it begins, begun by the form, steered, told of job by job, and undone."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from dashboard.models import QueueGrant
from queues.models import AuditEntry, Operation
from queues.operations import Target
from queues.states import State
from tests.failing import plant_group
from tests.operating import begun, done, duty, leading, now, run
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.web.conftest import signed_in
from tests.web.planted import count, plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "/admin/queues"
NEW, LIST = f"{BASE}/operations/new", f"{BASE}/operations"
FAILED = f"{BASE}/queue/chat?status=failed"


def form_of(html: str) -> dict[str, Any]:
    """What the form of operation/ask.html would send; a reason is given, as a person does."""
    form = html.split('class="operation-form"')[1].split("</form>")[0]
    sent = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)">', form))
    sent = {name: unescape(value) for name, value in sent.items() if name != "csrfmiddlewaretoken"}
    return sent | {"reason": "the provider is back"}


async def asked(browser: Any, query: str) -> str:
    answer = await browser.get(f"{NEW}?{query}")
    assert answer.status_code == 200, answer.content
    html: str = answer.content.decode()
    return html


async def one() -> Operation:
    return await Operation.objects.aget()


# --- before


async def test_what_would_be_touched_is_counted_shown_and_begun_by_the_form(
    operator, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 120)
    plant_failed(client_of_redis, prefix, "mail", 3)
    html = await asked(operator, "do=retry&queue=chat&queue=mail&state=failed")
    said = text_of(html)
    assert "Retry 123 failed jobs?" in said
    assert "chat 120" in said
    assert "mail 3" in said
    assert html.count('<td class="mono clip">') == 5
    assert await Operation.objects.acount() == 0
    answer = await operator.post(NEW, form_of(html) | {"rate": "50", "stop": "20", "reset": "1"})
    row = await one()
    assert (answer.status_code, answer["Location"]) == (303, f"{LIST}/{row.pk}")
    assert (row.action, row.expected, row.rate_per_s, row.stop_percent) == ("retry", 123, 50.0, 20.0)
    assert (row.reason, row.actor, row.parameters) == ("the provider is back", "operator", '{"reset_attempts":true}')
    entry = await AuditEntry.objects.aget()
    assert (entry.action, entry.actor) == ("operation.begin", "operator")
    assert "the provider is back" in entry.parameters


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("do=retry&queue=chat&state=failed&attempts=x", "does not say how many attempts"),
        ("do=retry&queue=chat&state=moon", "There is no state"),
        ("do=retry&queue=chat", "which state"),
        ("do=retry", "which queues"),
        ("do=destroy&queue=chat&state=failed", "There is no action"),
        ("do=restore&queue=chat&state=failed", "There is no action"),
        ("do=promote&queue=chat&state=failed", "cannot be promoted"),
        ("do=retry&id=elsewhere/chat/1", "one connection"),
        ("do=retry&id=1", "does not say which jobs"),
        ("do=retry&target=%7B%7D", "does not say which jobs"),
        ("do=retry&queue=chat&queue=mail&state=failed&job=x", "one state of one queue"),
    ],
)
async def test_what_is_odd_widens_nothing_and_is_named(operator, connection, client_of_redis, prefix, query, said):
    plant_failed(client_of_redis, prefix, "chat", 2)
    answer = await operator.get(f"{NEW}?{query}")
    assert answer.status_code == 400
    assert said in text_of(answer.content.decode())


@pytest.mark.parametrize("change", [{"rate": "x"}, {"rate": "-1"}, {"stop": "100"}, {"target": "[1]"}, {"do": "clean"}])
async def test_a_form_that_was_tampered_with_begins_nothing(operator, connection, client_of_redis, prefix, change):
    plant_failed(client_of_redis, prefix, "chat", 60)
    form = form_of(await asked(operator, "do=retry&queue=chat&state=failed")) | change
    answer = await operator.post(NEW, form, htmx=True)
    assert answer.status_code in (400, 403)
    assert await Operation.objects.acount() == 0


async def test_what_cannot_be_kept_is_removed_only_by_the_queues_name(
    admin, connection, client_of_redis, prefix, monkeypatch
):
    monkeypatch.setattr("queues.operations.stored.MOST_BYTES", 0)
    plant_failed(client_of_redis, prefix, "chat", 2)
    html = await asked(admin, "do=remove&queue=chat&state=failed")
    assert "This cannot be undone." in text_of(html)
    assert "Type chat to confirm" in text_of(html)
    form = form_of(html)
    assert form["keeps"] == "0"
    assert (await admin.post(NEW, form | {"typed": "chatt"}, htmx=True)).status_code == 400
    assert await Operation.objects.acount() == 0
    await admin.post(NEW, form | {"typed": "chat"})
    assert not (await one()).keeps


@pytest.mark.parametrize("reason", ["", "  ", "\x00"])
async def test_nothing_is_removed_without_a_reason_whatever_sends_the_form(
    admin, connection, client_of_redis, prefix, reason
):
    plant_failed(client_of_redis, prefix, "chat", 2)
    html = await asked(admin, "do=remove&queue=chat&state=failed")
    refused = await admin.post(NEW, form_of(html) | {"reason": reason}, htmx=True)
    assert refused.status_code == 400
    assert "Say why" in text_of(refused.content.decode())
    async with leading():
        form = {"state": "failed", "before": "9999999999999", "count": "2", "typed": "chat", "reason": reason}
        assert (await admin.post(f"{FAILED}&action=clean", form, htmx=True)).status_code == 400
        assert await Operation.objects.acount() == 0
        await admin.post(f"{FAILED}&action=clean", form | {"reason": "they are tests"}, htmx=True)
    assert (await one()).reason == "they are tests"


async def test_what_bulk_work_did_to_a_job_stands_on_its_page(admin, viewer, connection, client_of_redis, prefix):
    for queue in ("chat", "mail"):
        plant_failed(client_of_redis, prefix, queue, 3)
    await done(
        Target.of_ids(connection, [("chat", "1"), ("chat", "2")], State.FAILED), "retry", reason="Monday’s outage"
    )
    await done(Target.of_state(connection, ["chat", "mail"], [State.FAILED]), "retry", reason="and mail’s")
    first, third = [text_of((await admin.get(f"{BASE}/queue/chat/{n}")).content.decode()) for n in (1, 3)]
    assert re.search(r"Retried by ana .{1,40} with 1 other job, “Monday’s outage” operation \d+ ", first)
    # Of what was done to jobs of other queues, too, its own page tells whoever may read it.
    assert re.search(r"Retried by ana [^“]{1,40} operation \d+ ", third)
    assert "and mail’s" not in third
    assert "Monday" not in third
    assert "Retried by ana" not in (await viewer.get(f"{BASE}/queue/chat/1")).content.decode()


async def test_nothing_there_offers_nothing_to_begin(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    html = await asked(operator, "do=promote&queue=chat&state=delayed")
    assert "No such job is there now." in text_of(html)
    assert "operation-form" not in html


async def test_moving_asks_where_to_and_needs_the_right_to_add_there(admin, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 4)
    plant_failed(client_of_redis, prefix, "mail", 1)
    html = await asked(admin, "do=move&queue=chat&state=failed")
    assert "Move 4 failed jobs?" in text_of(html)
    assert '<option value="mail">' in html
    assert '<option value="chat">' not in html
    half = await signed_in("half", "view", "remove")
    refused = await half.post(NEW, form_of(html) | {"to": "mail"})
    assert refused.status_code == 403
    assert "toril.add" in text_of(refused.content.decode())
    await admin.post(NEW, form_of(html) | {"to": "mail"})
    assert (await one()).parameters == '{"queue":"mail"}'


async def test_changing_the_priority_asks_for_one(operator, connection):
    await plant_waiting(connection, "chat", 3)
    html = await asked(operator, "do=reprioritize&queue=chat&state=waiting")
    assert "Change the priority of 3 waiting jobs?" in text_of(html)
    assert (await operator.post(NEW, form_of(html), htmx=True)).status_code == 400
    await operator.post(NEW, form_of(html) | {"priority": "7"})
    assert (await one()).parameters == '{"priority":7}'


async def test_ticked_jobs_of_a_search_come_with_their_queues(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "a/b", 2)
    plant_failed(client_of_redis, prefix, "mail", 2)
    answer = await operator.post(NEW, {"do": "retry", "id": ["default/a%2Fb/1", "default/mail/2"]})
    html = answer.content.decode()
    assert "Retry 2 jobs?" in text_of(html)
    await operator.post(NEW, form_of(html))
    assert Target.from_json((await one()).target).ids == (("a/b", "1"), ("mail", "2"))


async def test_a_search_that_is_retried_means_no_completed_jobs(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    html = await asked(operator, "do=retry&q=name:work")
    assert "that the search “name:work” finds" in unescape(html).lower()
    assert '"states": ["failed"]' in form_of(html)["target"] if "operation-form" in html else True


async def test_a_group_of_failures_is_retried_as_far_as_its_jobs_still_failed(
    operator, connection, client_of_redis, prefix
):
    await sync_to_async(plant_group)(7, "chat")
    html = await asked(operator, "do=retry&group=7")
    assert "No such job is there now." in text_of(html)
    assert f'href="{BASE}/failures/7"' in html
    assert (await operator.get(f"{NEW}?do=promote&group=7")).status_code == 400
    row = await begun(Target.of_group(connection, 7), "retry", "again")
    html = (await operator.get(f"{LIST}/{row.pk}")).content.decode()
    assert f'<a href="{BASE}/failures/7">of the group of failures #7</a>' in html


@pytest.mark.parametrize(
    ("query", "back"),
    [
        ("do=retry&queue=chat&state=failed", f"{BASE}/queue/chat?status=failed"),
        ("do=retry&q=state%3Afailed", f"{BASE}/search?q=state%3Afailed"),
    ],
)
async def test_who_does_not_begin_it_is_led_back_to_its_jobs(
    operator, connection, client_of_redis, prefix, query, back
):
    plant_failed(client_of_redis, prefix, "chat", 3)
    html = await asked(operator, query)
    assert back in re.findall(r'<a class="btn plain" href="([^"]*)" data-dismiss="panel">', unescape(html))


# --- who may


async def test_queues_that_one_may_not_steer_are_left_out_and_hidden_ones_do_not_exist(
    transactional_db, connection, client_of_redis, prefix
):
    for queue in ("mail.in", "chat", "secret"):
        plant_failed(client_of_redis, prefix, queue, 2)
    browser = await signed_in("half")
    user = await User.objects.aget(username="half")
    await QueueGrant.objects.acreate(user=user, queue="mail.*", abilities=["view", "retry"])
    await QueueGrant.objects.acreate(user=user, queue="chat", abilities=["view"])
    html = await asked(browser, "do=retry&queue=mail.in&queue=chat&state=failed")
    assert "Retry 2 failed jobs?" in text_of(html)
    assert "1 queue is left out, because you may not do this to it: chat" in text_of(html)
    assert (await browser.get(f"{NEW}?do=retry&queue=secret&state=failed")).status_code == 404
    assert (await browser.get(f"{NEW}?do=retry&queue=chat&state=failed")).status_code == 403
    forged = Target.of_state(connection, ["mail.in", "chat"], [State.FAILED]).to_json()
    await browser.post(NEW, form_of(html) | {"target": forged})
    assert Target.from_json((await one()).target).queues == ("mail.in",)
    hidden = Target.of_ids(connection, [("secret", "1"), ("mail.in", "1")]).to_json()
    assert (await browser.post(NEW, form_of(html) | {"target": hidden})).status_code == 404


async def test_an_operation_over_a_hidden_queue_is_answered_as_none(
    transactional_db, viewer, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "mail", 2)
    plant_failed(client_of_redis, prefix, "secret", 2)
    both = await begun(Target.of_state(connection, ["mail", "secret"], [State.FAILED]), "retry", "of both")
    mail = await begun(Target.of_state(connection, ["mail"], [State.FAILED]), "retry", "of mail alone")
    found = await begun(Target.of_search(connection, "data.user:42"), "retry", "of whatever queue")
    browser = await signed_in("blinkered")
    user = await User.objects.aget(username="blinkered")
    await QueueGrant.objects.acreate(user=user, queue="mail", abilities=["view"])
    said = text_of((await browser.get(LIST)).content.decode())
    assert "of mail alone" in said
    assert "of both" not in said
    assert "of whatever queue" not in said
    for hidden in (both, found):
        assert (await browser.get(f"{LIST}/{hidden.pk}")).status_code == 404
        assert (await browser.post(f"{LIST}/{hidden.pk}?action=cancel")).status_code == 404
    assert (await browser.get(f"{LIST}/{mail.pk}")).status_code == 200
    assert (await browser.post(f"{LIST}/{mail.pk}?action=cancel")).status_code == 403
    assert "of both" in text_of((await viewer.get(LIST)).content.decode())
    bare = await signed_in("bare", "view")
    assert "user:42" not in (await bare.get(f"{LIST}/{found.pk}")).content.decode()
    assert "user:42" in (await viewer.get(f"{LIST}/{found.pk}")).content.decode()
    assert (await bare.get(f"{NEW}?repeat={found.pk}")).status_code == 403


# --- as it runs


async def test_one_is_paused_resumed_cancelled_and_repeated(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 70)
    row = await begun(Target.of_state(connection, ["chat"], [State.FAILED]), "retry", "again", rate_per_s=5.0)
    here = f"{LIST}/{row.pk}"
    said = text_of((await operator.get(here)).content.decode())
    assert "It waits for a mirror: none runs." in said
    for action, phase, says in (
        ("pause", "paused", "Paused."),
        ("resume", "running", "at most 5 a second"),
        ("cancel", "cancelled", "Cancelled"),
    ):
        answer = await operator.post(f"{here}?action={action}")
        assert (answer.status_code, answer["Location"]) == (303, here)
        assert (await now(row)).phase == phase
        assert says in text_of((await operator.get(here)).content.decode())
    refused = await operator.post(f"{here}?action=resume", htmx=True)
    assert refused["HX-Redirect"] == here
    assert "that cannot be done to it" in text_of((await operator.get(here)).content.decode())
    assert (await operator.post(f"{here}?action=explode")).status_code == 400
    again = await asked(operator, f"repeat={row.pk}")
    assert 'value="5"' in again
    await operator.post(NEW, form_of(again) | {"rate": "5"})
    repeated = await Operation.objects.order_by("pk").alast()
    assert repeated is not None
    assert (repeated.repeats_id, repeated.rate_per_s, repeated.total) == (row.pk, 5.0, 0)
    assert f"Repeated as operation {repeated.pk}" in text_of((await operator.get(here)).content.decode())


async def test_its_page_tells_what_became_of_each_job(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 60)
    row = await begun(Target.of_state(connection, ["chat"], [State.FAILED]), "retry", "again")
    async with duty() as turned:
        while not (await now(row)).is_collected:
            await turned.turn()
        client_of_redis.zrem(f"{prefix}:chat:failed", "4")
        collected = text_of((await operator.get(f"{LIST}/{row.pk}?fragment=one")).content.decode())
        assert "Running." in collected
        await run(turned, row)
    html = (await operator.get(f"{LIST}/{row.pk}")).content.decode()
    said = text_of(html)
    assert "Retry 60 failed jobs" in said
    assert "Done 59 of 60" in said
    assert "Had moved on 1" in said
    assert 'aria-valuenow="100"' in html
    assert "data-poll" not in html
    moved = text_of((await operator.get(f"{LIST}/{row.pk}?outcome=moved")).content.decode())
    assert "had moved on" in moved
    assert re.findall(r'id="item-(\d+)"', html) == [str(n) for n in range(1, 51)]
    (further,) = re.findall(r'href="([^"]*)" rel="next"', html)
    beyond = (await operator.get(unescape(further))).content.decode()
    assert re.findall(r'id="item-(\d+)"', beyond) == [str(n) for n in range(51, 61)]
    assert "59" in text_of((await operator.get(LIST)).content.decode())


async def test_what_was_removed_is_restored_from_its_page(admin, operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 60)
    row = await done(Target.of_state(connection, ["chat"], [State.FAILED]), "clean")
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 0
    html = (await admin.get(f"{LIST}/{row.pk}")).content.decode()
    assert "60 removed jobs are kept for 24 hours" in text_of(html)
    assert re.search(r"cannot\. Until .{4,40}:\d\d", text_of(html))
    assert "Restore 60 jobs" in text_of(html)
    assert "Restore 60 jobs" not in text_of((await operator.get(f"{LIST}/{row.pk}")).content.decode())
    assert (await operator.post(f"{LIST}/{row.pk}?action=restore")).status_code == 403
    answer = await admin.post(f"{LIST}/{row.pk}?action=restore")
    back = await Operation.objects.aget(restores=row)
    assert answer["Location"] == f"{LIST}/{back.pk}"
    async with duty() as turned:
        await run(turned, back)
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 60
    assert f"restores what operation {row.pk} removed" in text_of(
        (await admin.get(answer["Location"])).content.decode()
    )
    html = (await admin.get(f"{LIST}/{row.pk}")).content.decode()
    assert "Restore 60 jobs" not in text_of(html).replace(f"Operation {back.pk}: Restore 60 jobs", "")


# --- the buttons of other pages, where a mirror leads


async def test_more_than_a_screenful_is_asked_about_as_an_operation_in_place(
    operator, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 51)
    plant_failed(client_of_redis, prefix, "mail", 50)
    async with leading():
        many = (await operator.get(f"{FAILED}&confirm=retry-all", htmx=True)).content.decode()
        few = (await operator.get(f"{BASE}/queue/mail?status=failed&confirm=retry-all", htmx=True)).content.decode()
        page = (await operator.get(f"{FAILED}&confirm=retry-all")).content.decode()
        assert "operation-form" not in few
        assert "Retry 50 failed jobs?" in text_of(few)
        for html in (many, page):
            assert "Retry 51 failed jobs?" in text_of(html)
        answer = await operator.post(NEW, form_of(many), htmx=True)
    row = await one()
    assert answer["HX-Redirect"] == f"{LIST}/{row.pk}"
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 51


async def test_without_a_mirror_the_bounded_act_stays_and_says_so(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 51)
    html = (await operator.get(f"{FAILED}&confirm=retry-all", htmx=True)).content.decode()
    assert "operation-form" not in html
    assert "No mirror runs" in text_of(html)


async def test_a_browser_that_is_not_asked_begins_it_at_once(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 60)
    form = {"state": "failed", "before": "9999999999999", "count": "60"}
    async with leading():
        answer = await operator.post(f"{FAILED}&action=retry-all", form, htmx=True)
    row = await one()
    assert (answer["HX-Redirect"], row.expected) == (f"{LIST}/{row.pk}", 60)


@pytest.mark.parametrize(("action", "state"), [("clean", "failed"), ("drain", "waiting")])
async def test_whole_states_are_removed_by_an_operation_however_few_for_only_that_is_undone(
    admin, connection, client_of_redis, prefix, action, state
):
    plant_failed(client_of_redis, prefix, "chat", 3)
    await plant_waiting(connection, "chat", 3)
    async with leading():
        html = (await admin.get(f"{FAILED}&confirm={action}&state={state}", htmx=True)).content.decode()
        assert "can be restored" in text_of(html)
        await admin.post(NEW, form_of(html))
    row = await one()
    assert row.keeps
    assert Target.from_json(row.target).states[0].value == state
    async with duty() as turned:
        await run(turned, row)
    assert (await now(row)).done == 3


async def test_what_fits_a_filter_is_all_of_it_and_not_only_what_was_searched(
    operator, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 60, name="mail")
    plant_job(client_of_redis, prefix, "chat", "other", name="scan")
    async with leading():
        html = (await operator.get(f"{FAILED}&job=mail&confirm=selected&do=retry", htmx=True)).content.decode()
        assert "Retry 60 failed jobs?" in text_of(html)
        assert "Named like “mail”" in text_of(html)
        await operator.post(NEW, form_of(html))
    row = await one()
    assert (row.expected, Target.from_json(row.target).filter.name) == (60, "mail")  # type: ignore[union-attr]


async def test_many_ticked_jobs_are_asked_about_in_place(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 60)
    form = {"do": "retry", "id": [str(n) for n in range(1, 61)]}
    async with leading():
        answer = await operator.post(f"{FAILED}&action=selected", form, htmx=True)
        assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#panel", "innerHTML")
        html = answer.content.decode()
        assert "Retry 60 failed jobs?" in text_of(html)
        whole = (await operator.post(f"{FAILED}&action=selected", form)).content.decode()
        assert "Retry 60 failed jobs?" in text_of(whole)
        await operator.post(NEW, form_of(html))
    assert len(Target.from_json((await one()).target).ids) == 60


async def test_all_failed_jobs_of_all_queues_are_one_operation(operator, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 40)
    plant_failed(client_of_redis, prefix, "mail", 40)
    async with leading():
        html = (await operator.get(f"{BASE}/?confirm=retry-all", htmx=True)).content.decode()
    assert "Retry 80 failed jobs?" in text_of(html)
    await operator.post(NEW, form_of(html))
    assert Target.from_json((await one()).target).queues == ("chat", "mail")


async def test_promoting_many_is_asked_about_too(operator, connection):
    await plant_delayed(connection, "chat", 60)
    async with leading():
        html = (await operator.get(f"{BASE}/queue/chat?status=delayed&confirm=promote-all", htmx=True)).content.decode()
    assert "Promote 60 delayed jobs?" in text_of(html)
    page = (await operator.get(f"{BASE}/queue/chat?status=delayed")).content.decode()
    assert count(page, "delayed") == 60


async def test_moving_and_changing_priorities_have_their_buttons_and_are_operations_however_few(
    admin, operator, viewer, connection, client_of_redis, prefix
):
    await plant_waiting(connection, "chat", 3)
    waiting = f"{BASE}/queue/chat?status=waiting"
    page = (await admin.get(f"{waiting}&job=work")).content.decode()
    assert page.count("do=move&amp;queue=chat&amp;state=waiting") == 2
    assert "do=reprioritize&amp;queue=chat&amp;state=waiting&amp;job=work" in page
    assert 'name="do" value="move"' in page
    html = (
        await admin.post(f"{waiting}&action=selected", {"do": "reprioritize", "id": ["1"]}, htmx=True)
    ).content.decode()
    assert "Change the priority of 1 waiting job?" in text_of(html)
    # What removes from a queue is not an operator's.
    page = (await operator.get(waiting)).content.decode()
    assert "do=move" not in page
    assert "do=reprioritize" in page
    assert (
        await operator.post(f"{waiting}&action=selected", {"do": "move", "id": ["1"]}, htmx=True)
    ).status_code == 403
    assert "do=" not in (await viewer.get(waiting)).content.decode()


async def test_in_process_there_are_no_operations(admin, settings):
    settings.TORIL = {"USE_JOB_QUEUE": False}
    assert "No operations here" in text_of((await admin.get(LIST)).content.decode())
