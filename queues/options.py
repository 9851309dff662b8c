"""Settings and environment become one frozen, validated `Options`. A bad value stops the start, naming the variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from queues.errors import ConfigurationError

DEFAULT_URL = "redis://localhost:6379"
DEFAULT_PREFIX = "bull"
UNIT_MS = {
    "second": 1_000,
    "sec": 1_000,
    "minute": 60_000,
    "min": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
}
RATE_VARIABLE = re.compile(r"_RATE_LIMIT_PER_(\d*)(SECOND|SEC|MINUTE|MIN|HOUR|DAY)S?$")


@dataclass(frozen=True, slots=True)
class Limiter:
    """At most `max` jobs started per `duration_ms`, over all workers of the queue."""

    max: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a failed attempt waits: `fixed` = delay_ms, `exponential` = delay_ms · 2^(attempt-1)."""

    type: str
    delay_ms: int
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Keep:
    """How many finished jobs stay in Redis. `count` 0 removes at once; None means no bound."""

    age_s: int | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What `TORIL["QUEUES"][name]` may say; producers apply attempts, backoff and retention, workers the rest."""

    concurrency: int = 1
    limiter: Limiter | None = None
    attempts: int = 1
    backoff: Backoff | None = None
    remove_on_complete: Keep | None = None
    remove_on_fail: Keep | None = None
    lock_duration_ms: int = 30_000
    stalled_interval_ms: int = 30_000
    max_stalled_count: int = 1


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """A named Redis plus prefix. `url` is redis://, rediss:// or unix://, with user, password and db inside."""

    name: str
    url: str
    prefix: str = DEFAULT_PREFIX

    @property
    def safe_url(self) -> str:
        """The URL with its password masked: the only form that may be shown or logged."""
        parts = urlsplit(self.url)
        if parts.password is None:
            return self.url
        netloc = f"{parts.username or ''}:***@{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        return parts._replace(netloc=netloc).geturl()


@dataclass(frozen=True, slots=True)
class Options:
    connections: Mapping[str, ConnectionOptions]
    queues: Mapping[str, QueueOptions] = field(default_factory=dict)
    use_job_queue: bool = True

    def connection(self, name: str = "default") -> ConnectionOptions:
        try:
            return self.connections[name]
        except KeyError:
            known = ", ".join(sorted(self.connections))
            raise ConfigurationError(f"There is no connection named “{name}”; configured: {known}.") from None

    def queue(self, name: str) -> QueueOptions:
        """The queue's configured options, or BullMQ's defaults."""
        return self.queues.get(name, QueueOptions())


@cache
def get_options() -> Options:
    """The process's options from `settings.TORIL`; cached until `reset_options()`."""
    from django.conf import settings

    return load(getattr(settings, "TORIL", {}))


def reset_options() -> None:
    get_options.cache_clear()


def load(toril: Mapping[str, Any]) -> Options:
    """Validate a `TORIL` settings dict. Raises ConfigurationError naming the key."""
    _refuse_unknown("TORIL", toril, {"CONNECTIONS", "QUEUES", "USE_JOB_QUEUE"})
    connections = {name: _connection(name, value) for name, value in toril.get("CONNECTIONS", {}).items()} or {
        "default": ConnectionOptions("default", DEFAULT_URL)
    }
    if "default" not in connections:
        raise ConfigurationError("TORIL['CONNECTIONS'] needs one named 'default'.")
    queues = {name: _queue(name, value) for name, value in toril.get("QUEUES", {}).items()}
    return Options(connections, queues, bool(toril.get("USE_JOB_QUEUE", True)))


def redis_configured(environ: Mapping[str, str]) -> bool:
    """Whether the environment names a Redis of the user's own (REDIS_URL or REDIS_HOST)."""
    return bool(environ.get("REDIS_URL") or environ.get("REDIS_HOST"))


def redis_url(environ: Mapping[str, str], embedded_url_file: Path | None = None) -> str:
    """The Redis to use: REDIS_URL; REDIS_HOST and its parts; the embedded server's file; localhost:6379.

    Parts: REDIS_PORT, REDIS_USERNAME, REDIS_PASSWORD, REDIS_DB, REDIS_TLS. Raises ConfigurationError.
    """
    if url := environ.get("REDIS_URL"):
        return _checked_url("REDIS_URL", url)
    if host := environ.get("REDIS_HOST"):
        port = _integer("REDIS_PORT", environ.get("REDIS_PORT", "6379"), 1, 65_535)
        db = _integer("REDIS_DB", environ.get("REDIS_DB", "0"), 0)
        user, password = environ.get("REDIS_USERNAME", ""), environ.get("REDIS_PASSWORD", "")
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
        scheme = "rediss" if boolean("REDIS_TLS", environ.get("REDIS_TLS", "false")) else "redis"
        return _checked_url("REDIS_HOST", f"{scheme}://{login}{host}:{port}/{db}")
    if embedded_url_file and embedded_url_file.exists():
        return embedded_url_file.read_text().strip()
    return DEFAULT_URL


