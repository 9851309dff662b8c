"""`check --deploy` and `queues doctor`: nothing to say of an installation as it should be, and each mistake by name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.core.checks import Warning, run_checks
from django.utils import timezone

from dashboard import hosting
from dashboard.checks import NUMBERS, OTHERS, check_redis_addresses
from dashboard.pages.redis.checks_of_redis import ON_REDIS
from dashboard.pages.redis.checks_of_tables import ON_TABLES
from queues.models import Lease
from tests.conftest import RedisServer
from tests.console import plant, queues
from tests.planting import plant_waiting

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "k3Jh-9sLq_W2mZx8VbN4rT6yU1oP5aD7fG0hQeRtYuIoP-aVbN4"


@pytest.fixture(scope="module")
def kept_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One that keeps what it is told, as a deployment's does."""
    server = RedisServer(tmp_path_factory.mktemp("kept"), "--appendonly", "yes")
    yield server
    server.stop()


@pytest.fixture
def production(settings: Any, kept_redis: RedisServer) -> Any:
    """Settings as a site's that is open to others, with a mirror that runs."""
    settings.HTTPS = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.DEBUG, settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = False, SECRET, []
    settings.ALLOWED_HOSTS = ["toril.example.org"]
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": kept_redis.url, "PREFIX": f"t{uuid.uuid4().hex[:12]}"}}}
    Lease.objects.create(name="mirror", holder="host:1", until=timezone.now() + timedelta(hours=1))
    return settings


def found() -> set[str]:
    return {
        str(each.id)
        for each in run_checks(include_deployment_checks=True)
        if each.level >= Warning("").level and not each.is_silenced()
    }


def test_an_installation_as_it_should_be_has_nothing_to_be_told(production: Any) -> None:
    assert found() == set()
    ran = queues("doctor", "--strict", "--json")
    assert (ran.code, ran.json["bad"], ran.json["warnings"]) == (0, 0, 0), ran.out


def _connection(settings: Any, **more: Any) -> None:
    settings.TORIL = {
        **settings.TORIL,
        "CONNECTIONS": {"default": {**settings.TORIL["CONNECTIONS"]["default"], **more}},
    }


def _no_mirror(settings: Any) -> None:
    Lease.objects.all().delete()


def _a_processor_is_missing(settings: Any) -> None:
    settings.TORIL = {**settings.TORIL, "QUEUES": {"chta": {}}}


def _guest(settings: Any, **more: Any) -> None:
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    for name, value in more.items():
        setattr(settings, name, value)


