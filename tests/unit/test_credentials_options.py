"""What `TORIL["CREDENTIALS"]` may say of tokens, keys and rates; and each mistake by its name, without the secret."""

from __future__ import annotations

from typing import Any

import pytest

from queues.errors import ConfigurationError
from queues.options import load
from tests.web.tokens import SECRET, described, pem

HTTPS = "https://id.example/keys"


def of(**jwt: Any) -> dict[str, Any]:
    return {"CREDENTIALS": {"JWT": described(**jwt)}}


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (of(ISSUER=""), "needs ISSUER"),
    (of(ISSUER=7), "['ISSUER']"),
    (of(AUDIENCE=""), "['AUDIENCE']"),
    (of(AUDIENCE=[]), "['AUDIENCE']"),
    (of(AUDIENCE=[7]), "['AUDIENCE']"),
    (of(ALGORITHMS=[]), "['ALGORITHMS']"),
    (of(ALGORITHMS=["none"]), "['ALGORITHMS']"),
    (of(ALGORITHMS=["HS256", "RS256"]), "of one family"),
    (of(ALGORITHMS=["ES256", "EdDSA"]), "of one family"),
    (of(KEY=SECRET[:31]), "at least 32 bytes"),
    (of(KEY=SECRET, ALGORITHMS=["HS256", "HS512"]), "at least 64 bytes"),
    (of(KEY=pem("RS256")), "no PEM"),
    (of(KEY=SECRET, ALGORITHMS=["RS256"]), "a public key in PEM"),
    (of(KEY=SECRET.encode()), "['KEY'] must be text"),
    (of(KEY=""), "one of KEY, KEY_FILE and JWKS_URL"),
    (of(KEY_FILE="/nowhere/at-all"), "names no file"),
    (of(KEY=SECRET, JWKS_URL=HTTPS), "one of KEY, KEY_FILE and JWKS_URL"),
    (of(JWKS_URL=HTTPS), "cannot hold secrets"),
    (of(algorithm="RS256", JWKS_URL="http://id.example/keys"), "must be an https:// address"),
    (of(algorithm="RS256", JWKS_URL="https://[/"), "must be an https:// address"),
    (of(algorithm="RS256", JWKS_URL="file:///etc/passwd"), "must be an https:// address"),
    (of(LEEWAY_S=31), "['LEEWAY_S']"),
    (of(MOST_LIFETIME_S=1), "['MOST_LIFETIME_S']"),
    (of(GIVES={"abilities": ["fly"], "queues": ["*"]}), "no ability 'fly'"),
    (of(GIVES={"abilities": "king", "queues": ["*"]}), "viewer, operator, admin"),
    (of(GIVES={"abilities": ["view"]}), "without both"),
    (of(GIVES={"queues": ["*"]}), "without both"),
    (of(GIVES={"queue": ["*"]}), "no option 'queue'"),
    (of(ROLES={"ops": {"abilities": ["fly"], "queues": ["*"]}}), "['ROLES']['ops']"),
    (of(OWN={"userId": ""}), "['OWN']"),
    (of(OWN=["userId"]), "['OWN']"),
    (of(COLOUR="red"), "no option 'COLOUR'"),
    ({"CREDENTIALS": {"JWT": [described(), described()]}}, "two entries of one ISSUER"),
    ({"CREDENTIALS": {"JWT": "x"}}, "['JWT'] must be a dict"),
    ({"CREDENTIALS": {"RATE": {"MAX": 0}}}, "['RATE']['MAX']"),
    ({"CREDENTIALS": {"RATE": {"WINDOW_S": "soon"}}}, "['RATE']['WINDOW_S']"),
    ({"CREDENTIALS": {"KEY_DAYS": 0}}, "['KEY_DAYS']"),
    ({"CREDENTIALS": {"MOST_KEY_DAYS": -1}}, "['MOST_KEY_DAYS']"),
    ({"CREDENTIALS": {"OVERLAP_HOURS": 10_000}}, "['OVERLAP_HOURS']"),
    ({"CREDENTIALS": {"TOKENS": {}}}, "no option 'TOKENS'"),
]


@pytest.mark.parametrize(("toril", "sentence"), MISTAKES)
def test_a_mistake_is_told_by_its_name_and_no_secret_is_repeated(toril: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(toril)
    assert sentence in str(refused.value)
    assert SECRET[:31] not in str(refused.value)


def test_what_is_right_is_taken_and_no_key_is_shown() -> None:
    told = {"JWT": [described(), described("ES256", ISSUER="b", AUDIENCE=["x", "y"])], "RATE": {"MAX": 10}}
    credentials = load({"CREDENTIALS": told}).credentials
    assert [each.family for each in credentials.issuers] == ["oct", "EC"]
    assert (credentials.rate.most, credentials.rate.window_s) == (10, 60)
    assert SECRET not in repr(credentials)
    local = of(algorithm="RS256", JWKS_URL="http://127.0.0.1:8080/keys")
    assert load(local).credentials.issuers[0].jwks_url.startswith("http://127.0.0.1")
