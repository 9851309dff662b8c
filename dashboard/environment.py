"""What `settings.py` takes from outside: environment, files kept in `var/`, the database's address."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dj_database_url
from dotenv import load_dotenv

from queues.errors import ConfigurationError
from queues.options import boolean
from queues.options.reading import integer

#: WAL lets pages read while the mirror writes; NORMAL is safe with it and spares a sync per commit.
SQLITE_START = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class Environment(Mapping[str, str]):
    """Variables, each of which may stand in a file that `<NAME>_FILE` names, as Docker and Kubernetes hand out secrets.

    Such a file is read when its variable is asked for and not set itself. Raises ConfigurationError where it cannot be.
    """

    #: Not files with a variable's value, but variables that are files.
    _FILES_THEMSELVES = ("JWT_KEY",)

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        file = self._environ.get(f"{name}_FILE", "").strip()
        if not file or self._environ.get(name) or name in self._FILES_THEMSELVES:
            return self._environ[name]
        try:
            return Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigurationError(f"{name}_FILE: the file {file} cannot be read: {why}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def read_environment(folder: Path) -> Mapping[str, str]:
    """The process's environment, completed from `.env.local`, then `.env`; what is set already stays."""
    for name in (".env.local", ".env"):
        load_dotenv(folder / name, override=False)
    return Environment(os.environ)


def flag(environ: Mapping[str, str], name: str, default: bool) -> bool:
    """A true or false variable; empty counts as unset. Raises ConfigurationError naming it."""
    return boolean(name, text) if (text := environ.get(name, "").strip()) else default


def words(environ: Mapping[str, str], name: str) -> list[str]:
    """A comma-separated variable as a list."""
    return [word.strip() for word in environ.get(name, "").split(",") if word.strip()]


def allowed_hosts(environ: Mapping[str, str]) -> list[str]:
    """ALLOWED_HOSTS, else the local names, HOST, and this machine's name where HOST listens on every address."""
    if hosts := words(environ, "ALLOWED_HOSTS"):
        return hosts
    host = environ.get("HOST", "").strip()
    if host in ("0.0.0.0", "::", "[::]"):  # noqa: S104
        host = socket.gethostname()
    named = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return list(dict.fromkeys([*LOCAL_HOSTS, *([named] if named else [])]))


def root_path(environ: Mapping[str, str]) -> str | None:
    """ROOT_PATH as Django's FORCE_SCRIPT_NAME: `/toril`, or None."""
    path = environ.get("ROOT_PATH", "").strip().strip("/")
    if path and not re.fullmatch(r"[A-Za-z0-9._~/-]+", path):
        raise ConfigurationError("ROOT_PATH must be a plain path such as /toril.")
    return f"/{path}" if path else None


def choice(environ: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    """A variable with few possible values, in either case; the first where it is unset."""
    given = environ.get(name, "").strip() or known[0]
    for value in known:
        if value.lower() == given.lower():
            return value
    raise ConfigurationError(f"{name} must be one of {', '.join(known)}, not {given!r}.")


def var_folder(environ: Mapping[str, str], base: Path) -> Path:
    """The folder for what is kept between starts; made for its owner alone, for it holds keys and data."""
    folder = base / (environ.get("VAR_DIR") or "var")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"VAR_DIR: the folder {folder} cannot be made: {error.strerror}.") from None
    return folder


def secret_key(environ: Mapping[str, str], folder: Path) -> str:
    """SECRET_KEY, else the one kept in `secret-key`; made at the first start, readable by its owner alone."""
    if key := environ.get("SECRET_KEY"):
        return key
    file = folder / "secret-key"
    try:
        if not file.exists():
            _keep_new_key(file)
        return file.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"SECRET_KEY is unset and {file} cannot be used: {error.strerror}.") from None


def _keep_new_key(file: Path) -> None:
    # Linked into place whole: of several processes that start at once, all read the first one's key.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".secret-key-")
    try:
        with os.fdopen(handle, "w") as half:
            half.write(secrets.token_urlsafe(48))
        os.link(name, file)
    except FileExistsError:
        pass
    finally:
        os.unlink(name)


def database(environ: Mapping[str, str], base: Path, var: Path) -> dict[str, Any]:
    """Django's settings for DATABASE_URL (sqlite or postgres), or for SQLite in `var/`."""
    url = environ.get("DATABASE_URL", "").strip()
    if not url:
        return _sqlite({"ENGINE": "django.db.backends.sqlite3", "NAME": var / "db.sqlite3"})
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url))
    except ValueError:
        raise ConfigurationError("DATABASE_URL must begin with sqlite:/// or postgres:// and be a URL.") from None
    if config["ENGINE"] == "django.db.backends.sqlite3":
        if config["NAME"] != ":memory:":
            config["NAME"] = base / config["NAME"]
        return _sqlite(config)
    if config["ENGINE"] == "django.db.backends.postgresql":
        return _postgresql(config)
    raise ConfigurationError("DATABASE_URL must name SQLite (sqlite:///) or PostgreSQL (postgres://).")


