"""The schedulers' pages: what is said of each, who may do what, and forms that never store a mask."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.models import QueueGrant
from queues import queue
from queues.models import KeptScheduler
from tests.web.browser import Browser
from tests.web.planted import EVIL, is_inert, text_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
LIST = "/admin/queues/job-schedulers"


def one(name: str = "nightly", **more: str) -> str:
    query = "&".join(f"{key}={quote(value)}" for key, value in more.items())
    return f"{LIST}?queue=chat&id={quote(name)}" + (f"&{query}" if query else "")


async def plant(name: str = "nightly", **more) -> None:
    given = {"pattern": "0 4 * * *", "tz": "Europe/Berlin", "data": {"n": 1, "apiKey": "sk-live-abcdef0123456789"}}
    await queue("chat").upsert_scheduler(name, **{**given, **more})


async def page(browser: Browser, path: str, status: int = 200) -> str:
    response = await browser.get(path)
    assert response.status_code == status, response.content.decode()[:800]
    return response.content.decode()


@pytest.fixture
async def narrow(transactional_db: None) -> Browser:
    """Sees the queue `open` alone."""
    user = await User.objects.acreate_user("narrow", is_staff=True)
    await QueueGrant.objects.acreate(user=user, connection="*", queue="open", abilities=["view", "schedulers"])
    browser = Browser()
    await browser.aforce_login(user)
    return browser


async def test_every_queues_schedulers_stand_in_one_list_next_due_first(connection, admin):
    await plant(limit=30)
    await queue("mail").upsert_scheduler("beat", every_ms=600_000, name="tick")
    html = await page(admin, LIST)
    told = text_of(html)
    assert "2 schedulers" in told
    assert "every 10 minutes" in told
    assert "At 04:00" in told
    assert "1 of 30" in told
    assert told.index("beat") < told.index("nightly")
    assert "nightly" not in text_of(await page(admin, f"{LIST}?queue=mail")).split("Scheduler Queue")[1]
    assert "beat" not in text_of(await page(admin, f"{LIST}?find=0%204")).split("Scheduler Queue")[1]
    assert "No scheduler fits" in text_of(await page(admin, f"{LIST}?find=nothing"))


async def test_the_five_next_runs_are_moments_that_the_browser_tells_in_its_zone(connection, admin):
    await plant(pattern="30 2 * * *")
    moments = re.findall(r'<ol class="moments">(.*?)</ol>', await page(admin, one()), re.DOTALL)[0]
    assert len(re.findall(r'<time datetime="\d{4}-\d\d-\d\dT0[01]:30:00.000Z"', moments)) == 5


async def test_a_secret_in_its_data_is_masked_and_the_form_never_sends_the_mask_back(connection, sight, admin):
    await plant()
    assert "sk-live" not in await page(admin, one())
    form = await page(admin, one(form="edit"))
    assert "sk-live" not in form
    assert "•••" not in form
    fields = {"kind": "pattern", "pattern": "0 5 * * *", "tz": "UTC", "name": "digest", "data": "", "options": ""}
    sent = await admin.post(one(action="save"), {**fields, "is_data_hidden": "1"})
    assert sent.status_code == 303
    stored = sight.client.hgetall(sight.keys("repeat:nightly"))
    assert stored[b"data"] == b'{"n":1,"apiKey":"sk-live-abcdef0123456789"}'
    assert (stored[b"pattern"], stored[b"name"]) == (b"0 5 * * *", b"digest")


async def test_what_was_stored_by_others_survives_a_change_and_digits_stay(connection, sight, admin):
    await plant(data={"big": 12345678901234567890}, attempts=3)
    sight.client.hset(sight.keys("repeat:nightly"), "opts", '{"attempts":3,"strange":{"a":1}}')
    fields = {"kind": "every", "every": "1.5", "unit": "h", "name": "tick", "limit": "7"}
    data, options = '{"big": 12345678901234567890}', '{"attempts": 4, "strange": {"a": 1}, "keepLogs": 9}'
    assert (await admin.post(one(action="save"), {**fields, "data": data, "options": options})).status_code == 303
    stored = {k.decode(): v.decode() for k, v in sight.client.hgetall(sight.keys("repeat:nightly")).items()}
    assert (stored["every"], stored["limit"], stored["data"]) == ("5400000", "7", data)
    assert sorted(re.findall(r'"(\w+)"', stored["opts"])) == ["a", "attempts", "kl", "strange"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "pattern", "pattern": "61 * * * *", "tz": "UTC"}, "cannot be read"),
        ({"kind": "pattern", "pattern": "* * * * *", "tz": "Mars/Base"}, "no time zone"),
        ({"kind": "every", "every": "soon"}, "must be a number"),
        ({"kind": "every", "every": "5", "unit": "min", "limit": "x"}, "whole number"),
        ({"kind": "every", "every": "5", "unit": "min", "end": "2001-01-01T00:00"}, "future"),
        ({"kind": "every", "every": "5", "unit": "min", "data": "{"}, "not JSON"),
        ({"kind": "every", "every": "5", "unit": "min", "options": '{"attemps": 3}'}, "no option"),
        ({"kind": "every", "every": "5", "unit": "min", "options": '{"attempts": -1}'}, "attempts"),
        ({"kind": "pattern", "pattern": ""}, "needs either"),
    ],
)
async def test_what_cannot_be_is_said_in_the_form_which_keeps_what_was_typed(connection, sight, admin, fields, said):
    await plant()
    before = sight.client.hgetall(sight.keys("repeat:nightly"))
    response = await admin.post(one(action="save"), {"name": "typed", **fields}, htmx=True)
    assert response.status_code == 400
    html = response.content.decode()
    assert said in text_of(html)
    assert 'value="typed"' in html
    assert sight.client.hgetall(sight.keys("repeat:nightly")) == before


async def test_while_one_types_the_words_and_the_next_runs_appear(connection, viewer):
    told = text_of(await page(viewer, f"{LIST}?fragment=preview&kind=pattern&pattern=0+9+*+*+1-5&tz=UTC"))
    assert "At 09:00, Monday through Friday" in told
    assert "cannot be read" in text_of(await page(viewer, f"{LIST}?fragment=preview&kind=pattern&pattern=x&tz=UTC"))
    assert "every 5 minutes" in text_of(await page(viewer, f"{LIST}?fragment=preview&kind=every&every=5&unit=min"))
    assert "put forward" not in told
    hostile = quote("* " * 3000)
    assert "longer than" in text_of(await page(viewer, f"{LIST}?fragment=preview&kind=pattern&pattern={hostile}"))


async def test_a_pause_says_who_since_when_and_until_when_and_is_resumed(connection, sight, admin):
    await plant()
    paused = await admin.post(one(action="pause"), {"until": "1h", "stays": "on"}, htmx=True)
    assert paused.status_code == 200
    told = text_of(paused.content.decode())
    assert "Paused by admin" in told
    assert "No mirror runs" in told
    row = await KeptScheduler.objects.aget()
    assert timedelta(minutes=55) < row.until - timezone.now() < timedelta(minutes=61)
    assert "paused by admin" in text_of(await page(admin, LIST))
    resumed = await admin.post(one(action="resume"), {"back": ""}, htmx=True)
    assert "runs again" in text_of(resumed.content.decode())
    assert (await admin.post(one(action="pause"), {"until": "never"})).status_code == 400


async def test_a_removed_one_can_be_put_back_from_the_list(connection, sight, admin):
    await plant()
    await admin.post(one(action="remove"), {"back": ""}, htmx=True)
    html = await page(admin, LIST)
    assert "was removed by admin" in text_of(html)
    assert "action=restore" in html
    await admin.post(one(action="restore"), {"back": ""})
    assert sight.client.zscore(sight.keys("repeat"), "nightly") is not None


async def test_who_may_only_look_is_shown_no_button_and_refused(connection, sight, viewer):
    await plant()
    for path in (LIST, one()):
        assert not re.search("action=(run|pause|edit|remove)|form=(add|edit)", await page(viewer, path))
    for action in ("run", "pause", "remove"):
        assert (await viewer.post(one(action=action))).status_code == 403
    assert (await viewer.get(one(form="edit"))).status_code == 403
    assert (await viewer.post(one(action="save"), {"kind": "every", "every": "1"})).status_code == 403
    assert sight.client.zscore(sight.keys("repeat"), "nightly") is not None


async def test_a_queue_that_is_hidden_has_no_schedulers(connection, sight, narrow):
    await plant()
    await queue("open").upsert_scheduler("seen", every_ms=60_000, data={"secret": "pay"})
    told = text_of(await page(narrow, LIST))
    assert "1 scheduler" in told
    assert "nightly" not in told
    for path in (one(), one(form="edit"), f"{LIST}?queue=chat"):
        assert "nightly" not in text_of(await page(narrow, path, 404))
    assert (await narrow.post(one(action="pause"))).status_code == 404
    # May steer it, but not read what its jobs carry: the form shows nothing and changes nothing of that.
    form = await page(narrow, f"{LIST}?queue=open&id=seen&form=edit")
    assert "pay" not in form
    saved = await narrow.post(
        f"{LIST}?queue=open&id=seen&action=save", {"kind": "every", "every": "2", "unit": "min", "data": "{}"}
    )
    assert saved.status_code == 303
    key = sight.keys.base.decode().replace("chat:", "open:") + "repeat:seen"
    assert (sight.client.hget(key, "data"), sight.client.hget(key, "every")) == (b'{"secret":"pay"}', b"120000")


async def test_markup_in_every_field_stays_text(connection, sight, admin):
    key = sight.keys(f"repeat:{EVIL}")
    sight.client.hset(sight.keys("meta"), "version", "bullmq:6.7.0")
    sight.client.zadd(sight.keys("repeat"), {EVIL: 1_900_000_000_000})
    fields = {"name": EVIL, "pattern": EVIL, "tz": EVIL, "data": f'{{"{EVIL}":1}}', "opts": EVIL, "ic": "1"}
    sight.client.hset(key, mapping=fields)
    for path in (LIST, one(EVIL), one(EVIL, form="edit"), f"{LIST}?find={quote(EVIL)}"):
        assert is_inert(await page(admin, path))


async def test_one_that_is_not_there_is_not_found_and_no_action_is_guessed(connection, admin):
    await plant()
    assert "has no scheduler" in text_of(await page(admin, one("none"), 404))
    assert (await admin.post(one(action="explode"))).status_code == 400
    assert (await admin.post(one("none", action="pause"))).status_code == 404
