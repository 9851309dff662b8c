"""`queues keys`: keys are made, listed, rotated and revoked from the command line, each on record, and shown once."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from queues.models import ApiKey, ApiSecret, AuditEntry
from queues.options import reset_options
from tests.console import queues

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]


def digest_of(shown: str) -> str:
    return hashlib.sha256(shown.split("_", 2)[2].encode()).hexdigest()


def test_a_key_is_made_shown_once_rotated_and_revoked(connection: str) -> None:
    ran = queues("keys", "add", "deploy", "--may", "retry,pause", "--queue", "mails-*", "--rate", "60")
    shown = ran.out.strip()
    assert (ran.code, shown[:6], len(shown)) == (0, "toril_", 58)
    key, secret = ApiKey.objects.get(), ApiSecret.objects.get()
    assert (key.name, key.owner, key.abilities, key.queues) == ("deploy", None, ["view", "retry", "pause"], ["mails-*"])
    assert key.rate == 60
    assert key.expires_at - key.made_at > timedelta(days=89)
    assert secret.digest == digest_of(shown)
    rotated = queues("keys", "rotate", "deploy", "--json").json
    assert rotated["key"] != shown
    older, newer = ApiSecret.objects.order_by("pk")
    assert timedelta(hours=23) < older.ends_at - timezone.now() < timedelta(hours=25)
    assert newer.ends_at is None
    queues("keys", "rotate", shown[:14], "--overlap-hours", "0")
    assert sorted(s.ends_at is None or s.ends_at > timezone.now() for s in ApiSecret.objects.all()) == [
        False,
        False,
        True,
    ]
    assert queues("keys", "revoke", str(key.pk)).code == 0
    assert [queues("keys", word, "deploy").code for word in ("revoke", "rotate")] == [1, 1]
    told = queues("keys", "--json").json["keys"]
    assert [(one["name"], one["opens"], one["owner"]) for one in told] == [("deploy", False, "")]
    everything = [*AuditEntry.objects.values_list("action", "parameters", "message", "outcome"), queues("keys").out]
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")][:4] == [
        "key.make", "key.rotate", "key.rotate", "key.revoke",
    ]  # fmt: skip
    assert shown.split("_", 2)[2] not in repr(everything)
    assert digest_of(shown) not in repr(everything)
    # Its name is free again.
    assert queues("keys", "add", "deploy", "--may", "viewer").code == 0
    assert queues("keys", "add", "deploy", "--may", "viewer").code == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["add", "a"], 2),
        (["add", "a", "--may", "fly"], 2),
        (["add", "a", "--may", "keys"], 2),
        (["add", "", "--may", "view"], 2),
        (["add", "a\nb", "--may", "view"], 2),
        (["add", "a" * 81, "--may", "view"], 2),
        (["add", "a", "--may", "view", "--queue", " "], 2),
        (["add", "a", "--may", "view", "--queue", "x" * 256], 2),
        (["add", "a", "--may", "view", "--days", "0"], 0),
        (["add", "a", "--may", "view", "--days", "-1"], 2),
        (["add", "a", "--may", "view", "--days", "91"], 2),
        (["add", "a", "--may", "view", "--no-expiry"], 2),
        (["add", "a", "--may", "view", "--rate", "0"], 2),
        (["add", "a", "--may", "view", "--owner", "nobody"], 3),
        (["add"], 2),
        (["list", "a"], 2),
        (["rotate", "a"], 3),
        (["revoke", "7"], 3),
    ],
)
def test_what_cannot_be_a_key_is_refused_by_name(connection: str, settings, arguments: list[str], code: int) -> None:
    settings.TORIL = {**settings.TORIL, "CREDENTIALS": {"MOST_KEY_DAYS": 90}}
    reset_options()
    ran = queues("keys", *arguments)
    assert ran.code == code, ran.err
    assert ApiKey.objects.count() == (code == 0)


def test_a_persons_key_and_a_dry_run(connection: str) -> None:
    User.objects.create_user("ana")
    arguments = ("add", "mine", "--owner", "ana", "--may", "admin", "--no-expiry")
    assert "would make the key “mine”" in queues("keys", *arguments, "--dry-run").out
    assert not ApiKey.objects.exists()
    queues("keys", *arguments)
    key = ApiKey.objects.get()
    assert (key.owner.username, key.expires_at) == ("ana", None)
    assert "keys" not in key.abilities
    assert "ana" in queues("keys").out
    assert [queues("keys", word, "mine", "--dry-run").code for word in ("rotate", "revoke")] == [0, 0]
    assert ApiSecret.objects.count() == 1
    assert ApiKey.objects.get().revoked_at is None


def test_no_living_key_is_left_out_for_dead_ones(connection: str, monkeypatch) -> None:
    monkeypatch.setattr("queues.lookups.keys.MOST", 2)
    past = timezone.now() - timedelta(days=1)
    for name, told in {"old": {}, "new": {}, "over": {"expires_at": past}, "ended": {"revoked_at": past}}.items():
        ApiKey.objects.create(name=name, made_by="ana", **told)
    assert [each["name"] for each in queues("keys", "list", "--json").json["keys"]] == ["new", "old"]
