"""What environment variables say of Redis and of queues. A bad value raises ConfigurationError naming its variable."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from queues.errors import ConfigurationError
from queues.options.reading import boolean, checked_url, integer
from queues.options.values import DEFAULT_URL

UNIT_MS = {"SECOND": 1_000, "SEC": 1_000, "MINUTE": 60_000, "MIN": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}
_RATE = re.compile(r"(?P<stem>.+)_RATE_LIMIT_PER_(?P<n>\d*)(?P<unit>SECOND|SEC|MINUTE|MIN|HOUR|DAY)S?")
_CONCURRENCY = re.compile(r"(?P<stem>.+)_QUEUE_CONCURRENCY")
#: Kubernetes sets REDIS_PORT=tcp://10.0.0.1:6379 beside every service named `redis`.
_SERVICE_PORT = re.compile(r"tcp://.*:(\d+)")
_PARTS = ("REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS")


def redis_configured(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a Redis of the user's own, by REDIS_URL or by any of its parts."""
    if environ.get("REDIS_URL"):
        return True
    return any(environ.get(name) and not _SERVICE_PORT.fullmatch(environ[name]) for name in _PARTS)


def redis_url(environ: Mapping[str, str], embedded_url_file: Path | None = None) -> str:
    """The Redis to use: REDIS_URL; REDIS_HOST and its parts; the embedded server's file; localhost:6379.

    Parts: REDIS_PORT, REDIS_USERNAME, REDIS_PASSWORD, REDIS_DB, REDIS_TLS.
    """
    if url := environ.get("REDIS_URL"):
        return checked_url("REDIS_URL", url.strip())
    if redis_configured(environ):
        return _from_parts(environ)
    if embedded_url_file and embedded_url_file.exists():
        return checked_url(f"The file {embedded_url_file}", _content(embedded_url_file))
    return DEFAULT_URL


def _from_parts(environ: Mapping[str, str]) -> str:
    host = (environ.get("REDIS_HOST") or "localhost").strip()
    if not re.fullmatch(r"[A-Za-z0-9._-]+|\[?[0-9a-fA-F:.]+\]?", host):
        raise ConfigurationError("REDIS_HOST must be one host name or address; for a URL there is REDIS_URL.")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    told = environ.get("REDIS_PORT") or "6379"
    service = _SERVICE_PORT.fullmatch(told)
    port = integer("REDIS_PORT", service[1] if service else told, 1, 65_535)
    db = integer("REDIS_DB", environ.get("REDIS_DB") or "0", 0)
    user, password = environ.get("REDIS_USERNAME", ""), environ.get("REDIS_PASSWORD", "")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    scheme = "rediss" if boolean("REDIS_TLS", environ.get("REDIS_TLS", "")) else "redis"
    return checked_url("REDIS_HOST", f"{scheme}://{login}{host}:{port}/{db}")


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
