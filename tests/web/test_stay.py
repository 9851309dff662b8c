"""How long somebody stays signed in: no longer than they do something, and not for ever."""

from __future__ import annotations

import time
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError

from dashboard.credentials.identifying import identify, recheck
from dashboard.live import guard
from dashboard.live.codes import Close
from dashboard.sign_in import stay
from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
OVERVIEW = "/admin/queues/settings"


@pytest.fixture(autouse=True)
def half_an_hour(settings: Any) -> None:
    settings.SESSION_IDLE_S, settings.SESSION_COOKIE_AGE = 1_800, 12 * 3_600


def key_of(browser: Browser) -> str:
    return str(browser.cookies["toril_session"].value)


async def noted(browser: Browser) -> stay.Stay:
    found = await sync_to_async(lambda: stay.of(SessionStore(key_of(browser))))()
    assert found is not None
    return found


def later(seconds: float) -> Any:
    moment = time.time() + seconds
    return mock.patch("dashboard.sign_in.stay.time.time", return_value=moment)


async def is_in(browser: Browser) -> bool:
    answer = await browser.get(OVERVIEW)
    assert answer.status_code in (200, 302)
    return bool(answer.status_code == 200)


async def socket_is_let(browser: Browser) -> bool:
    return (await guard.judged([key_of(browser)]))[key_of(browser)] is not Close.SIGNED_OUT


@pytest.mark.parametrize(("minutes", "stays"), [(29, True), (31, False)])
async def test_half_an_hour_without_doing_anything_ends_it_for_pages_sockets_and_streams(viewer, minutes, stays):
    identity = await identify({}, {"toril_session": key_of(viewer)})
    with later(60 * minutes):
        assert await socket_is_let(viewer) == stays
        assert (await recheck(identity) is not None) == stays
        assert await is_in(viewer) == stays


async def test_who_does_something_stays_for_twelve_hours_and_no_longer(viewer):
    for minutes in range(25, 12 * 60, 25):
        with later(60 * minutes):
            assert await is_in(viewer)
    with later(12 * 3_600 + 1):
        assert not await socket_is_let(viewer)
        assert not await is_in(viewer)


async def test_what_is_pushed_is_nothing_that_its_person_does(viewer):
    identity = await identify({}, {"toril_session": key_of(viewer)})
    before = await noted(viewer)
    with later(600):
        assert await socket_is_let(viewer)
        assert await recheck(identity) is not None
    assert await noted(viewer) == before
    with later(601):
        await is_in(viewer)
    assert (await noted(viewer)).seen > before.seen


async def test_it_is_noted_once_a_minute_and_never_holds_a_page_up(viewer):
    with mock.patch.object(SessionStore, "save", side_effect=OperationalError("database is locked")) as saved:
        assert await is_in(viewer)
        assert not saved.called
        with later(61):
            assert await is_in(viewer)
        assert saved.called


async def test_without_the_bound_a_screen_on_a_wall_stays(viewer, settings):
    settings.SESSION_IDLE_S = 0
    with later(11 * 3_600):
        assert await is_in(viewer)


async def test_a_session_from_before_this_was_noted_begins_now(viewer):
    def forget() -> None:
        session = SessionStore(key_of(viewer))
        del session[stay.KEY]
        session.save()

    await sync_to_async(forget)()
    assert await is_in(viewer)
    assert (await noted(viewer)).seen == pytest.approx(time.time(), abs=60)
