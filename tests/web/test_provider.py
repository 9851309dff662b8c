"""Sign-in by a real OpenID provider (npm's oidc-provider): the way there and back, and whatever is bent on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from django.contrib.auth.models import User

from dashboard.models import OutsideAccount
from dashboard.sign_in import openid, provider
from tests.services import INTEROP, require_node
from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
BACK = "http://testserver/sign-in/provider/back"
PEOPLE = {
    "1": {"preferred_username": "ada", "groups": ["ops", "unknown"]},
    "2": {"preferred_username": "bob", "groups": []},
    "3": {"preferred_username": "root", "groups": ["ops"]},
    "4": {"preferred_username": "<script>alert(1)</script>", "groups": ["ops"]},
    "5": {"preferred_username": "new\nline", "groups": ["ops"]},
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    given = {"GIVEN": json.dumps({"redirect": BACK, "people": PEOPLE})}
    command = [require_node(), str(INTEROP / "provider.mjs")]
    process = subprocess.Popen(
        command, env=os.environ | given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["issuer"]
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(autouse=True)
def told(issuer: str, settings: Any, transactional_db: None) -> dict[str, Any]:
    settings.OIDC = {
        "ISSUER": issuer,
        "CLIENT_ID": "toril",
        "CLIENT_SECRET": "a secret of thirty-two bytes, or more",
        "SCOPES": ("openid", "profile", "groups"),
        "GROUPS_CLAIM": "groups",
        "GROUPS": {"ops": "operator"},
        "NAME": "Our own",
    }
    return settings.OIDC


async def at_the_providers(address: str, subject: str) -> str:
    """The address to which the provider sends the browser back, once this person has signed in there."""
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.get(address)
        for _ in range(10):
            where = answer.headers.get("Location")
            if where is None:
                action = re.search(r'action="([^"]+)"', answer.text)
                assert action, answer.text
                answer = await client.post(action[1], data={"prompt": "login", "login": subject, "password": "any"})
                continue
            where = urljoin(str(answer.url), where)
            if where.startswith("http://testserver"):
                return where
            answer = await client.get(where)
    raise AssertionError(f"the provider leads nowhere: {answer.text[:500]}")


async def signed_in(browser: Browser, subject: str, path: str = "/sign-in/provider") -> Any:
    left = await browser.get(path)
    assert left.status_code == 302, left.content
    return await browser.get((await at_the_providers(left["Location"], subject)).removeprefix("http://testserver"))


async def test_the_way_there_and_back_makes_an_account_with_the_groups_that_were_claimed(anonymous):
    page = (await anonymous.get("/sign-in?next=/admin/queues/search")).content.decode()
    assert "Sign in with Our own" in page
    asked = re.search(r'href="(/sign-in/provider\?[^"]+)"', page)
    answer = await signed_in(anonymous, "1", asked[1])
    assert (answer.status_code, answer["Location"]) == (302, "/admin/queues/search")
    assert (await anonymous.get("/admin/queues/search")).status_code == 200
    ada = await User.objects.aget(username="ada")
    assert (ada.is_staff, ada.is_superuser, ada.has_usable_password()) == (True, False, False)
    assert [group.name async for group in ada.groups.all()] == ["operator"]


async def test_what_is_asked_of_the_provider_holds_pkce_state_and_nonce_and_no_secret(anonymous, told):
    left = await anonymous.get("/sign-in/provider")
    asked = parse_qs(urlsplit(left["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert all(len(asked[name][0]) >= 20 for name in ("state", "nonce", "code_challenge"))
    assert asked["redirect_uri"] == [BACK]
    assert told["CLIENT_SECRET"] not in left["Location"]
    cookie = left.cookies["toril_provider"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 600)


async def test_the_second_time_it_is_the_same_account_whatever_it_is_called_and_lost_groups_are_lost(anonymous, told):
    await signed_in(anonymous, "1")
    told["GROUPS"] = {"others": "operator"}
    await User.objects.filter(username="ada").aupdate(username="ada.new")
    again = Browser()
    await signed_in(again, "1")
    ada = await User.objects.aget(username="ada.new")
    assert not ada.is_staff
    assert not await ada.groups.aexists()
    assert (await again.get("/admin/queues/")).status_code == 403


async def test_who_is_in_no_group_is_let_in_nowhere(anonymous):
    await signed_in(anonymous, "2")
    assert (await anonymous.get("/admin/queues/")).status_code == 403


async def test_a_local_account_is_not_given_to_whoever_claims_its_name(anonymous):
    await User.objects.acreate_superuser("root", password="root-password")
    answer = await signed_in(anonymous, "3")
    assert (answer.status_code, await OutsideAccount.objects.acount()) == (403, 0)
    assert (await anonymous.get("/admin/queues/"))["Location"].startswith("/sign-in")


async def test_a_disabled_account_stays_out(anonymous):
    await signed_in(anonymous, "1")
    await User.objects.filter(username="ada").aupdate(is_active=False)
    assert (await signed_in(Browser(), "1")).status_code == 403


async def test_a_name_is_text_and_one_that_is_none_is_refused(anonymous):
    await signed_in(anonymous, "4")
    assert "<script>alert" not in (await anonymous.get("/admin/queues/")).content.decode()
    assert (await signed_in(Browser(), "5")).status_code == 403


async def test_an_answer_that_this_browser_did_not_ask_for_is_refused(anonymous):
    left = await anonymous.get("/sign-in/provider")
    back = (await at_the_providers(left["Location"], "1")).removeprefix("http://testserver")
    state = parse_qs(urlsplit(back).query)["state"][0]
    stranger = Browser()
    assert (await stranger.get(back)).status_code == 403
    await stranger.get("/sign-in/provider")
    assert (await stranger.get(back)).status_code == 403
    for bent in (back.replace(state, "x" * 20), back.replace("iss=", "iss=https://evil.example/"), back.split("?")[0]):
        assert (await anonymous.get(bent)).status_code == 403
    refused = await anonymous.get(f"/sign-in/provider/back?state={state}&error=access_denied")
    assert refused.status_code == 403
    assert not await User.objects.filter(username="ada").aexists()
    assert (await anonymous.get(back)).status_code == 302
    assert (await anonymous.get(back)).status_code == 403


async def test_a_code_is_good_once_and_for_whoever_holds_its_verifier(anonymous, issuer):
    left = await anonymous.get("/sign-in/provider")
    back = (await at_the_providers(left["Location"], "1")).removeprefix("http://testserver")
    kept = anonymous.cookies["toril_provider"].value
    assert (await anonymous.get(back)).status_code == 302
    anonymous.cookies["toril_provider"] = kept
    assert (await anonymous.get(back)).status_code == 502


@pytest.mark.parametrize(
    "wrong",
    [{"ISSUER": "{issuer}/other"}, {"CLIENT_ID": "another"}, {"CLIENT_SECRET": "not the secret of this client at all"}],
)
async def test_a_provider_that_is_not_as_it_was_told_lets_nobody_in(anonymous, issuer, told, wrong):
    left = await anonymous.get("/sign-in/provider")
    back = (await at_the_providers(left["Location"], "1")).removeprefix("http://testserver")
    told |= {name: value.format(issuer=issuer) for name, value in wrong.items()}
    assert (await anonymous.get(back)).status_code in (403, 502)
    assert not await User.objects.filter(username="ada").aexists()


async def test_a_token_for_somebody_else_or_signed_by_a_shared_secret_is_none(issuer, told):
    app = await openid._app(provider.configured())
    assert app.server_metadata["id_token_signing_alg_values_supported"]
    assert not {"none", "HS256"} & set(app.server_metadata["id_token_signing_alg_values_supported"])


async def test_a_provider_that_is_away_is_said_so(anonymous, told):
    told["ISSUER"] = "http://127.0.0.1:9"
    answer = await anonymous.get("/sign-in/provider")
    assert (answer.status_code, "does not answer" in answer.content.decode()) == (502, True)


async def test_without_a_provider_there_is_no_such_way(anonymous, settings):
    settings.OIDC = {}
    assert (await anonymous.get("/sign-in/provider")).status_code == 404
    assert "Sign in with" not in (await anonymous.get("/sign-in")).content.decode()
