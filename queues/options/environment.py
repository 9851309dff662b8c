"""What environment variables say of Redis and of queues. A bad value raises ConfigurationError naming its variable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from queues.errors import ConfigurationError
from queues.options.connections import checked_url, connection
from queues.options.reading import boolean, integer
from queues.options.values import DEFAULT_PREFIX, DEFAULT_URL

UNIT_MS = {"SECOND": 1_000, "SEC": 1_000, "MINUTE": 60_000, "MIN": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}
_RATE = re.compile(r"(?P<stem>.+)_RATE_LIMIT_PER_(?P<n>\d*)(?P<unit>SECOND|SEC|MINUTE|MIN|HOUR|DAY)S?")
_CONCURRENCY = re.compile(r"(?P<stem>.+)_QUEUE_CONCURRENCY")
#: Kubernetes sets REDIS_PORT=tcp://10.0.0.1:6379 beside every service named `redis`.
_SERVICE_PORT = re.compile(r"tcp://.*:(\d+)")
#: Where a mistake lies, as the settings write it.
_VARIABLE = re.compile(r"TORIL\['CONNECTIONS'\]\['default'\](?:\['(\w+)'\])?")
_PARTS = ("REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS")


def redis_configured(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a Redis of the user's own, by REDIS_URL or by any of its parts."""
    if environ.get("REDIS_URL"):
        return True
    return any(environ.get(name) and not _SERVICE_PORT.fullmatch(environ[name]) for name in _PARTS)


def redis_connection(environ: Mapping[str, str], embedded_url_file: Path | None = None) -> dict[str, Any]:
    """`TORIL["CONNECTIONS"]["default"]` as the environment says it: URL, PREFIX, and of Sentinel, Cluster and TLS
    whatever is set.
    """
    told: dict[str, Any] = {
        "URL": redis_url(environ, embedded_url_file),
        "PREFIX": environ.get("QUEUE_PREFIX") or DEFAULT_PREFIX,
    }
    if not redis_configured(environ):
        return told
    beside = {
        "TOPOLOGY": environ.get("REDIS_TOPOLOGY"),
        "SENTINEL_MASTER": environ.get("REDIS_SENTINEL_MASTER"),
        "SENTINEL_USERNAME": environ.get("REDIS_SENTINEL_USERNAME"),
        "SENTINEL_PASSWORD": environ.get("REDIS_SENTINEL_PASSWORD"),
        "SENTINEL_TLS": environ.get("REDIS_SENTINEL_TLS"),
        "TLS_CA": environ.get("REDIS_TLS_CA"),
        "TLS_CERT": environ.get("REDIS_TLS_CERT"),
        "TLS_KEY": environ.get("REDIS_TLS_KEY"),
        "TLS_CHECK_HOSTNAME": environ.get("REDIS_TLS_CHECK_HOSTNAME"),
    }
    told |= {key: text for key, text in beside.items() if text}
    try:
        connection("default", told)
    except ConfigurationError as error:
        # Whoever set a variable looks for its name.
        raise ConfigurationError(_VARIABLE.sub(_named, str(error))) from None
    return told


def redis_connections(environ: Mapping[str, str], embedded_url_file: Path | None = None) -> dict[str, dict[str, Any]]:
    """`TORIL["CONNECTIONS"]`: the default one, and those that REDIS_CONNECTIONS names in JSON."""
    more: Any = {}
    if text := environ.get("REDIS_CONNECTIONS"):
        try:
            more = json.loads(text)
        except ValueError:
            more = None
        if not isinstance(more, Mapping) or not all(isinstance(told, Mapping) for told in more.values()):
            raise ConfigurationError('REDIS_CONNECTIONS must be JSON: {"billing": {"URL": "redis://…", "PREFIX": …}}.')
        if "default" in more:
            raise ConfigurationError("REDIS_CONNECTIONS names “default”, which REDIS_URL and the like describe.")
    for name, told in more.items():
        try:
            connection(name, told)
        except ConfigurationError as error:
            raise ConfigurationError(f"REDIS_CONNECTIONS: {error}") from None
    return {"default": redis_connection(environ, embedded_url_file), **more}