def queue_overrides(queues: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """`TORIL["QUEUES"]` with `<QUEUE>_QUEUE_CONCURRENCY` and `<QUEUE>_RATE_LIMIT_PER_<n><UNIT>` applied.

    `deep-research` is read from `DEEP_RESEARCH_…`. Raises ConfigurationError naming the variable.
    """
    result = {name: dict(value) for name, value in queues.items()}
    for name, value in result.items():
        stem = re.sub(r"[^A-Za-z0-9]", "_", name).upper()
        variable = f"{stem}_QUEUE_CONCURRENCY"
        if text := environ.get(variable):
            value["concurrency"] = _integer(variable, text, 1)
        for variable, text in environ.items():
            found = RATE_VARIABLE.fullmatch(variable[len(stem) :]) if variable.startswith(stem) else None
            if found and text:
                duration = int(found[1] or 1) * UNIT_MS[found[2].lower()]
                value["limiter"] = {"max": _integer(variable, text, 1), "duration": duration}
    return result


def _connection(name: str, value: Any) -> ConnectionOptions:
    where = f"TORIL['CONNECTIONS'][{name!r}]"
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} must be a dict with URL and PREFIX.")
    _refuse_unknown(where, value, {"URL", "PREFIX"})
    url = _checked_url(f"{where}['URL']", str(value.get("URL", DEFAULT_URL)))
    prefix = str(value.get("PREFIX", DEFAULT_PREFIX))
    if not prefix:
        raise ConfigurationError(f"{where}['PREFIX'] is empty.")
    return ConnectionOptions(name, url, prefix)


def _checked_url(variable: str, url: str) -> str:
    if "," in url:
        raise ConfigurationError(
            f"{variable} lists several hosts; Sentinel and Cluster are not supported yet, name one server."
        )
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ConfigurationError(f"{variable} must begin with redis://, rediss:// or unix://.")
    try:
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise ConfigurationError(f"{variable} has a port that is not a number from 1 to 65535.") from None
    if parts.scheme == "unix" and not parts.path:
        raise ConfigurationError(f"{variable} names no socket file.")
    if parts.scheme != "unix" and not has_host:
        raise ConfigurationError(f"{variable} names no host.")
    return url


def _queue(name: str, value: Any) -> QueueOptions:
    where = f"TORIL['QUEUES'][{name!r}]"
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} must be a dict.")
    if ":" in name or not name:
        raise ConfigurationError(f"{where}: a queue's name cannot be empty or contain ':'.")
    _refuse_unknown(where, value, {f.name for f in fields(QueueOptions)})
    options = QueueOptions()
    for key, given in value.items():
        spot = f"{where}[{key!r}]"
        if key == "limiter":
            parsed: Any = _limiter(spot, given)
        elif key == "backoff":
            parsed = _backoff(spot, given)
        elif key in ("remove_on_complete", "remove_on_fail"):
            parsed = _keep(spot, given)
        else:
            parsed = _integer(spot, given, 0 if key == "max_stalled_count" else 1)
        options = replace(options, **{key: parsed})
    return options


def _limiter(where: str, value: Any) -> Limiter | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"max", "duration"}:
        raise ConfigurationError(f"{where} must be {{'max': jobs, 'duration': milliseconds}}.")
    return Limiter(_integer(f"{where}['max']", value["max"], 1), _integer(f"{where}['duration']", value["duration"], 1))


def _backoff(where: str, value: Any) -> Backoff | None:
    if value is None:
        return None
    if isinstance(value, int):
        return Backoff("fixed", _integer(where, value, 0))
    if not isinstance(value, Mapping) or value.get("type") not in ("fixed", "exponential"):
        raise ConfigurationError(
            f"{where} must be milliseconds or {{'type': 'fixed' or 'exponential', 'delay': milliseconds}}."
        )
    _refuse_unknown(where, value, {"type", "delay", "jitter"})
    jitter = value.get("jitter", 0)
    if not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        raise ConfigurationError(f"{where}['jitter'] must be a number from 0 to 1.")
    return Backoff(value["type"], _integer(f"{where}['delay']", value.get("delay", 0), 0), float(jitter))


def _keep(where: str, value: Any) -> Keep | None:
    if value is None or value is False:
        return None
    if value is True:
        return Keep(count=0)
    if isinstance(value, int):
        return Keep(count=_integer(where, value, 0))
    if not isinstance(value, Mapping) or not set(value) <= {"age", "count"}:
        raise ConfigurationError(f"{where} must be true, a number or {{'age': seconds, 'count': jobs}}.")
    age, count = value.get("age"), value.get("count")
    return Keep(
        None if age is None else _integer(f"{where}['age']", age, 1),
        None if count is None else _integer(f"{where}['count']", count, 0),
    )


def _refuse_unknown(where: str, value: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(value) - known):
        raise ConfigurationError(f"{where} has no option {unknown[0]!r}; it knows {', '.join(sorted(known))}.")


def _integer(where: str, value: Any, least: int, most: int | None = None) -> int:
    try:
        number = int(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError):
        number = None
    if number is None or number < least or (most is not None and number > most):
        bound = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ConfigurationError(f"{where} must be a whole number {bound}, not {value!r}.")
    return number


def boolean(where: str, value: str) -> bool:
    text = value.strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("", "0", "false", "no", "off"):
        return False
    raise ConfigurationError(f"{where} must be true or false, not {value!r}.")
