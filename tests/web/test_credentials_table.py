"""Every address of programs for every credential: a table that fails for whatever it does not know."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from dashboard.credentials.paths import COUNTS, PROGRAMS, is_program
from queues.abilities import ABILITIES, ROLES
from queues.models import ApiKey, AuditEntry, Operation
from queues.operations import Target
from queues.options import reset_options
from queues.states import State
from tests.web.browser import Browser
from tests.web.conftest import signed_in
from tests.web.keyed import forget_callers, plant_key, plant_secret, program
from tests.web.planted import plant_job
from tests.web.program_routes import BODIES, NAMES, QUERIES, ROUTES, STREAMS
from tests.web.tokens import claims, described, handmade, token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.program_urls")]
QUEUE, CARRIED = "mails-1", "carried-by-the-job"
#: As names, labels and keys have it.
NAMED = re.compile(rb"mails-?1|\"status\"|\"stats\"")
EVERYTHING = {"abilities": list(ABILITIES), "queues": ["*"]}
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
METHODS = ("GET", *UNSAFE)
OWN = re.compile(r"^(api/(events|pages|papers|chat|deep-research|messages|scans)|v1/jobs)\b")
ANSWERS_ANYBODY = {"api/health"}


@dataclass(frozen=True)
class Call:
    pattern: str
    method: str
    needs: str

    @property
    def path(self) -> str:
        path = re.sub(r"<([^>]+)>", lambda found: NAMES[found[1]], self.pattern).replace("{queue}", QUEUE)
        query = ({**QUERIES, **STREAMS}).get(self.pattern, "").replace("{queue}", QUEUE)
        return f"/{path}?{query}" if query else f"/{path}"

    @property
    def body(self) -> str:
        return json.dumps(BODIES.get((self.pattern, self.method), {})).replace("{queue}", QUEUE)

    @property
    def names_queue(self) -> bool:
        return QUEUE in self.path + self.body

    async def by(self, client: Browser) -> Any:
        sent = {} if self.method == "GET" else {"data": self.body, "content_type": "application/json"}
        return await client.generic(self.method, self.path, **sent)


CALLS = [Call(pattern, method, needs) for pattern, methods in ROUTES.items() for method, needs in methods.items()]
#: What destroys comes last; streams are opened only where they are refused.
ORDERED = sorted(CALLS, key=lambda call: (call.method != "GET", "obliterate" in call.pattern, call.pattern))


def known_patterns(patterns: list[Any], before: str = "") -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from known_patterns(each.url_patterns, before + str(each.pattern))
        else:
            yield before + str(each.pattern)


def test_the_table_knows_every_address_of_programs():
    known = set(known_patterns(get_resolver("tests.web.program_urls").url_patterns))
    assert {each for each in known if is_program(f"/{each}") or f"/{each}/" in PROGRAMS} == set(ROUTES)


# --- the cast


@pytest.fixture(autouse=True)
def _nothing_known():
    yield
    forget_callers()
    reset_options()


@pytest.fixture
def planted(connection, client_of_redis, prefix, settings, transactional_db) -> Callable[[], dict[bytes, Any]]:
    """A failed job that carries something, and an operation; gives what Redis holds, to be compared."""
    issuer = described(GIVES=EVERYTHING)
    bound = described(ISSUER="https://app.example", GIVES=EVERYTHING, OWN={"userId": "sub"})
    settings.TORIL = {**settings.TORIL, "CREDENTIALS": {"JWT": [issuer, bound]}}
    reset_options()
    target = Target.of_state("default", [QUEUE], [State.FAILED]).to_json()
    Operation.objects.create(pk=1, action="retry", target=target, queues=json.dumps([QUEUE]), actor="somebody")
    fields = {"data": f'{{"x": "{CARRIED}"}}', "returnvalue": f'"{CARRIED}"', "progress": f'"{CARRIED}"'}
    plant_job(client_of_redis, prefix, QUEUE, "1", **fields, failedReason=CARRIED, stacktrace=f'["Error: {CARRIED}"]')
    client_of_redis.rpush(f"{prefix}:{QUEUE}:1:logs", CARRIED)

    def stored() -> dict[bytes, Any]:
        found = sorted(client_of_redis.scan_iter(f"{prefix}:*:*", count=1000))
        return {key: client_of_redis.dump(key) for key in found if b"toril" not in key}

    return stored


async def strangers() -> dict[str, Browser]:
    """Whoever proves nothing, by what they show."""
    now = timezone.now()
    past = now - timedelta(minutes=1)
    rotated = await ApiKey.objects.acreate(name="rotated", abilities=list(ABILITIES), queues=["*"], made_by="test")
    good = await plant_key("good", abilities=list(ABILITIES))
    shown = {
        "expired key": await plant_key("expired", expires_at=past),
        "revoked key": await plant_key("revoked", revoked_at=past),
        "rotated key after its overlap": await plant_secret(rotated, ends_at=past),
        "another secret": f"{good[:15]}{'x' * 43}",
        "unknown key": f"toril_abcdefgh_{'x' * 43}",
        "expired token": token(exp=int(time.time()) - 60),
        "token without algorithm": handmade({"alg": "none"}, claims()),
        "token of another algorithm": token("RS256"),
        "token for somebody else": token(aud="grafana"),
        "token of nobody we know": token(iss="https://evil.example"),
        "nothing": "",
    }
    cookie = await signed_in("behind-a-bad-key", is_superuser=True)
    bad = {"Authorization": f"Bearer {shown['unknown key']}"}
    # A wrong key is not made good by a cookie.
    send = cookie.generic
    cookie.generic = lambda *args, **more: send(*args, **more, headers=bad)
    return {"anonymous": Browser(), "cookie with a bad key": cookie} | {
        name: program(value) for name, value in shown.items()
    }


def readable(answer: Any) -> bytes:
    return b"" if answer.streaming else answer.content


class Wrong(list[str]):
    """All that is not as it should be: one run tells every line of the table."""

    def unless(self, is_right: bool, call: Call, answer: Any, who: str = "") -> None:
        if not is_right:
            told = f"{call.method} {call.pattern} {who}: {answer.status_code} {readable(answer)[:160]!r}"
            self.append(told)


async def test_whoever_proves_nothing_is_refused_everywhere_and_nothing_happens(planted):
    before, wrong = planted(), Wrong()
    for name, client in (await strangers()).items():
        for call in CALLS:
            forget_callers()
            answer = await call.by(client)
            if call.pattern in ANSWERS_ANYBODY:
                wrong.unless(answer.status_code in (200, 503), call, answer, name)
                continue
            is_challenged = answer.get("WWW-Authenticate", "").startswith("Bearer") and "json" in answer["Content-Type"]
            is_silent = QUEUE.encode() not in readable(answer)
            wrong.unless(answer.status_code == 401 and is_challenged and is_silent, call, answer, name)
    assert not wrong, "\n".join(wrong)
    assert planted() == before
    assert not await AuditEntry.objects.aexists()


async def test_public_counts_open_these_addresses_to_be_read_and_no_others(planted, settings):
    before, wrong, anybody = planted(), Wrong(), Browser()
    settings.TORIL = {**settings.TORIL, "PUBLIC_COUNTS": True}
    reset_options()
    for call in CALLS:
        answer = await call.by(anybody)
        if f"/{call.pattern}" in COUNTS:
            is_right = answer.status_code == 200 and NAMED.search(readable(answer)) is not None
        else:
            is_right = call.pattern in ANSWERS_ANYBODY or answer.status_code == 401
        wrong.unless(is_right and CARRIED.encode() not in readable(answer), call, answer)
    assert not wrong, "\n".join(wrong)
    assert planted() == before


async def test_a_cookie_alone_changes_nothing(planted):
    before, wrong = planted(), Wrong()
    await signed_in("admin", is_superuser=True)
    client = Browser(enforce_csrf_checks=True)
    await client.aforce_login(await User.objects.aget(username="admin"))
    for call in CALLS:
        if call.method in UNSAFE:
            answer = await call.by(client)
            wrong.unless(answer.status_code == 403 and b"csrf" in readable(answer).lower(), call, answer)
    assert not wrong, "\n".join(wrong)
    assert planted() == before
    assert not await AuditEntry.objects.aexists()


async def test_whoever_is_bound_to_their_own_is_let_in_where_it_is_asked_for_and_nowhere_else(planted):
    before, wrong = planted(), Wrong()
    client = program(token(iss="https://app.example"))
    for call in CALLS:
        if not OWN.match(call.pattern) and call.pattern not in ANSWERS_ANYBODY:
            answer = await call.by(client)
            wrong.unless(answer.status_code == 403 and QUEUE.encode() not in readable(answer), call, answer)
    assert not wrong, "\n".join(wrong)
    assert planted() == before


async def test_what_is_out_of_scope_is_not_there(planted):
    before, wrong = planted(), Wrong()
    client = program(await plant_key("elsewhere", abilities=list(ABILITIES), queues=["other-*"]))
    for call in CALLS:
        if not OWN.match(call.pattern):
            answer = await call.by(client)
            told = readable(answer)
            is_hidden = answer.status_code == 404 if call.names_queue else QUEUE.encode() not in told
            wrong.unless(is_hidden and CARRIED.encode() not in told, call, answer)
    assert not wrong, "\n".join(wrong)
    assert planted() == before


@pytest.mark.parametrize("who", ["key", "session", "viewer"])
async def test_whoever_may_only_look_changes_nothing_and_reads_no_payload(planted, who):
    before, wrong = planted(), Wrong()
    if who == "key":
        client = program(await plant_key("looks", abilities=["view"]))
    else:
        client = await (signed_in("looks", "view") if who == "session" else signed_in("viewer", group="viewer"))
    for call in CALLS:
        if call.pattern in STREAMS or OWN.match(call.pattern):
            continue
        answer = await call.by(client)
        if call.method in UNSAFE:
            wrong.unless(answer.status_code == 403, call, answer, who)
        elif call.needs == "view":
            wrong.unless(answer.status_code not in (401, 403), call, answer, who)
        wrong.unless(who == "viewer" or CARRIED.encode() not in readable(answer), call, answer, "reads")
    assert not wrong, "\n".join(wrong)
    assert planted() == before


HELD_BY_OPERATORS = set(ROLES["operator"])


@pytest.mark.parametrize("who", ["key", "rotated key", "token", "operator", "admin"])
async def test_whoever_holds_what_is_needed_is_not_refused_for_it(planted, who):
    wrong = Wrong()
    client_for = await holders(who)
    for call in ORDERED:
        if call.pattern in STREAMS or (who == "operator" and not set(call.needs.split()) <= HELD_BY_OPERATORS):
            continue
        answer = await call.by(await client_for(call.needs))
        is_let_in = answer.status_code not in (401, 403, 405) and answer.status_code < 500
        wrong.unless(is_let_in and "RateLimit" in answer, call, answer, who)
    assert not wrong, "\n".join(wrong)


async def holders(who: str) -> Callable[[str], Awaitable[Browser]]:
    """Ability → whoever holds it: of keys, one that holds nothing else."""
    made: dict[str, Browser] = {}

    async def key_with(needed: str) -> Browser:
        if needed not in made:
            # What is about processes, or all queues at once, needs it on every queue.
            queues = ["*"] if needed in ("workers", "obliterate") else ["mails-*"]
            made[needed] = program(
                await plant_key(f"only {needed}", abilities=["view", *needed.split()], queues=queues)
            )
        return made[needed]

    if who == "key":
        return key_with
    if who == "rotated key":
        key = await ApiKey.objects.acreate(name="r", abilities=list(ABILITIES), queues=["*"], made_by="test")
        one: Browser = program(await plant_secret(key, ends_at=timezone.now() + timedelta(hours=1)))
        await plant_secret(key)
    else:
        one = program(token()) if who == "token" else await signed_in(who, group=who)

    async def always(_needed: str) -> Browser:
        return one

    return always


async def test_a_method_that_the_table_does_not_name_is_not_there(planted):
    before, wrong, client = planted(), Wrong(), program(token())
    for pattern, methods in ROUTES.items():
        for method in METHODS:
            if method not in methods and pattern not in STREAMS:
                call = Call(pattern, method, "")
                answer = await call.by(client)
                wrong.unless(answer.status_code in (404, 405), call, answer)
    assert not wrong, "\n".join(wrong)
    assert planted() == before
