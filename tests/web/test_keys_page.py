"""Keys are made, rotated and revoked on their page: one's own by all, a service's by who may, another's by nobody."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User

from dashboard.credentials import keys
from dashboard.credentials.giving import covers
from dashboard.models import QueueGrant
from queues.models import ApiKey, ApiSecret, AuditEntry
from tests.web.conftest import signed_in
from tests.web.keyed import forget_callers, plant_key, program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.echo")]
PAGE, NEW = "/admin/queues/keys", "/admin/queues/keys/new"
SHOWN = re.compile(r"toril_[0-9A-Za-z]{8}_[\w-]{43}")


@pytest.fixture(autouse=True)
def _nothing_known(connection):
    yield
    forget_callers()


def shown(answer) -> str:
    assert answer.status_code == 200, answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    (found,) = SHOWN.findall(answer.content.decode())
    return found


async def html(browser, path: str = PAGE) -> str:
    return (await browser.get(path)).content.decode()


async def test_a_person_makes_a_key_of_their_own_rotates_and_revokes_it(operator):
    assert "No key yet" in await html(operator)
    form = {"name": "deploy", "abilities": ["retry"], "queues": "mails-*\n", "days": "30", "rate": "5"}
    first = shown(await operator.post(NEW, form))
    assert (await program(first).get("/api/who/mails-1")).json()["may"][0:1] == ["job.promote"]
    page = await html(operator)
    assert first[:14] in page
    assert first not in page
    assert "Expires" in page
    assert "deploy" in await html(operator, f"{PAGE}?confirm=rotate&key={(await ApiKey.objects.aget()).pk}")
    number = str((await ApiKey.objects.aget()).pk)
    second = shown(await operator.post(PAGE, {"do": "rotate", "key": number, "hours": "2"}))
    assert [(await program(each).get("/api/who")).status_code for each in (first, second)] == [200, 200]
    assert "Its older secret opens until" in await html(operator)
    shown(await operator.post(PAGE, {"do": "rotate", "key": number, "hours": "0"}))
    keys.known.clear()
    assert [(await program(each).get("/api/who")).status_code for each in (first, second)] == [401, 401]
    assert (await operator.post(PAGE, {"do": "revoke", "key": number})).status_code == 303
    assert "Revoked" in await html(operator)
    assert (await operator.post(PAGE, {"do": "revoke", "key": number})).status_code == 409
    told = [
        (entry.action, entry.actor, entry.outcome) async for entry in AuditEntry.objects.order_by("pk").select_related()
    ]
    assert [action for action, *_rest in told][:4] == ["key.make", "key.rotate", "key.rotate", "key.revoke"]
    assert {actor for _action, actor, _outcome in told} == {"operator"}
    page = await html(operator)
    assert not [secret async for secret in ApiSecret.objects.all() if secret.digest in page]


BAD = [
    ("name", ""), ("name", "x" * 81), ("name", "a\x00b"), ("abilities", "fly"), ("abilities", "keys"),
    ("abilities", ""), ("queues", " "), ("queues", "x" * 300), ("queues", "\n".join(f"q{n}" for n in range(60))),
    ("days", "0"), ("days", "-1"), ("days", "many"), ("days", "9" * 20), ("rate", "0"), ("rate", "1e3"),
]  # fmt: skip


async def test_what_cannot_be_a_key_is_told_above_the_form_as_it_was_typed(admin):
    for field, value in BAD:
        form = {"name": "deploy", "abilities": "view", "queues": "mails-*", "days": "30"} | {field: value}
        answer = await admin.post(NEW, form)
        assert answer.status_code == 400, (field, value)
        assert 'role="alert"' in answer.content.decode()
        assert field == "queues" or "mails-*" in answer.content.decode()
    assert not await ApiKey.objects.aexists()


async def test_two_living_keys_of_one_holder_have_two_names(admin):
    form = {"name": "deploy", "abilities": "view", "queues": "*", "days": "never"}
    shown(await admin.post(NEW, form))
    assert (await admin.post(NEW, form)).status_code == 400
    shown(await admin.post(NEW, form | {"whose": "service"}))
    assert (await admin.post(NEW, form | {"whose": "service"})).status_code == 400


async def test_a_services_key_gives_no_more_than_its_maker_has(viewer):
    browser = await signed_in("maker", "view", "retry", "keys")
    user = await User.objects.aget(username="maker")
    await QueueGrant.objects.acreate(user=user, queue="mails-*", abilities=["view", "clean"])
    form = {"name": "a", "whose": "service", "abilities": ["clean"], "queues": "*", "days": "30"}
    assert (await viewer.post(NEW, form)).status_code == 403
    assert (await browser.post(NEW, form)).status_code == 403
    assert (await browser.post(NEW, form | {"queues": "mails-eu-*\nmails"})).status_code == 403
    shown(await browser.post(NEW, form | {"queues": "mails-eu-*"}))
    shown(await browser.post(NEW, form | {"name": "b", "abilities": ["retry"]}))
    # A new secret would be a key to all that the old one opens.
    await plant_key("strong", abilities=["obliterate"])
    strong = str((await ApiKey.objects.aget(name="strong")).pk)
    assert (await browser.post(PAGE, {"do": "rotate", "key": strong})).status_code == 403
    assert (await browser.post(PAGE, {"do": "revoke", "key": strong})).status_code == 303


async def test_the_key_of_another_is_seen_and_revoked_by_whoever_may_and_rotated_by_nobody_else(viewer, operator):
    await plant_key("of-ana", owner=await User.objects.aget(username="viewer"))
    number = str((await ApiKey.objects.aget()).pk)
    assert "of-ana" in await html(viewer)
    assert "of-ana" not in await html(operator)
    for verb in ("rotate", "revoke"):
        assert (await operator.get(f"{PAGE}?confirm={verb}&key={number}")).status_code == 404
        assert (await operator.post(PAGE, {"do": verb, "key": number})).status_code == 404
    keeper = await signed_in("keeper", group="admin")
    assert "of-ana" in await html(keeper)
    assert (await keeper.post(PAGE, {"do": "rotate", "key": number})).status_code == 403
    assert await ApiSecret.objects.acount() == 1
    assert (await keeper.get(f"{PAGE}?confirm=revoke&key={number}", htmx=True)).status_code == 200
    assert (await keeper.post(PAGE, {"do": "revoke", "key": number})).status_code == 303


async def test_what_is_no_act_changes_nothing(admin):
    for form in ({}, {"do": "fly", "key": "1"}, {"do": "revoke", "key": "x"}, {"do": "revoke"}):
        assert (await admin.post(PAGE, form)).status_code == 400
    assert (await admin.post(PAGE, {"do": "revoke", "key": "7"})).status_code == 404


def test_a_pattern_covers_another_only_where_each_name_of_it_fits():
    for wide, narrow, does in (
        ("*", "mails-*", True), ("mails-*", "mails-*", True), ("mails-*", "mails-eu-*", True), ("mails-*", "*", False),
        ("mails-?", "mails-*", False), ("mails-?", "mails-?", True), ("mails-?", "mails-1", True), ("a", "b", False),
        ("*-eu", "mails-*", False), ("*s-*", "mails-?", True),
    ):  # fmt: skip
        assert covers(wide, narrow) is does, (wide, narrow)
