"""Secrets are masked by name and by shape, everything else stays to the last digit, and no text takes long."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.masking import MASK, mask_json, mask_text

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK=\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "name",
    [
        "password", "Passwd", "userPassword", "db_password", "PASSWORD", "passphrase", "pwd", "pass", "secret",
        "client_secret", "clientSecret", "token", "access-token", "accessToken", "API_KEY", "apiKey", "x-api-key",
        "apikey", "private_key", "privateKey", "Authorization", "proxy-authorization", "cookie", "Set-Cookie",
        "card", "cardNumber", "credit_card", "cvv", "ssn", "credentials", "jwt", "STRIPE_KEY", "HTTP_COOKIE",
        "userpassword", "sessionid", "connectionString", "pass\\u0077ord",
    ],
)  # fmt: skip
def test_the_name_of_a_secret_is_known_however_it_is_written(name):
    assert mask_json(f'{{"{name}": "hunter2", "other": "kept"}}') == f'{{"{name}": "{MASK}", "other": "kept"}}'


@pytest.mark.parametrize(
    "name",
    [
        "tokenCount", "token_type", "author", "key", "cache_key", "keyboard", "passenger",
        "compass", "scorecard", "cardinality", "discard", "secretary", "passwordless", "password_changed_at", "spin",
        "session_name", "api", "id", "monkey",
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_secret_is_shown(name):
    assert mask_json(f'{{"{name}": "hunter2"}}') == f'{{"{name}": "hunter2"}}'


def test_tokens_that_are_counted_are_numbers_and_others_are_secret():
    assert mask_json('{"tokens": 512, "max_tokens": 4}') == '{"tokens": 512, "max_tokens": 4}'
    assert mask_json('{"tokens": ["abc", 5]}') == f'{{"tokens": ["{MASK}", 5]}}'


def test_whatever_lies_under_a_secret_name_is_hidden_and_its_form_stays():
    stored = '{"credentials": {"user": "ana", "n": [1, {"x": "y"}], "no": null}, "after": 1}'
    shown = f'{{"credentials": {{"user": "{MASK}", "n": ["{MASK}", {{"x": "{MASK}"}}], "no": null}}, "after": 1}}'
    assert mask_json(stored) == shown


def test_all_else_is_exactly_what_is_stored():
    stored = '{ "id":12345678901234567890 ,"id": 1.50,\t"e":1E+400, "é":"\\u00e9\\/" ,\n"z":[ ],"password":7}'
    assert mask_json(stored) == stored.replace(":7}", f':"{MASK}"}}')


@pytest.mark.parametrize(
    "secret",
    [
        JWT, "AKIAIOSFODNN7EXAMPLE", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "xoxb-123456789012-abcdefGHIJKL",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk-proj-abcdefghijklmnopqrstuvwx", "glpat-abcdefghij0123456789",
        "4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "5555555555554444",
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_shape_wherever_it_stands(secret):
    assert mask_text(f"it was {secret}, or so") == f"it was {MASK}, or so"
    assert mask_json(json.dumps({"a": [f"it was {secret}, or so"]})) == json.dumps(
        {"a": [f"it was {MASK}, or so"]}, ensure_ascii=False
    )


def test_a_card_that_is_a_number_becomes_a_text_and_other_numbers_stay():
    assert mask_json("[4111111111111111, 4111111111111112, 41111111111111111111, 1700000000000]") == (
        f'["{MASK}", 4111111111111112, 41111111111111111111, 1700000000000]'
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://ana:p@ss@host/0?x=1", f"redis://ana:{MASK}@host/0?x=1"),
        ("https://ana@host/x", "https://ana@host/x"),
        ("GET https://x.example/?api_key=abc&page=2", f"GET https://x.example/?api_key={MASK}&page=2"),
        ("password=hunter2 user=ana", f"password={MASK} user=ana"),
        ("{'password': 'hun ter', 'n': 1}", f"{{'password': '{MASK}', 'n': 1}}"),
        ('said {"token":"x","n":[1]}', f'said {{"token":"{MASK}","n":[1]}}'),
        ('said {\\"token\\":\\"x\\"}', f'said {{\\"token\\":\\"{MASK}\\"}}'),
        ("Authorization: Bearer abc.def, Accept: x", f"Authorization: {MASK}, Accept: x"),
        ("Cookie: a=b; c=d\nHost: x", f"Cookie: {MASK}\nHost: x"),
        ("with Basic dXNlcjpwYXNz and Basic authentication", f"with Basic {MASK} and Basic authentication"),
        ("pg_dump --password hunter2 --verbose", f"pg_dump --password {MASK} --verbose"),
        ("wrong API key: abc", f"wrong API key: {MASK}"),
        (f"key:\n{PEM}\nend", f"key:\n-----BEGIN RSA PRIVATE KEY-----{MASK}-----END RSA PRIVATE KEY-----\nend"),
        ("at verifyToken (file:///app/token.js:12:5)", "at verifyToken (file:///app/token.js:12:5)"),
        ("Unexpected token < in JSON; password: ", "Unexpected token < in JSON; password: "),
        ("tokens: 512, password=None, secret=***", "tokens: 512, password=None, secret=***"),
    ],
)
def test_free_text_is_masked_where_it_holds_a_secret(text, shown):
    assert mask_text(text) == shown


def test_json_in_a_string_is_looked_into_and_stays_escaped_as_it_was():
    stored = '{"body":"{\\"user\\":\\"\\u00e9\\",\\"password\\":\\"hun\\\\\\"ter\\",\\"pin\\": 1234}"}'
    shown = f'{{"body":"{{\\"user\\":\\"\\u00e9\\",\\"password\\":\\"{MASK}\\",\\"pin\\": \\"{MASK}\\"}}"}}'
    assert mask_json(stored) == shown
    assert json.loads(json.loads(mask_json(stored))["body"])["password"] == MASK
    deep = {"password": "hunter2"}
    for _ in range(7):
        deep = {"a": json.dumps(deep)}
    assert "hunter2" not in mask_json(json.dumps(deep))


def test_a_text_may_be_cut_anywhere():
    stored = json.dumps(
        {"a": {"password": "hunter2", "n": 1}, "url": "redis://u:hunter2@h", "s": '{"token":"hunter2"}'}
    )
    for at in range(len(stored)):
        shown = mask_json(stored[:at])
        assert "hunte" not in shown, stored[:at]


def test_what_is_no_json_is_text():
    assert mask_json("password=hunter2") == f"password={MASK}"
    assert mask_json("{password: 'hunter2'}") == f"{{password: '{MASK}'}}"
    assert mask_json("") == mask_text("") == ""


def test_a_site_adds_names_and_takes_names_away(settings):
    settings.TORIL = {"MASK_KEYS": ["taxId"], "UNMASKED_KEYS": ["card"]}
    assert mask_json('{"customer_tax_id": "1", "card": "visa"}') == f'{{"customer_tax_id": "{MASK}", "card": "visa"}}'


def test_what_django_hides_of_settings_is_hidden_here(settings):
    assert mask_text("MY_API='x' my_api='y'") == f"MY_API='{MASK}' my_api='y'"
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "tests.unit.test_masking.OwnFilter"
    from django.views.debug import get_default_exception_reporter_filter

    get_default_exception_reporter_filter.cache_clear()
    try:
        assert mask_text("MY_API='x' HARBOUR=y") == f"MY_API='x' HARBOUR={MASK}"
    finally:
        get_default_exception_reporter_filter.cache_clear()


class OwnFilter:
    import re

    hidden_settings = re.compile("HARBOUR")


_names = st.text(max_size=8) | st.sampled_from(["pin", "secret"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(_values, st.booleans())
def test_masked_json_is_json_of_the_same_form(value, ascii_only):
    stored = json.dumps(value, ensure_ascii=ascii_only)
    again = json.loads(mask_json(stored))
    assert _form(again, value)


def _form(shown: object, stored: object) -> bool:
    if isinstance(stored, dict) and isinstance(shown, dict):
        return list(shown) == list(stored) and all(_form(shown[key], stored[key]) for key in stored)
    if isinstance(stored, list) and isinstance(shown, list):
        return len(shown) == len(stored) and all(map(_form, shown, stored))
    return shown == stored or (isinstance(shown, str) and MASK in shown)


@given(st.text(alphabet='{}[]":,\\ \n=pinsecret:/@-4.eyJ', max_size=80))
def test_nothing_is_too_odd_for_it(text):
    mask_text(mask_json(text))


HOSTILE = [
    '"', "\\", '\\"', "[", '{"password":', "=", "pwd=", "pwd='", 'pwd=\\" pwd=" ', "eyJ", "eyJaaaaaaaa.",
    "-----BEGIN A-----", "://", "://a:", "4", "4111 ", "4111 1111 1111 ", "-", "a", "a.", "sk-", "key ", "key: ",
    "bearer ", " ", "cookie:",
    "password" + " " * 50, 'password="', "password=\\", "-----BEGIN ", "--token ", "Basic ", "\n", "token:",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_takes_longer_than_its_length_allows(piece):
    def cost(size: int) -> float:
        text = piece * (size // len(piece))
        began = time.process_time()
        mask_text(text)
        mask_json(text)
        mask_json('{"a":"' + text)
        return time.process_time() - began

    cost(1_000)
    # Twice the text, twice the time; quadratic would be four times, and minutes at 50 MB.
    small = min(cost(100_000) for _ in range(2))
    assert cost(400_000) < max(10 * small, 0.2)


def test_megabytes_are_masked_in_a_moment(record_property):
    row = json.dumps(
        {"to": "ana@example.com", "at": "2026-11-23T10:00:00Z", "n": 5, "token": "abc", "url": "https://x/?a=1"}
    )
    began = time.process_time()
    for _ in range(1_000):
        mask_json(row)
    row_us = (time.process_time() - began) * 1_000
    large = json.dumps({"blob": "QUJD" * 2_500_000, "rows": [json.loads(row)] * 10_000})
    began = time.process_time()
    assert '"abc"' not in mask_json(large)
    ms_per_mb = (time.process_time() - began) * 1_000 / (len(large) / 1e6)
    record_property("figures", f"{row_us:.0f} µs per row of {len(row)} characters, {ms_per_mb:.0f} ms per MB")
    assert ms_per_mb < 1_000