#: The mistake → what plants it in good settings, and what must be said.
MISTAKES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "any host": (lambda s: setattr(s, "ALLOWED_HOSTS", ["*"]), "toril.W001"),
    "debug": (lambda s: setattr(s, "DEBUG", True), "security.W018"),
    "a key that is an example": (lambda s: setattr(s, "SECRET_KEY", "django-insecure-" + SECRET), "toril.W033"),
    "an old key that is weak": (lambda s: setattr(s, "SECRET_KEY_FALLBACKS", ["old"]), "toril.W033"),
    "a session without https": (lambda s: setattr(s, "SESSION_COOKIE_SECURE", False), "security.W010"),
    "an unknown option": (lambda s: setattr(s, "TORIL", {**s.TORIL, "QUEUS": {}}), "toril.E001"),
    "Redis is away": (lambda s: _connection(s, URL="redis://127.0.0.1:1"), "toril.W010"),
    "no mirror": (_no_mirror, "toril.W022"),
    "a queue without a processor": (_a_processor_is_missing, "toril.W032"),
    "addresses that lead elsewhere": (_guest, "toril.E010"),
    "moments without a zone": (lambda s: _guest(s, USE_TZ=False), "toril.E011"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_caught(production: Any, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    plant_it, number = MISTAKES[mistake]
    monkeypatch.setattr("dashboard.checks.processors.registry.queues", lambda: ["chat"])
    plant_it(production)
    hosting._mounted.cache_clear()
    assert number in found()


@pytest.mark.parametrize(
    ("url", "numbers"),
    [
        ("redis://192.0.2.1:1", {"toril.W030", "toril.W031"}),
        ("redis://:p@192.0.2.1:1", {"toril.W030"}),
        ("rediss://192.0.2.1:1", {"toril.W031"}),
        ("rediss://:p@192.0.2.1:1", set()),
        ("redis://localhost:1", set()),
        ("unix:///run/redis.sock", set()),
    ],
)
def test_a_redis_on_another_machine_wants_tls_and_a_password(production: Any, url: str, numbers: set[str]) -> None:
    # Asked alone: nothing is dialled.
    _connection(production, URL=url)
    assert {each.id for each in check_redis_addresses()} == numbers


@pytest.mark.parametrize(("name", "value", "number"), [("maxmemory-policy", "allkeys-lru", "toril.W012")])
def test_what_redis_itself_has_wrong_is_caught(
    production: Any, kept_redis: RedisServer, name: str, value: str, number: str
) -> None:
    with redis.Redis(port=kept_redis.port) as client:
        before = client.config_get(name)[name]
        client.config_set(name, value)
        try:
            assert found() == {number}
            ran = queues("doctor")
        finally:
            client.config_set(name, before)
    assert "its policy is allkeys-lru" in ran.out
    assert "→ CONFIG SET maxmemory-policy noeviction" in ran.out


def test_a_queue_where_jobs_wait_for_nobody_is_named(production: Any) -> None:
    plant(plant_waiting("default", "lonely"))
    assert "toril.W018" in found()
    assert "lonely" in queues("doctor").out


def test_the_doctor_ends_as_every_command_does_where_redis_is_away(production: Any) -> None:
    _connection(production, URL="redis://127.0.0.1:1")
    ran = queues("doctor", "--json")
    assert ran.code == 4
    [answers] = [each for each in ran.json["checks"] if each["title"] == "Redis answers"]
    assert (answers["verdict"], "page" in answers["advice"]) == ("bad", False)


#: A user's rights → the code, and what is said.
USERS = {
    "no PING": (("+get",), 4, "no permission to call PING"),
    "no TIME": (("+@read", "+ping", "+hello"), 1, "no permission to call TIME"),
}


@pytest.mark.parametrize("rights", USERS)
def test_a_user_of_redis_with_too_few_rights_is_told_where_they_are_listed(
    production: Any, kept_redis: RedisServer, rights: str
) -> None:
    given, code, said = USERS[rights]
    with redis.Redis(port=kept_redis.port) as client:
        client.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">p", "~*", *given)
        _connection(production, URL=f"redis://narrow:p@127.0.0.1:{kept_redis.port}")
        ran, numbers = queues("doctor"), found()
        client.execute_command("ACL", "DELUSER", "narrow")
    assert (ran.code, "toril.W010" in numbers) == (code, True), ran.err
    assert said in ran.out
    assert "docs/redis.md" in ran.out
    assert "Start it" not in ran.out


def test_the_doctor_looks_at_each_connection_unless_one_is_named(production: Any) -> None:
    production.SECRET_KEY = "weak"
    both = {**production.TORIL["CONNECTIONS"], "away": {"URL": "redis://127.0.0.1:1"}}
    production.TORIL = {**production.TORIL, "CONNECTIONS": both}
    ran = queues("doctor", "--json")
    told = {each["connection"]: [check["title"] for check in each["checks"]] for each in map(json.loads, ran.lines)}
    assert (ran.code, list(told)) == (1, ["default", "away"])
    assert ("toril.W033" in told["default"], "toril.W033" in told["away"]) == (True, False)
    assert "Connection “away”" in queues("doctor").out
    assert (queues("doctor", "--connection", "away").code, queues("doctor", "--connection", "none").code) == (4, 2)


def test_each_question_has_a_number() -> None:
    asked = {question.__name__ for question in (*ON_REDIS, *ON_TABLES)} | {"redis_answers"}
    assert asked == NUMBERS.keys()
    assert len({*NUMBERS.values(), OTHERS}) == len(NUMBERS) + 1