def _sqlite(config: dict[str, Any]) -> dict[str, Any]:
    options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": SQLITE_START}
    return config | {"OPTIONS": options | config.get("OPTIONS", {})}


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise ConfigurationError(
            "DATABASE_URL names PostgreSQL, which needs psycopg: pip install 'psycopg[binary,pool]'."
        )
    # Under ASGI each request has a thread of its own: connections are shared through the pool, never kept by a thread.
    # No CONN_HEALTH_CHECKS: after a restart of the server the pool would wait 1, 2, 4 … s for each dead connection;
    # `access` throws them all away at the first error instead.
    pool = {"min_size": 1, "max_size": 20, "max_idle": 60, "timeout": 3}
    return config | {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": pool} | config.get("OPTIONS", {})}


def networks(environ: Mapping[str, str], name: str, *others: str) -> list[str]:
    """A comma list of addresses and networks, and of these other words. Raises ConfigurationError naming it."""
    found = words(environ, name)
    for word in found:
        try:
            if word not in others:
                ipaddress.ip_network(word, strict=False)
        except ValueError:
            raise ConfigurationError(
                f"{name} must name addresses or networks such as 10.0.0.0/8, not {word!r}."
            ) from None
    return found


def minutes(environ: Mapping[str, str], name: str, default: int) -> int:
    """A whole number of minutes, in seconds; 0 is allowed."""
    return 60 * integer(name, environ.get(name, "").strip() or default, 0, 60 * 24 * 365)


def tokens(environ: Mapping[str, str]) -> dict[str, Any]:
    """`TORIL["CREDENTIALS"]` from JWT_…; empty where JWT_ISSUER is unset. What the values may be is checked with it."""
    issuer = environ.get("JWT_ISSUER", "").strip()
    if not issuer:
        return {}
    jwt: dict[str, Any] = {
        "ISSUER": issuer,
        "AUDIENCE": words(environ, "JWT_AUDIENCE"),
        "ALGORITHMS": words(environ, "JWT_ALGORITHMS") or ["HS256"],
        "KEY": environ.get("JWT_SECRET", ""),
        "KEY_FILE": environ.get("JWT_KEY_FILE", "").strip(),
        "JWKS_URL": environ.get("JWT_JWKS_URL", "").strip(),
        "OWN": _pairs(environ, "JWT_OWN"),
    }
    gives, queues = words(environ, "JWT_GIVES"), words(environ, "JWT_QUEUES")
    if gives or queues:
        jwt["GIVES"] = {"abilities": gives, "queues": queues}
    return {"JWT": jwt}


def provider(environ: Mapping[str, str]) -> dict[str, Any]:
    """`OIDC` from OIDC_…; empty where OIDC_ISSUER is unset. Raises ConfigurationError naming the variable."""
    issuer = environ.get("OIDC_ISSUER", "").strip()
    if not issuer:
        return {}
    if not re.match(r"https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/]", issuer):
        raise ConfigurationError("OIDC_ISSUER must begin with https://; http:// is for this machine alone.")
    client = environ.get("OIDC_CLIENT_ID", "").strip()
    if not client:
        raise ConfigurationError("OIDC_CLIENT_ID is unset: the provider knows this site by it.")
    return {
        "ISSUER": issuer,
        "CLIENT_ID": client,
        "CLIENT_SECRET": environ.get("OIDC_CLIENT_SECRET", "").strip(),
        "NAME": environ.get("OIDC_NAME", "").strip() or "OpenID",
        "SCOPES": tuple(environ.get("OIDC_SCOPES", "").split()) or ("openid", "profile", "email"),
        "USER_CLAIM": environ.get("OIDC_USER_CLAIM", "").strip() or "preferred_username",
        "GROUPS_CLAIM": environ.get("OIDC_GROUPS_CLAIM", "").strip(),
        "GROUPS": _pairs(environ, "OIDC_GROUPS"),
    }


def proxy_sign_in(environ: Mapping[str, str]) -> dict[str, Any]:
    """`PROXY_SIGN_IN` from PROXY_…; empty where PROXY_USER_HEADER is unset. Raises ConfigurationError."""
    header = environ.get("PROXY_USER_HEADER", "").strip()
    if not header:
        return {}
    if not words(environ, "TRUSTED_PROXIES"):
        raise ConfigurationError("TRUSTED_PROXIES must name whose PROXY_USER_HEADER is believed.")
    groups_header = environ.get("PROXY_GROUPS_HEADER", "").strip()
    return {"HEADER": header, "GROUPS_HEADER": groups_header, "GROUPS": _pairs(environ, "PROXY_GROUPS")}


def _pairs(environ: Mapping[str, str], name: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in words(environ, name)]
    if not all(field.strip() and claim.strip() for field, _, claim in pairs):
        raise ConfigurationError(f"{name} must be pairs, as in one=other,two=another.")
    return {field.strip(): claim.strip() for field, _, claim in pairs}
