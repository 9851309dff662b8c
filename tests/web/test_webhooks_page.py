"""Webhooks on their pages: made with a secret that is shown once, seen by whom they concern, tested, sent again."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection as database

from dashboard.models import QueueGrant
from queues.models import AuditEntry, Delivery, Endpoint
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.planted import EVIL, is_inert, plant_webhook, text_of

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/queues/webhooks"
NEW, ONE = f"{LIST}/new", f"{LIST}/1"
#: An address that needs no name server; nothing is sent where no mirror leads.
FORM = {"name": "Billing", "url": "https://1.1.1.1/secret-path", "kinds": ["job.completed", "alert.fired"]}
PAYLOAD = "carried-by-the-job"


async def teammate(*more: str) -> Browser:
    """May have webhooks on mails-*, and nothing elsewhere."""
    browser = await signed_in("teammate")
    user = await User.objects.aget(username="teammate")
    await QueueGrant.objects.acreate(user=user, queue="mails-*", abilities=["view", "webhooks", *more])
    return browser


async def plant(number: int, queue: str, maker: str = "", **fields: Any) -> Endpoint:
    user = await User.objects.aget(username=maker) if maker else None
    return await sync_to_async(plant_webhook)(number, queue, PAYLOAD, user, **fields)


def secret_in(html: str) -> str:
    return re.search(r">(whsec_[A-Za-z0-9+/=]{44})<", html)[1]


@sync_to_async
def dump() -> str:
    """All that the database holds of webhooks and of who did what."""
    with database.cursor() as cursor:
        tables = [name for name in database.introspection.table_names() if name.startswith("toril_")]
        return "".join(str(cursor.execute(f"SELECT * FROM {name}").fetchall()) for name in tables)  # noqa: S608


async def test_it_is_made_shown_its_secret_once_changed_rotated_and_removed(admin, connection):
    assert "No webhook yet" in text_of((await admin.get(LIST)).content.decode())
    made = await admin.post(
        NEW, FORM | {"queues": "mails-*\n\nmails-*", "data": "plan.tier = pro", "with_payload": "1"}
    )
    assert (made.status_code, made["Cache-Control"]) == (200, "no-store")
    secret = secret_in(made.content.decode())
    row = await Endpoint.objects.aget()
    one = f"{LIST}/{row.pk}"
    assert (row.kinds, row.queues, row.data) == (
        '["job.completed", "alert.fired"]',
        '["mails-*"]',
        '{"plan.tier": "pro"}',
    )
    listed = text_of((await admin.get(LIST)).content.decode())
    assert "Billing 1.1.1.1 · admin job.completed alert.fired mails-* Nothing was sent yet." in listed
    assert "secret-path" not in listed
    assert "No mirror runs" in listed
    page = text_of((await admin.get(one)).content.decode())
    assert "https://1.1.1.1/secret-path" in page
    assert "plan.tier = pro" in page
    edit = (await admin.get(f"{one}?edit=1")).content.decode()
    assert 'value="https://1.1.1.1/secret-path"' in edit
    changed = await admin.post(f"{one}?action=edit", FORM | {"name": "Bills"})
    assert (changed.status_code, changed["Location"]) == (303, one)
    rotated = await admin.post(f"{one}?action=rotate", {"overlap": "168"})
    newer = secret_in(rotated.content.decode())
    await row.arefresh_from_db()
    assert (row.name, row.queues, row.with_payload, bool(row.former_until)) == ("Bills", "[]", False, True)
    assert newer != secret
    held = await dump()
    assert not [each for each in (secret, newer, secret[6:], newer[6:]) if each in held]
    assert "The former secret signs, too, until" in text_of((await admin.get(one)).content.decode())
    for action, said in (("disable", "is disabled"), ("enable", "is enabled"), ("enable", "is enabled already")):
        answer = await admin.post(f"{one}?action={action}", follow=True)
        assert said in text_of(answer.content.decode())
    assert "was removed, with 0 deliveries" in text_of(
        (await admin.post(f"{one}?action=remove", follow=True)).content.decode()
    )
    recorded = [entry async for entry in AuditEntry.objects.order_by("pk").values_list("action", "actor", "outcome")]
    names = ["make", "edit", "rotate", "disable", "enable", "enable", "remove"]
    assert [f"webhook.{name}" for name in names] == [action for action, _, _ in recorded]
    assert [outcome for _, _, outcome in recorded] == ["done"] * 5 + ["refused", "done"]
    assert "secret-path" not in await dump()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": " "}, "A name has 1 to 120 characters."),
        ({"kinds": []}, "Choose at least one of"),
        ({"kinds": ["job.added"]}, "Choose at least one of"),
        ({"url": "https://127.0.0.1/x"}, "leads to an address that webhooks do not go to"),
        ({"url": "https://[::ffff:169.254.169.254]/x"}, "leads to an address that webhooks do not go to"),
        ({"url": "http://example.com/"}, "begins with http://"),
        ({"url": "https://ana:pw@example.com/"}, "user or password"),
        ({"data": "plan.tier"}, "write where it stands and what"),
        ({"data": "a = b", "kinds": ["alert.fired"]}, "Only jobs have data"),
        ({"queues": "*" * 9}, "8 stars"),
    ],
)
async def test_what_cannot_be_is_said_where_it_was_typed(given, said, admin, connection):
    if given.get("url", "").startswith("http://"):
        given["url"] = "http://1.1.1.1/"
    answer = await admin.post(NEW, FORM | given)
    assert answer.status_code == 400
    html = answer.content.decode()
    assert said in text_of(html)
    assert 'value="https://1.1.1.1/secret-path"' in html or "url" in given
    assert not await Endpoint.objects.aexists()


async def test_a_test_is_listed_with_its_request_and_can_be_sent_again(admin, connection):
    await plant(1, "mails-1")
    sent = await admin.post(f"{ONE}?action=test")
    test = await Delivery.objects.aget(kind="webhook.test")
    assert (sent.status_code, sent["Location"]) == (303, f"{ONE}/deliveries/{test.pk}")
    html = (await admin.get(sent["Location"])).content.decode()
    assert 'data-words="{' in html, "the words that scripts need are the page's"
    page = text_of(html)
    assert f"webhook-id {test.message_id}" in page
    assert '"webhook": "hook 1", "by": "admin"' in page
    assert "waits to be sent" in page
    failed = (await admin.get(f"{ONE}?state=failed")).content.decode()
    assert "given up. It answered 500." in text_of(failed)
    assert failed.count('id="delivery-') == 1
    answer = await admin.get(f"{ONE}/deliveries/1")
    assert PAYLOAD in text_of(answer.content.decode()).partition("Attempts")[2]
    await admin.post(f"{ONE}?action=redeliver", {"delivery": "1"})
    row = await Delivery.objects.aget(pk=1)
    assert (row.state, row.message_id, row.tries, row.round_tries) == ("waiting", "msg_1", 1, 0)
    await Delivery.objects.filter(pk=1).aupdate(state="failed", due_at=None)
    assert "1 delivery is sent again" in text_of(
        (await admin.post(f"{ONE}?action=redeliver-failed", follow=True)).content.decode()
    )
    await admin.post(f"{ONE}?action=disable")
    refused = await admin.post(f"{ONE}?action=redeliver", {"delivery": "1"}, follow=True)
    assert "is disabled; enable it first" in text_of(refused.content.decode())


async def test_whoever_has_webhooks_on_some_queues_sees_their_own_and_of_those_queues_alone(connection, admin):
    browser = await teammate()
    await plant(1, "mails-1", "teammate")
    await plant(2, "mails-1")
    await sync_to_async(plant_webhook)(3, "hidden-chat", PAYLOAD, await User.objects.aget(username="teammate"))
    listed = text_of((await browser.get(LIST)).content.decode())
    assert ("hook 1" in listed, "hook 2" in listed, "hook 3" in listed) == (True, False, True)
    for path in (f"{LIST}/2", f"{LIST}/3/deliveries/3", f"{LIST}/2/deliveries/2", f"{LIST}/77"):
        assert (await browser.get(path)).status_code == 404, path
    assert (await browser.post(f"{LIST}/2?action=test")).status_code == 404
    assert (await browser.post(f"{LIST}/3?action=redeliver", {"delivery": "3"})).status_code == 404
    assert (await browser.post(f"{LIST}/3?action=redeliver-failed")).status_code == 403
    third = (await browser.get(f"{LIST}/3")).content.decode()
    assert "hidden-chat" not in third
    assert 'id="delivery-' not in third
    assert "Given up 0" in text_of(third)
    own = text_of((await browser.get(f"{ONE}/deliveries/1")).content.decode())
    assert PAYLOAD not in own
    assert "which your account may not read" in own
    assert "shown to those who may have webhooks on every queue" in own
    await QueueGrant.objects.aupdate(abilities=["view", "webhooks", "view_payload"])
    own = text_of((await browser.get(f"{ONE}/deliveries/1")).content.decode())
    assert own.count(PAYLOAD) == 1, "the body, and still no answer"


async def test_who_changes_a_webhook_takes_the_place_of_who_made_it(connection, admin):
    await teammate()
    row = await plant(1, "mails-1", "teammate")
    await admin.post(f"{ONE}?action=edit", FORM)
    await row.arefresh_from_db()
    assert row.maker_name == "admin"
    assert row.maker_id == (await User.objects.aget(username="admin")).pk


async def test_a_disabled_one_says_why_and_one_whose_maker_left_that_it_is_told_nothing(admin, connection):
    row = await plant(1, "mails-1")
    assert "the account that made it is gone or inactive" in text_of((await admin.get(LIST)).content.decode())
    row.enabled, row.why, row.disabled_at = False, "failing", row.since
    await row.asave()
    for path in (LIST, ONE):
        assert "it failed for too long" in text_of((await admin.get(path)).content.decode())


async def test_markup_in_names_answers_and_bodies_stays_text(admin, connection):
    await sync_to_async(plant_webhook)(1, EVIL, EVIL)
    await Endpoint.objects.aupdate(name=EVIL[:120], queues=json.dumps([EVIL]), names=json.dumps([EVIL]))
    await Delivery.objects.aupdate(error=EVIL[:300], job_id=EVIL)
    for path in (LIST, ONE, f"{ONE}?edit=1", f"{ONE}/deliveries/1"):
        html = (await admin.get(path)).content.decode()
        assert is_inert(html), path
