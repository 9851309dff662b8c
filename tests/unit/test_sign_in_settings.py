"""What the environment says of sign-in: files with secrets, proxies, providers; and that a bad value is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard import environment
from queues.errors import ConfigurationError
from tests.unit.test_environment import settings

PROVIDER = {"OIDC_ISSUER": "https://id.example", "OIDC_CLIENT_ID": "toril"}


def test_any_variable_may_stand_in_a_file(tmp_path: Path) -> None:
    files = {"SECRET_KEY": "from a file", "REDIS_PASSWORD": "p@ss/word", "OIDC_CLIENT_SECRET": "s3cret", "SITE_URL": ""}
    told = {f"{name}_FILE": str(tmp_path / name) for name in files}
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    found = settings(tmp_path, "SECRET_KEY", "TORIL", "OIDC", **told, **PROVIDER, REDIS_HOST="redis.example")
    assert found["SECRET_KEY"] == "from a file"
    assert "p%40ss%2Fword@redis.example" in found["TORIL"]["CONNECTIONS"]["default"]["URL"]
    assert found["OIDC"]["CLIENT_SECRET"] == "s3cret"


def test_the_variable_itself_goes_before_its_file_and_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("file")
    both = environment.Environment({"A": "itself", "A_FILE": str(tmp_path / "key"), "B": "", "C_FILE": "/no/such"})
    assert both["A"] == "itself"
    assert environment.Environment({"A": "", "A_FILE": str(tmp_path / "key")})["A"] == "file"
    assert ("B" in both, "D" in both, both.get("D", "none"), "JWT_KEY" in both) == (True, False, "none", False)
    with pytest.raises(ConfigurationError, match="C_FILE: the file /no/such cannot be read"):
        both.get("C")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="it is no text"):
        environment.Environment({"A_FILE": str(tmp_path / "bytes")}).get("A")


def test_over_https_cookies_are_the_hosts_alone(tmp_path: Path) -> None:
    names = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
    found = settings(tmp_path, *names, HTTPS="1", SECRET_KEY="k")
    assert [found[name] for name in names] == ["__Host-toril_session", "__Host-toril_csrf", True, True]


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"OIDC_ISSUER": "http://id.example"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "http://localhost.evil.example"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "https://id.example"}, "OIDC_CLIENT_ID"),
        (PROVIDER | {"OIDC_GROUPS": "ops"}, "OIDC_GROUPS"),
    ],
)
def test_a_provider_that_cannot_be_one_is_named(told: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        environment.provider(told)


def test_a_proxy_signs_nobody_in_unless_it_is_named() -> None:
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        environment.proxy_sign_in({"PROXY_USER_HEADER": "X-Forwarded-User"})
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        environment.networks({"TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, "TRUSTED_PROXIES", "unix")
    assert environment.networks({"TRUSTED_PROXIES": "10.0.0.5, unix"}, "TRUSTED_PROXIES", "unix") == [
        "10.0.0.5",
        "unix",
    ]
    assert environment.proxy_sign_in({}) == environment.provider({}) == {}
