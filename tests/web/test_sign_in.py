"""The way in and out: constant answers, safe ways on, sessions that change hands, guessing slowed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from unittest import mock
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from axes.models import AccessAttempt
from django.contrib.auth.models import Group, User
from django.db import connection
from django.utils import timezone

from dashboard.sign_in import attempts
from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
OVERVIEW = "/admin/queues/"
PASSWORD = "ada-password"


@pytest.fixture
async def ada(transactional_db: None) -> User:
    user = await User.objects.acreate_user("ada", password=PASSWORD, is_staff=True)
    await user.groups.aset([await Group.objects.aget(name="viewer")])
    return user


async def sign_in(browser: Browser, name: str = "ada", password: str = PASSWORD, **more: str):
    return await browser.post("/sign-in", {"username": name, "password": password} | more)


async def test_the_right_password_leads_to_the_overview(anonymous, ada):
    answer = await sign_in(anonymous)
    assert (answer.status_code, answer["Location"]) == (302, OVERVIEW)
    assert (await anonymous.get("/sign-in"))["Location"] == OVERVIEW


async def test_it_leads_on_to_the_page_that_was_asked_for(anonymous, ada):
    asked = "/admin/queues/queue/a%2Fb?status=failed&page=2"
    turned = await anonymous.get(asked)
    assert turned.status_code == 302
    form = await anonymous.get(turned["Location"])
    assert form.context["next"] == asked
    assert (await sign_in(anonymous, next=asked))["Location"] == asked


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
        "http:evil.example",
        "http:///evil.example", "javascript:alert(1)", "data:text/html,x", " //evil.example", "\t//evil.example",
        "/\t/evil.example", "http://testserver@evil.example/", "http://testserver.evil.example/", "https:/evil.example",
        "evil.example", "?next=x", "", "//testserver@evil.example", "/%0a/evil", "ftp://testserver/", "http://evil\x00.example",
        "/\n/evil.example", "////evil.example", "http://[evil",
    ],
)  # fmt: skip
async def test_nobody_is_led_off_the_site(anonymous, ada, target):
    location = (await sign_in(anonymous, next=target))["Location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "evil.example" not in location


async def test_wrong_name_wrong_password_and_disabled_account_get_one_answer(anonymous, ada):
    await User.objects.acreate_user("gone", password="gone-password", is_staff=True, is_active=False)
    answers = [
        await sign_in(anonymous, "nobody", "x"),
        await sign_in(anonymous, "ada", "x"),
        await sign_in(anonymous, "gone", "gone-password"),
    ]
    assert {(a.status_code, a.context["problem"]) for a in answers} == {
        (400, "This name and password do not belong together.")
    }


async def test_the_session_changes_at_sign_in(anonymous, ada):
    planted = (await anonymous.asession()).session_key
    anonymous.cookies["toril_session"] = planted
    await sign_in(anonymous)
    assert anonymous.cookies["toril_session"].value != planted


async def test_the_cookie_is_for_the_browser_alone_and_for_twelve_hours(anonymous, ada):
    cookie = (await sign_in(anonymous)).cookies["toril_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 12 * 3600)


async def test_after_sign_out_the_old_cookie_opens_nothing(anonymous, ada):
    await sign_in(anonymous)
    key = anonymous.cookies["toril_session"].value
    assert (await anonymous.post("/sign-out"))["Location"] == "/sign-in"
    anonymous.cookies["toril_session"] = key
    assert (await anonymous.get("/admin/"))["Location"].startswith("/sign-in")


async def test_sign_out_by_a_link_does_nothing(viewer):
    assert (await viewer.get("/sign-out")).status_code == 405
    assert (await viewer.get("/sign-in")).status_code == 302


async def test_a_stranger_is_told_and_can_sign_out(stranger):
    assert (await stranger.get(OVERVIEW)).status_code == 403
    assert (await stranger.post("/sign-out")).status_code == 302


async def test_signing_in_needs_the_token_of_its_form(ada):
    strict = Browser(enforce_csrf_checks=True)
    assert (await sign_in(strict)).status_code == 403
    await strict.get("/sign-in")
    token = strict.cookies["toril_csrf"].value
    assert (await sign_in(strict, csrfmiddlewaretoken=token)).status_code == 302


async def test_after_five_failures_from_one_place_not_even_the_right_password_is_looked_at(anonymous, ada):
    for _ in range(attempts.PER_PAIR):
        assert (await sign_in(anonymous, password="guess")).status_code == 400
    assert (await sign_in(anonymous)).status_code == 429
    assert (await sign_in(anonymous, "ADA ")).status_code == 429
    assert (await sign_in(anonymous, "somebody")).status_code == 400


async def test_a_stranger_who_guesses_shuts_out_only_their_own_address(ada):
    for _ in range(attempts.PER_PAIR + 1):
        await sign_in(Browser("203.0.113.9"), password="guess")
    assert (await sign_in(Browser("198.51.100.1"))).status_code == 302


async def test_guessing_one_account_from_many_places_is_refused(ada):
    places = (Browser(f"203.0.113.{n}") for n in range(attempts.PER_ACCOUNT + 1))
    codes = [(await sign_in(place, password="guess")).status_code for place in places]
    assert codes == [400] * attempts.PER_ACCOUNT + [429]


async def test_guessing_many_accounts_from_one_place_is_refused(anonymous, ada):
    codes = [(await sign_in(anonymous, f"user{n}", "guess")).status_code for n in range(attempts.PER_ADDRESS + 1)]
    assert codes == [400] * attempts.PER_ADDRESS + [429]


async def test_success_forgets_the_failures_of_that_person_in_that_place(anonymous, ada):
    for _ in range(attempts.PER_PAIR - 1):
        await sign_in(anonymous, password="guess")
    await sign_in(anonymous)
    assert not await AccessAttempt.objects.aexists()


async def test_after_ten_minutes_the_failures_are_gone(anonymous, ada):
    for _ in range(attempts.PER_PAIR):
        await sign_in(anonymous, password="guess")
    await AccessAttempt.objects.aupdate(attempt_time=timezone.now() - timedelta(minutes=11))
    assert (await sign_in(anonymous)).status_code == 302
    assert not await AccessAttempt.objects.aexists()


async def test_no_name_is_kept_as_it_was_typed(anonymous, ada):
    await sign_in(anonymous, "my secret password", "x")
    attempt = await AccessAttempt.objects.aget()
    assert "secret" not in repr(vars(attempt))


@pytest.mark.parametrize(
    "form", [{}, {"username": "a" * 10_000, "password": "x"}, {"username": "a", "password": "x" * 10_000}]
)
async def test_odd_forms_get_the_same_sentence_and_cost_nothing(anonymous, form, db):
    assert (await anonymous.post("/sign-in", form)).status_code == 400
    assert not await AccessAttempt.objects.aexists()


async def test_what_was_typed_comes_back_escaped(anonymous, ada):
    name = '"><script>alert(1)</script>'
    page = (await sign_in(anonymous, name, "x", next="/admin/queues/?x=<script>")).content.decode()
    assert "<script>alert" not in page
    assert "?x=<script>" not in page


async def test_the_next_of_the_address_survives_a_failure(anonymous, ada):
    address = "/sign-in?" + urlencode({"next": "/admin/queues/?connection=other"})
    answer = await anonymous.post(address, {"username": "ada", "password": "wrong"})
    assert answer.context["next"] == "/admin/queues/?connection=other"


@pytest.fixture
def frozen_writer(transactional_db: None) -> Iterator[None]:
    """Somebody halted in the middle of a transaction holds SQLite, for longer than anyone would wait."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has but one writer")
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_while_a_frozen_mirror_holds_sqlite_pages_answer_and_sign_in_soon_says_what_is_wrong(
    anonymous, viewer, ada, frozen_writer
):
    def be_patient() -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 60000")

    await sync_to_async(be_patient)()
    with mock.patch("dashboard.sign_in.hurry.WRITE_MS", 50), mock.patch("dashboard.sign_in.stay.NOTED_EVERY_S", -1):
        async with asyncio.timeout(30):
            assert (await viewer.get("/admin/queues/settings")).status_code == 200
            # One answer: neither is a password guessed uncounted, nor is it told whether it was the right one.
            for password in (PASSWORD, "wrong"):
                answer = await sign_in(anonymous, password=password)
                assert (answer.status_code, "toril_session" in anonymous.cookies) == (503, False)
    assert await sync_to_async(busy_timeout)() == 60_000


def busy_timeout() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        return int(cursor.fetchone()[0])
