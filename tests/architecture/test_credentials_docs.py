"""docs/credentials.md says what keys, tokens and rates are: its examples run, its tables are the code's."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dashboard.credentials import keys, keysets, paths
from dashboard.credentials.identifying import identify
from dashboard.credentials.keysets import FETCH_S, FRESH_S, LEAST_RSA_BITS, MOST_BYTES, SOONER_S, STALE_S
from dashboard.credentials.rates import rates
from queues.errors import ConfigurationError
from queues.options import Credentials, load, reset_options
from queues.options.credentials import Rate
from queues.options.tokens import Issuer, issuer
from tests.console import queues
from tests.web.browser import Browser
from tests.web.keyed import program

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "credentials.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.+?)```", PAGE, re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]


def rows(title: str) -> dict[str, str]:
    """Key → default, of the table in that section."""
    section = re.split(r"^## ", PAGE.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) ?\|", section, re.MULTILINE))


def known_to(refuse: Any) -> set[str]:
    with pytest.raises(ConfigurationError) as refused:
        refuse()
    return set(str(refused.value).partition("it knows ")[2].rstrip(".").split(", "))


def test_every_setting_stands_with_its_default() -> None:
    assert set(rows("Settings")) == known_to(lambda: load({"CREDENTIALS": {"?": 1}}))
    told, defaults = rows("Settings"), Credentials()
    assert [told["KEY_DAYS"], told["OVERLAP_HOURS"]] == [str(defaults.key_days), str(defaults.overlap_hours)]
    assert told["RATE"] == f'`{{"MAX": {Rate().most}, "WINDOW_S": {Rate().window_s}}}`'
    assert set(rows("Tokens")) == known_to(lambda: issuer("JWT", {"?": 1}))
    known = {field.name.upper(): field.default for field in fields(Issuer)}
    told = {key: default for key, default in rows("Tokens").items() if default}
    assert told == {key: str(known[key]) for key in told}
    assert {"LEEWAY_S", "MOST_LIFETIME_S", "ABILITIES_CLAIM", "QUEUES_CLAIM"} == set(told)


def test_the_figures_are_those_of_the_code() -> None:
    assert f"after {FRESH_S / 60:g} min, and after {SOONER_S:g} s" in PAGE
    assert f"at most {MOST_BYTES // 1024} KB in {FETCH_S:g} s" in PAGE
    assert STALE_S == 86_400
    assert f"below {LEAST_RSA_BITS:,} bits" in PAGE
    assert f"for {keys.KNOWN_S:g} s it is known" in PAGE
    section = PAGE.partition("## Without credentials")[2]
    assert all(f"`{path}`" in section for path in paths.COUNTS | paths.SELF_GUARDED)


def test_the_settings_that_it_shows_are_taken() -> None:
    shown = [text for text in PYTHON if text.startswith("TORIL")]
    assert len(shown) == 2
    for text in shown:
        told: dict[str, Any] = {}
        exec(text, told)  # noqa: S102
        assert load(told["TORIL"]).credentials.issuers


@pytest.mark.django_db(transaction=True)
async def test_the_token_that_it_signs_is_let_in_by_the_settings_that_it_shows(settings) -> None:
    told: dict[str, Any] = {}
    for text in (PYTHON[0], next(text for text in PYTHON if "jwt.encode" in text)):
        exec(text, told)  # noqa: S102
    settings.TORIL = told["TORIL"]
    reset_options()
    identity = await identify({"authorization": f"Bearer {told['token']}"}, {})
    assert (identity.caller, dict(identity.own)) == ("jwt:https://app.example|u1", {"userId": "u1"})
    assert identity.grants.on("chat").may("job.add")
    assert not identity.grants.sees("mails")
    reset_options()
    keysets.forget()


@pytest.fixture
def key(connection: str) -> str:
    """Made by the command that the page shows."""
    line = next(line for _language, text in BLOCKS for line in text.splitlines() if line.startswith("$ KEY="))
    made = re.fullmatch(r"\$ KEY=\$\(python manage\.py queues (.+)\)", line)
    assert made
    return queues(*shlex.split(made[1])).out.strip()


@pytest.mark.django_db(transaction=True)
async def test_the_requests_that_it_shows_are_answered(key: str, settings) -> None:
    lines = [line for _language, text in BLOCKS for line in text.splitlines() if re.match(r"(\$ )?curl ", line)]
    assert len(lines) == 3
    settings.TORIL = {**settings.TORIL, "PUBLIC_COUNTS": True}
    reset_options()
    rates.clear()
    for line in lines:
        *_curl, url = shlex.split(line.removeprefix("$ "))
        client = program(key) if "$KEY" in line else Browser()
        answer = await client.get(url.removeprefix("http://localhost:8000"))
        assert answer.status_code in (200, 404), (line, answer.content)
        assert answer.status_code == 200 or "queue_not_found" in answer.content.decode(), line
