"""Who looks must still be allowed to: asked of the database as it is now, for all sessions in one go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import AsyncClient

from dashboard.grants import Grants, grants_of
from dashboard.live import guard
from dashboard.live.codes import Close

pytestmark = pytest.mark.django_db(transaction=True)


def refusals(verdicts: dict[str, Close | Grants]) -> dict[str, Close]:
    return {key: verdict for key, verdict in verdicts.items() if isinstance(verdict, Close)}


async def refused(keys: set[str]) -> dict[str, Close]:
    return refusals(await guard.judged(keys))


async def session_of(user: User) -> str:
    client = AsyncClient()
    await client.aforce_login(user)
    return client.cookies["toril_session"].value


@pytest.fixture
async def vera() -> User:
    user = await User.objects.acreate_user("vera", password="vera", is_staff=True)
    await user.groups.aset([await Group.objects.aget(name="viewer")])
    return user


async def test_staff_may_look(vera):
    assert await refused({await session_of(vera)}) == {}


async def test_no_session_is_no_visitor():
    assert await refused({"", "made-up", "x" * 5000}) == dict.fromkeys(["", "made-up", "x" * 5000], Close.SIGNED_OUT)
    assert await refused(set()) == {}


async def test_signing_out_ends_it(vera):
    key = await session_of(vera)
    await SessionStore(key).aflush()
    assert await refused({key}) == {key: Close.SIGNED_OUT}


async def test_an_expired_session_ends_it(vera):
    key = await session_of(vera)
    session = SessionStore(key)
    await session.aset_expiry(-1)
    await session.asave()
    assert await refused({key}) == {key: Close.SIGNED_OUT}


async def test_a_disabled_account_ends_it(vera):
    key = await session_of(vera)
    vera.is_active = False
    await vera.asave()
    assert await refused({key}) == {key: Close.SIGNED_OUT}


async def test_a_deleted_account_ends_it(vera):
    key = await session_of(vera)
    await vera.adelete()
    assert await refused({key}) == {key: Close.SIGNED_OUT}


async def test_a_changed_password_ends_it(vera):
    key = await session_of(vera)
    vera.set_password("another")
    await vera.asave()
    assert await refused({key}) == {key: Close.SIGNED_OUT}


async def test_no_longer_staff_is_another_answer(vera):
    key = await session_of(vera)
    vera.is_staff = False
    await vera.asave()
    assert await refused({key}) == {key: Close.FORBIDDEN}


async def test_looking_neither_ends_nor_renews_a_session(vera, settings):
    key = await session_of(vera)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one"
    assert await refused({key}) == {}
    settings.SECRET_KEY_FALLBACKS = []
    assert await refused({key}) == {key: Close.SIGNED_OUT}
    assert await SessionStore().aexists(key)


async def test_a_thousand_sessions_of_one_person_are_few_questions(vera, django_assert_max_num_queries):
    data = (await Session.objects.aget(session_key=await session_of(vera))).session_data
    until = datetime.now(UTC) + timedelta(hours=1)
    keys = {f"session{n}" for n in range(1000)}
    await Session.objects.abulk_create(Session(session_key=key, session_data=data, expire_date=until) for key in keys)

    def asked() -> dict[str, Close]:
        with django_assert_max_num_queries(7):
            return refusals(guard._judged(frozenset(keys | {"gone"})))

    assert await sync_to_async(asked)() == {"gone": Close.SIGNED_OUT}


@pytest.mark.parametrize("engine", ["cached_db", "cache", "file", "signed_cookies"])
async def test_other_session_stores_are_asked_one_by_one(vera, settings, engine, tmp_path):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    key = await session_of(vera)
    assert await refused({key}) == {}
    vera.is_active = False
    await vera.asave()
    assert await refused({key}) == {key: Close.SIGNED_OUT}


async def test_who_may_see_nothing_any_more_is_cut(vera):
    key = await session_of(vera)
    await vera.groups.aclear()
    assert await refused({key}) == {key: Close.FORBIDDEN}


async def test_the_socket_and_the_pages_ask_one_rule(vera):
    key = await session_of(vera)
    for active in (True, False):
        for staff in (True, False):
            for root in (True, False):
                vera.is_active, vera.is_staff, vera.is_superuser = active, staff, root
                await vera.asave()
                sees = (await sync_to_async(grants_of)(await User.objects.aget(pk=vera.pk))).may_see
                assert sees == (await refused({key}) == {})
