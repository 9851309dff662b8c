"""Sign-in by a proxy that has asked people itself: its header counts, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
PROXY, STRANGER = "10.0.0.1", "203.0.113.9"
OVERVIEW = "/admin/queues/settings"


@pytest.fixture(autouse=True)
def told(settings: Any, transactional_db: None) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.PROXY_SIGN_IN = {"HEADER": "X-Forwarded-User", "GROUPS_HEADER": "X-Forwarded-Groups", "GROUPS": {}}
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, "dashboard.sign_in.by_proxy.Vouched"]


def saying(user: str, groups: str = "") -> dict[str, str]:
    return {"X-Forwarded-User": user, "X-Forwarded-Groups": groups}


async def test_whom_our_proxy_names_is_signed_in_with_the_groups_that_it_names():
    browser = Browser(PROXY)
    assert (await browser.get(OVERVIEW, headers=saying("ada", "viewer, nothing"))).status_code == 200
    ada = await User.objects.aget(username="ada")
    assert (ada.is_staff, ada.is_superuser, ada.has_usable_password()) == (True, False, False)
    assert [group.name async for group in ada.groups.all()] == ["viewer"]
    key = browser.cookies["toril_session"].value
    assert (await browser.get(OVERVIEW, headers=saying("ada", "viewer"))).status_code == 200
    assert browser.cookies["toril_session"].value == key


async def test_a_strangers_header_is_no_name():
    for headers in (saying("ada", "admin"), saying("ada", "admin") | {"X-Forwarded-For": PROXY}):
        answer = await Browser(STRANGER).get(OVERVIEW, headers=headers)
        assert answer["Location"].startswith("/sign-in")
    assert not await User.objects.aexists()


async def test_a_private_network_alone_vouches_for_nobody(settings):
    settings.TRUSTED_PROXIES, settings.HTTPS = [], True
    assert (await Browser(PROXY).get(OVERVIEW, headers=saying("ada", "admin")))["Location"].startswith("/sign-in")
    assert not await User.objects.aexists()


async def test_a_stranger_with_the_cookie_but_without_the_proxy_is_signed_out():
    browser = Browser(PROXY)
    await browser.get(OVERVIEW, headers=saying("ada", "viewer"))
    browser.address = STRANGER
    assert (await browser.get(OVERVIEW, headers=saying("ada", "viewer")))["Location"].startswith("/sign-in")


async def test_another_name_is_another_session():
    browser = Browser(PROXY)
    await browser.get(OVERVIEW, headers=saying("ada", "viewer"))
    key = browser.cookies["toril_session"].value
    answer = await browser.get(OVERVIEW, headers=saying("bob", "operator"))
    assert answer.context["request"].user.get_username() == "bob"
    assert browser.cookies["toril_session"].value != key


async def test_groups_that_are_lost_are_lost_with_the_next_session_and_a_disabled_account_is_refused():
    await Browser(PROXY).get(OVERVIEW, headers=saying("ada", "admin"))
    assert (await Browser(PROXY).get(OVERVIEW, headers=saying("ada"))).status_code == 403
    await User.objects.aupdate(is_active=False)
    assert (await Browser(PROXY).get(OVERVIEW, headers=saying("ada", "admin"))).status_code == 403


@pytest.mark.parametrize("name", ["x" * 151, "a\tb"])
async def test_a_name_that_cannot_be_one_is_refused(name):
    assert (await Browser(PROXY).get(OVERVIEW, headers=saying(name, "viewer"))).status_code == 403


async def test_people_of_this_site_still_sign_in_with_their_password(settings):
    await User.objects.acreate_superuser("root", password="root-password")
    browser = Browser(PROXY)
    assert (await browser.post("/sign-in", {"username": "root", "password": "root-password"})).status_code == 302
    assert (await browser.get(OVERVIEW)).status_code == 200
