"""Programs say who they are: by key or session; and are told what they may, how often, and nothing else."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.credentials import guesses, identifying, keys
from dashboard.credentials.identifying import identify, recheck
from dashboard.credentials.identity import NOBODY
from dashboard.credentials.rates import rates
from dashboard.models import QueueGrant
from queues.errors import Unauthorized
from queues.models import ApiKey, ApiSecret
from queues.options import reset_options
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.keyed import Program, forget_callers, plant_key, plant_secret, program

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.echo")]
WHO = "/api/who"


@pytest.fixture(autouse=True)
def _nothing_known():
    yield
    forget_callers()
    reset_options()


async def status(credential: str, path: str = WHO) -> int:
    return (await program(credential).get(path)).status_code


async def anew(credential: str, path: str = WHO) -> int:
    """As it is when what was known has grown too old."""
    keys.known.clear()
    return await status(credential, path)


# --- keys


async def test_a_key_is_known_by_either_header_and_may_what_it_says():
    key = await plant_key(abilities=["retry"], queues=["mails-*", "replica:chat"])
    told = (await program(key).get("/api/who/mails-1")).json()
    assert "job.retry" in told["may"]
    assert "job.remove" not in told["may"]
    assert (await Program(**{"X-API-Key": key}).get("/api/who/mails-1")).json() == told
    assert (await program(key).get("/api/who/chat")).status_code == 404
    assert (await program(key).get("/api/who/chat?connection=replica")).status_code == 200
    who = (await program(key).get(WHO)).json()
    assert who["actor"] == "key:deploy"
    assert who["caller"] == f"key:{(await ApiKey.objects.aget()).pk}"


async def test_names_in_paths_of_programs_are_told_apart_as_on_pages():
    key = await plant_key()
    assert (await program(key).get("/api/who/a%2Fb")).json()["queue"] == "a/b"


async def test_a_key_that_is_over_revoked_or_unknown_is_refused_and_what_was_known_of_it_is_soon_too_old():
    key = await plant_key()
    assert await status(key) == 200
    for changed, expected in (
        ({"revoked_at": timezone.now()}, 401),
        ({"revoked_at": None, "expires_at": timezone.now() - timedelta(seconds=1)}, 401),
        ({"expires_at": timezone.now() + timedelta(days=1)}, 200),
        ({"abilities": []}, 403),
        ({"abilities": "view"}, 403),
        ({"abilities": ["no-such"], "queues": 7}, 403),
    ):
        await ApiKey.objects.aupdate(**changed)
        assert await anew(key) == expected, changed
    assert keys.KNOWN_S + 3 <= 5, "a revoked key is refused within 5 s, also by streams that ask each 3 s"


async def test_a_key_that_expires_is_refused_though_it_was_known_a_moment_ago(monkeypatch):
    key = await plant_key(expires_at=timezone.now() + timedelta(hours=1))
    assert await status(key) == 200
    later = timezone.now() + timedelta(hours=2)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert await status(key) == 401


async def test_after_a_rotation_both_secrets_open_until_the_older_ones_end():
    older = await plant_key()
    newer = await plant_secret(await ApiKey.objects.aget())
    callers = [(await program(each).get(WHO)).json()["caller"] for each in (older, newer)]
    assert callers[0] == callers[1]
    await ApiSecret.objects.filter(public_id=older[6:14]).aupdate(ends_at=timezone.now() - timedelta(seconds=1))
    assert [await anew(each) for each in (older, newer)] == [401, 200]


async def test_a_persons_key_never_may_more_than_they_may_at_that_moment():
    await signed_in("ana", "view", "retry")
    ana = await User.objects.aget(username="ana")
    key = await plant_key(abilities=["retry", "pause"], queues=["mails-*", "chat"], owner=ana)

    async def may(queue: str) -> set[str]:
        keys.known.clear()
        answer = await program(key).get(f"/api/who/{queue}")
        return set(answer.json()["may"]) & {"job.retry", "queue.pause"} if answer.status_code == 200 else {"nothing"}

    assert [await may(queue) for queue in ("mails-1", "chat", "other")] == [{"job.retry"}, {"job.retry"}, {"nothing"}]
    service = await plant_key(abilities=["retry"])
    who = [(await program(each).get(WHO)).json()["actor"] for each in (key, service)]
    assert who == ["key:ana/deploy", "key:deploy"], "the one passes for the other"
    await QueueGrant.objects.acreate(user=ana, queue="*-eu", abilities=["view", "pause"])
    assert [await may(queue) for queue in ("mails-eu", "mails-1", "chat-eu")] == [
        {"job.retry", "queue.pause"}, {"job.retry"}, {"nothing"},
    ]  # fmt: skip
    await ana.user_permissions.aclear()
    assert [await may(queue) for queue in ("mails-eu", "mails-1")] == [{"queue.pause"}, {"nothing"}]
    for gone in ({"is_staff": False}, {"is_staff": True, "is_active": False}):
        await User.objects.filter(pk=ana.pk).aupdate(**gone)
        assert await anew(key) == 403
    await User.objects.all().adelete()
    assert await anew(key) == 401


async def test_a_key_costs_one_hop_and_the_next_requests_none(monkeypatch):
    key, entered = await plant_key(owner=await User.objects.acreate_superuser("root")), []
    whole = SyncToAsync.__call__

    async def counted(self, *args, **kwargs):
        entered.append(getattr(self.func, "__qualname__", repr(self.func)))
        return await whole(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    client = program(key)
    for _time in range(3):
        assert (await client.get(WHO)).status_code == 200
    assert [name for name in entered if name.startswith("_asked")] == ["_asked"]


async def test_when_a_key_was_used_is_written_at_most_once_a_minute():
    key = await plant_key()
    await status(key)
    first = (await ApiKey.objects.aget()).used_at
    assert first is not None
    await anew(key)
    assert (await ApiKey.objects.aget()).used_at == first
    long_ago = timezone.now() - timedelta(seconds=61)
    await ApiSecret.objects.aupdate(used_at=long_ago)
    await anew(key)
    assert (await ApiSecret.objects.aget()).used_at > long_ago


async def test_no_secret_is_in_what_is_kept_shown_or_logged(capfd, caplog):
    key = await plant_key()
    identity = await identify({"authorization": f"Bearer {key}"}, {})
    await status(key)
    assert await status(f"{key[:15]}{'x' * 43}") == 401
    secret = key.split("_", 2)[2]
    told = repr(identity) + caplog.text + "".join(capfd.readouterr())
    assert secret not in told
    assert [each async for each in ApiSecret.objects.filter(digest__contains=secret)] == []


# --- which of what is shown counts


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer "}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer toril_x"},
        {"X-API-Key": ""}, {"X-API-Key": "x"}, {"Authorization": "bearer x y"}, {"Authorization": "Bearer ä"},
    ],
)  # fmt: skip
async def test_whoever_shows_something_is_not_known_by_a_cookie(headers):
    browser = await signed_in("root", is_superuser=True)
    assert (await browser.get(WHO)).json()["caller"].startswith("user:")
    answer = await browser.get(WHO, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "credentials_invalid")
    assert answer["WWW-Authenticate"] == 'Bearer realm="toril", error="invalid_token"'
    assert not answer.cookies


async def test_two_that_differ_are_refused_and_other_schemes_are_none_of_ours():
    key, other = await plant_key(), await plant_key("other")
    assert (await Program(**{"Authorization": f"Bearer {key}", "X-API-Key": key}).get(WHO)).status_code == 200
    assert (await Program(**{"Authorization": f"Bearer {key}", "X-API-Key": other}).get(WHO)).status_code == 401
    browser = await signed_in("root", is_superuser=True)
    # A proxy may ask for its own name and password, and passes them on.
    assert (await browser.get(WHO, headers={"Authorization": "Basic eDp5"})).status_code == 200


async def test_a_key_stands_in_no_address():
    key = await plant_key()
    with pytest.raises(Unauthorized) as refused:
        await identify({}, {}, token=key)
    assert refused.value.code == "key_in_address"
    assert (await Browser().get(f"{WHO}?token={key}")).status_code == 401


async def test_a_program_is_never_sent_to_sign_in_and_a_cookie_acts_only_with_its_token(admin):
    answer = await Browser().get(WHO, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "credentials_missing")
    assert answer["WWW-Authenticate"] == 'Bearer realm="toril"'
    browser = Browser(enforce_csrf_checks=True)
    await browser.aforce_login(await User.objects.aget(username="admin"))
    assert (await browser.post(WHO)).status_code == 403, "not even where a view exempts itself"
    page = await browser.get("/admin/queues/settings")
    told = page.content.decode().split('csrfmiddlewaretoken" value="')[1].split('"')[0]
    assert (await browser.post(WHO, headers={"X-CSRFToken": told})).status_code == 200
    key = await plant_key()
    assert (await Program(Authorization=f"Bearer {key}").post(WHO)).status_code == 200


@pytest.mark.parametrize(("who", "expected"), [("stranger", 403), ("nobody", 403), ("viewer", 200)])
async def test_a_session_is_asked_what_it_may_see(who, expected):
    fields = {"stranger": {"is_staff": False}, "nobody": {}, "viewer": {"group": "viewer"}}[who]
    assert (await (await signed_in(who, **fields)).get(WHO)).status_code == expected


# --- errors in the words of each API


@pytest.mark.parametrize("how", ["gone", "changed", "redis", "404", "403", "400"])
async def test_what_went_wrong_is_told_in_the_words_of_the_api(how, admin):
    key = await plant_key()
    plain, v1, board = [
        await program(key).get(f"{at}/fails/{how}", headers={"Accept": "text/html"})
        for at in ("/api", "/api/v1", "/admin/queues/api")
    ]
    assert plain.status_code == v1.status_code == board.status_code
    assert set(plain.json()["error"]) == {"code", "message"}
    assert v1["Content-Type"] == "application/problem+json"
    assert v1.json()["status"] == v1.status_code
    assert board.json()["error"]["key"].startswith("ERRORS.")
    assert "a secret detail" not in (plain.content + v1.content + board.content).decode()


# --- rates


async def test_each_caller_has_a_rate_and_every_answer_tells_what_is_left(settings):
    settings.TORIL = {**settings.TORIL, "CREDENTIALS": {"RATE": {"MAX": 3, "WINDOW_S": 60}}}
    reset_options()
    key, other = await plant_key(), await plant_key("other", rate=1)
    answers = [await program(key).get(path) for path in (WHO, "/api/nothing", WHO, WHO)]
    assert [answer.status_code for answer in answers] == [200, 404, 200, 429]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"caller";q=3;w=60'}
    assert [answer["RateLimit"].split(";")[:2] for answer in answers] == [['"caller"', f"r={n}"] for n in (2, 1, 0, 0)]
    last = answers[-1]
    assert 1 <= int(last["Retry-After"]) <= 60
    assert last["RateLimit"].endswith(f";t={last['Retry-After']}")
    assert last.json()["error"]["code"] == "too_many_requests"
    # A newer secret is the same caller; another key is another, here with a rate of its own.
    newer = await plant_secret(await ApiKey.objects.aget(name="deploy"))
    assert await status(newer) == 429
    assert [await status(other), await status(other)] == [200, 429]
    assert "RateLimit" not in await Browser().get(WHO)


async def test_a_window_ends_and_forgotten_callers_are_the_oldest(monkeypatch):
    from queues.options.credentials import Rate

    now = [100.0]
    monkeypatch.setattr("dashboard.credentials.rates.time.monotonic", lambda: now[0])
    monkeypatch.setattr("dashboard.credentials.rates.MOST_CALLERS", 2)
    assert [rates.count("a", Rate(1, 10)).is_over for _time in range(2)] == [False, True]
    now[0] = 110.0
    assert not rates.count("a", Rate(1, 10)).is_over
    for caller in ("b", "c"):
        rates.count(caller, Rate(1, 10))
    assert not rates.count("a", Rate(1, 10)).is_over, "it was forgotten, as the one that asked least lately"


# --- public counts


async def test_public_counts_open_counts_and_no_job(settings):
    anybody = Browser()
    assert (await anybody.get("/api/health")).status_code == 200
    assert (await anybody.get("/api/queue/status")).status_code == 401
    settings.TORIL = {**settings.TORIL, "PUBLIC_COUNTS": True}
    reset_options()
    told = (await anybody.get("/api/queue/status?queue=mails")).json()
    assert (told["may"], told["caller"], told["actor"]) == (["queue.view"], "", "")
    assert (await anybody.get("/api/queue/status?jobId=1")).status_code == 401
    assert (await anybody.post("/api/queue/status")).status_code == 401
    assert (await anybody.get(WHO)).status_code == 401
    assert (await program("x").get("/api/queue/status")).status_code == 401, "who shows something wrong is told so"


# --- sockets and streams


async def test_whoever_stays_is_asked_again(admin):
    key = await plant_key(expires_at=timezone.now() + timedelta(hours=1))
    by_key = await identify({"x-api-key": key}, {})
    by_session = await identify({}, {name: cookie.value for name, cookie in admin.cookies.items()})
    assert (await recheck(by_key)).caller == by_key.caller
    assert (await recheck(by_session)).grants.may_see
    await ApiKey.objects.aupdate(revoked_at=timezone.now())
    await User.objects.aupdate(is_active=False)
    keys.known.clear()
    assert [await recheck(by_key), await recheck(by_session)] == [None, None]
    assert await recheck(NOBODY) is NOBODY


async def test_many_requests_with_one_key_at_once_are_all_answered():
    key = await plant_key()
    assert set(await asyncio.gather(*(status(key) for _time in range(20)))) == {200}


# --- guessing


async def test_after_sixty_wrong_ones_from_a_place_the_next_are_refused_unread_and_good_ones_beside_them_are_not(
    monkeypatch,
):
    key, another = await plant_key("known"), await plant_key("unknown")
    assert await status(key) == 200
    wrong = [another[:-1] + ("A" if another[-1] != "A" else "B"), "a.b.c", "x", f"toril_{'x' * 200}"]
    codes = [await status(wrong[at % 4]) for at in range(guesses.MOST)]
    assert codes == [401] * guesses.MOST
    monkeypatch.setattr(identifying, "_by", None)
    for shown in (*wrong, another):
        answer = await program(shown).get(WHO)
        assert (answer.status_code, 0 < int(answer["Retry-After"]) <= 60) == (429, True)
    monkeypatch.undo()
    assert await status(key) == 200
    elsewhere = program(another)
    elsewhere.address = "203.0.113.9"
    assert (await elsewhere.get(WHO)).status_code == 200
    later = time.monotonic() + guesses.WINDOW_S
    monkeypatch.setattr("dashboard.credentials.guesses.time.monotonic", lambda: later)
    assert await status(another) == 200


async def test_who_shows_nothing_and_who_may_not_are_no_guesses():
    key = await plant_key(queues=["mails"])
    for _ in range(guesses.MOST + 1):
        assert (await Program().get(WHO)).status_code == 401
        assert (await program(key).get("/api/who/other")).status_code in (403, 404)
    assert await status("wrong") == 401
