"""Where somebody is signed in: they see it, and end it; whoever runs the site ends anybody's."""

from __future__ import annotations

from io import StringIO

import pytest
from asgiref.sync import sync_to_async
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from dashboard.sign_in.sessions import Held, id_of
from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
PAGE, OVERVIEW = "/admin/queues/sessions", "/admin/queues/settings"


async def another(name: str = "viewer", agent: str = "<b>Firefox</b>") -> Browser:
    browser = Browser("203.0.113.9")
    form = {"username": name, "password": f"{name}-password"}
    assert (await browser.post("/sign-in", form, headers={"User-Agent": agent})).status_code == 302
    return browser


def key_of(browser: Browser) -> str:
    return str(browser.cookies["toril_session"].value)


async def is_in(browser: Browser) -> bool:
    return bool((await browser.get(OVERVIEW)).status_code == 200)


async def manage(*words: str) -> str:
    out = StringIO()
    await sync_to_async(call_command)("signins", *words, stdout=out)
    return out.getvalue()


async def test_the_page_shows_ones_own_sessions_and_nobody_elses_and_no_key(viewer, admin):
    elsewhere = await another()
    page = (await viewer.get(PAGE)).content.decode()
    assert "203.0.113.9" in page
    assert "&lt;b&gt;Firefox" in page
    assert page.count(id_of(key_of(elsewhere))) == 1
    assert not [key_of(each) for each in (viewer, admin, elsewhere) if key_of(each) in page]
    assert id_of(key_of(admin)) not in page


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/156.0.0.0 Safari/537.36 Edg/156.0", "Edge 156, Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36", "Chrome 156, Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/26.1 Safari/605.1", "Safari 26, Mac OS X"),
        ("curl/8.0", "curl/8.0"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_browser_is_called_by_its_name(agent, browser):
    assert Held("", None, None, "", agent, False).browser == browser


async def test_one_is_ended_or_all_but_this_and_never_another_persons(viewer, admin):
    first, second = await another(), await another()
    await viewer.post(PAGE, {"id": id_of(key_of(first))})
    await viewer.post(PAGE, {"id": id_of(key_of(admin))})
    assert [await is_in(each) for each in (viewer, first, second, admin)] == [True, False, True, True]
    await viewer.post(PAGE)
    assert [await is_in(each) for each in (viewer, second, admin)] == [True, False, True]
    assert (await viewer.post(PAGE, {"id": "none"})).status_code == 303


async def test_whoever_runs_the_site_lists_and_ends_anybodys(viewer, admin):
    elsewhere = await another()
    assert "203.0.113.9" in await manage("list", "viewer")
    assert await manage("end", "viewer") == "2 sessions were ended.\n"
    assert [await is_in(each) for each in (viewer, elsewhere, admin)] == [False, False, True]
    assert await manage("end", "--all") == "1 sessions were ended.\n"
    for wrong in (
        ["end"],
        ["end", "nobody"],
        ["list", "--all"],
        ["end", "viewer", "--all"],
        ["end", "--address", "::"],
    ):
        with pytest.raises(CommandError):
            await manage(*wrong)


async def test_who_is_shut_out_is_let_in_again_by_name_or_address(viewer):
    async def shut_out(name: str) -> None:
        for _ in range(6):
            await Browser("203.0.113.9").post("/sign-in", {"username": name, "password": "wrong"})

    await shut_out("viewer")
    await shut_out("somebody")
    assert await AccessAttempt.objects.acount() == 2
    assert await manage("unlock", "Viewer") == "1 failures were forgotten.\n"
    assert await is_in(await another())
    assert await manage("unlock", "--address", "203.0.113.9") == "1 failures were forgotten.\n"
    assert not await AccessAttempt.objects.aexists()


async def test_a_changed_password_ends_every_other_session(viewer):
    elsewhere = await another()
    user = await User.objects.aget(username="viewer")
    user.set_password("a long new password")
    await user.asave()
    assert not await is_in(viewer)
    assert not await is_in(elsewhere)
