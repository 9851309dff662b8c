"""Passwords: long, of whatever characters, not among those tried first; and how they are looked at."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, check_password, make_password
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "password",
    [
        "purple gate 9", "дом стоит у реки", "只有中文字符的密码也可以用", "481516234291", "aaaabbbbccccd", "x" * 64,
        "   a   b   c   d", "🐂" * 12, "correct horse battery staple" * 20,
    ],
)  # fmt: skip
def test_a_long_password_of_any_composition_is_taken(password):
    validate_password(password, User(username="ada"))


@pytest.mark.parametrize(
    "password",
    ["short", "elevenchars", "qwertyuiop123", "1234567891011", "toril-admin-1", "Redis-Password1", "ada.lovelace12"],
)
def test_short_common_and_telling_ones_are_refused(password):
    with pytest.raises(ValidationError):
        validate_password(password, User(username="ada.lovelace"))


async def test_it_is_compared_whole_and_as_it_was_typed(anonymous):
    password = "Ünïcode " + "x" * 100
    await User.objects.acreate_superuser("ada", password=password)
    for wrong in (password.lower(), password[:72], password + " ", " " + password, password[:-1]):
        assert (await anonymous.post("/sign-in", {"username": "ada", "password": wrong})).status_code == 400
        await Browser().post("/sign-in", {"username": "ada", "password": password})
    assert (await anonymous.post("/sign-in", {"username": "ada", "password": password})).status_code == 302


async def test_the_field_hides_it_and_lets_browsers_and_managers_help(anonymous):
    page = (await anonymous.get("/sign-in")).content.decode()
    assert 'type="password" autocomplete="current-password"' in page
    assert "onpaste" not in page
    assert 'autocomplete="off"' not in page


async def test_whoever_changes_it_shows_the_old_one(viewer):
    form = {"old_password": "wrong", "new_password1": "a new gate 99", "new_password2": "a new gate 99"}
    assert (await viewer.post("/admin/password_change/", form)).status_code == 200
    assert await (await User.objects.aget(username="viewer")).acheck_password("viewer-password")


async def test_whether_there_is_such_an_account_costs_the_same_work(anonymous):
    """Counted, not timed: one derivation of a key in each case, as a password that is right costs."""
    await User.objects.acreate_user("ada", password="ada-password", is_staff=True)
    await User.objects.acreate_user("gone", password="gone-password", is_active=False)
    await User.objects.acreate_user("outside")
    work: list[str] = []
    whole = MD5PasswordHasher.encode

    def counted(self: Any, password: str, *args: Any) -> Any:
        work.append("")
        return whole(self, password, *args)

    with mock.patch.object(MD5PasswordHasher, "encode", counted):
        for name in ("ada", "gone", "outside", "nobody"):
            for password in ("wrong", f"{name}-password"):
                work.clear()
                await anonymous.post("/sign-in", {"username": name, "password": password})
                assert len(work) == 1, (name, password)


def test_what_is_kept_of_it_is_a_slow_hash_with_a_salt(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    kept = make_password("a new gate 99")
    algorithm, rounds, salt, _ = kept.split("$")
    assert (algorithm, int(rounds) >= 600_000, len(salt) >= 22) == ("pbkdf2_sha256", True, True)
    assert kept != make_password("a new gate 99")
    assert check_password("a new gate 99", kept)