def _named(found: re.Match[str]) -> str:
    return "REDIS_URL" if found[1] == "URL" else "QUEUE_PREFIX" if found[1] == "PREFIX" else f"REDIS_{found[1]}"


def redis_url(environ: Mapping[str, str], embedded_url_file: Path | None = None) -> str:
    """The Redis to use: REDIS_URL; REDIS_HOST and its parts; the embedded server's file; localhost:6379.

    Parts: REDIS_PORT, REDIS_USERNAME, REDIS_PASSWORD, REDIS_DB, REDIS_TLS. Name and password also stand beside a URL
    that has none: what is secret need not be part of it.
    """
    if url := environ.get("REDIS_URL"):
        return _with_login(checked_url("REDIS_URL", url.strip()), environ)
    if redis_configured(environ):
        return _from_parts(environ)
    if embedded_url_file and embedded_url_file.exists():
        return checked_url(f"The file {embedded_url_file}", _content(embedded_url_file))
    return DEFAULT_URL


def _with_login(url: str, environ: Mapping[str, str]) -> str:
    parts, login = urlsplit(url), _login(environ)
    return parts._replace(netloc=login + parts.netloc).geturl() if login and "@" not in parts.netloc else url


def _login(environ: Mapping[str, str]) -> str:
    user, password = environ.get("REDIS_USERNAME", ""), environ.get("REDIS_PASSWORD", "")
    return f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""


def _from_parts(environ: Mapping[str, str]) -> str:
    told = environ.get("REDIS_PORT") or "6379"
    service = _SERVICE_PORT.fullmatch(told)
    port = integer("REDIS_PORT", service[1] if service else told, 1, 65_535)
    hosts = [_host(host.strip(), port) for host in (environ.get("REDIS_HOST") or "localhost").split(",")]
    db = integer("REDIS_DB", environ.get("REDIS_DB") or "0", 0)
    scheme = "rediss" if boolean("REDIS_TLS", environ.get("REDIS_TLS", "")) else "redis"
    return checked_url("REDIS_HOST", f"{scheme}://{_login(environ)}{','.join(hosts)}/{db}")


def _host(host: str, port: int) -> str:
    """One host with its port; in a list each may bring its own."""
    if re.fullmatch(r"[A-Za-z0-9._-]+:\d+|\[[0-9a-fA-F:.]+\]:\d+", host):
        return host
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[?[0-9a-fA-F:.]+\]?", host):
        raise ConfigurationError("REDIS_HOST must be host names or addresses; for a URL there is REDIS_URL.")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{host}:{port}"


def _content(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"The file {file} cannot be read: {error.strerror}.") from None


def queue_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those variables that speak of queues, of whatever name."""
    return {
        name: text
        for name, text in environ.items()
        if text and (_RATE.fullmatch(str(name)) or _CONCURRENCY.fullmatch(str(name)))
    }


def queue_overrides(queues: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """`TORIL["QUEUES"]` with `<QUEUE>_QUEUE_CONCURRENCY` and `<QUEUE>_RATE_LIMIT_PER_<n><UNIT>` applied.

    `deep-research` is read from `DEEP_RESEARCH_…`.
    """
    variables = queue_variables(environ)
    return {
        name: {**value, **dict(_told(name, variables))} if isinstance(value, Mapping) else value
        for name, value in queues.items()
    }


def _told(queue: str, variables: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    stem = re.sub(r"[^A-Za-z0-9]", "_", str(queue)).upper()
    limits = []
    for name, text in variables.items():
        if (found := _CONCURRENCY.fullmatch(name)) and found["stem"] == stem:
            yield "concurrency", integer(name, text, 1)
        if (found := _RATE.fullmatch(name)) and found["stem"] == stem:
            duration = integer(name, found["n"] or "1", 1) * UNIT_MS[found["unit"]]
            limits.append(name)
            yield "limiter", {"max": integer(name, text, 1), "duration": duration}
    if len(limits) > 1:
        raise ConfigurationError(f"{' and '.join(sorted(limits))} both limit the queue “{queue}”; set one of them.")
