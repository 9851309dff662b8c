"""Settings and environment become one frozen, validated `Options`. A bad value stops the start, naming its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from queues.errors import ConfigurationError
from queues.options import reading
from queues.options.alerts import AlertOptions, alerts
from queues.options.api import ApiOptions, api
from queues.options.connections import connection
from queues.options.credentials import Credentials, credentials
from queues.options.dashboard import Dashboard
from queues.options.environment import (
    queue_overrides,
    queue_variables,
    redis_configured,
    redis_connection,
    redis_connections,
    redis_url,
)
from queues.options.live import LiveOptions, live
from queues.options.metrics import MetricsOptions, metrics
from queues.options.mirror import Kept, MirrorOptions, Payloads, Policy, mirror
from queues.options.reading import boolean
from queues.options.reading_dashboard import dashboard
from queues.options.values import (
    DEFAULT_PREFIX,
    DEFAULT_URL,
    Backoff,
    ConnectionOptions,
    Keep,
    Limiter,
    QueueOptions,
)
from queues.options.webhooks import WebhookOptions, webhooks

__all__ = [
    "DECLARED",
    "DEFAULT_PREFIX",
    "DEFAULT_URL",
    "AlertOptions",
    "ApiOptions",
    "Backoff",
    "ConnectionOptions",
    "Credentials",
    "Dashboard",
    "Keep",
    "Kept",
    "Limiter",
    "LiveOptions",
    "MetricsOptions",
    "MirrorOptions",
    "Options",
    "Payloads",
    "Policy",
    "QueueOptions",
    "WebhookOptions",
    "boolean",
    "get_options",
    "load",
    "mistakes",
    "queue_overrides",
    "queue_variables",
    "redis_configured",
    "redis_connection",
    "redis_connections",
    "redis_url",
    "reset_options",
]
_KNOWN = {
    "ALERTS", "API", "CONNECTIONS", "CREDENTIALS", "DASHBOARD", "LIVE", "MASK_KEYS", "METRICS", "MIRROR",
    "PUBLIC_COUNTS", "QUEUES", "READ_ONLY", "RELEASE", "TRACE_CONTEXT", "UNMASKED_KEYS", "USE_JOB_QUEUE", "VARIABLES",
    "WEBHOOKS",
}  # fmt: skip
#: Each is described key by key in a module of its own.
_ROOMS: Mapping[str, Callable[[Any], Any]] = {
    "alerts": alerts, "api": api, "credentials": credentials, "dashboard": dashboard, "live": live,
    "metrics": metrics, "mirror": mirror, "webhooks": webhooks,
}  # fmt: skip

#: What `@processor(…)` said of each queue, checked: below the settings and the environment, above the defaults.
DECLARED: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Options:
    connections: Mapping[str, ConnectionOptions]
    queues: Mapping[str, QueueOptions] = field(default_factory=dict)
    use_job_queue: bool = True
    #: Environment variables that may speak of queues which the settings don't name.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: What settings and environment said of each queue, checked and without the defaults.
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: Where the trace of an added job comes from: a function's dotted path (queues/tracing.py).
    trace_context: str = ""
    #: Nothing can be changed from pages and commands.
    read_only: bool = False
    #: Names of secrets beside those that are known, and names that are none (queues/masking).
    mask_keys: tuple[str, ...] = ()
    unmasked_keys: tuple[str, ...] = ()
    #: What the project calls its code that runs here; workers whose releases differ are pointed out.
    release: str = ""
    #: How the pages look and what they show (docs/from-bull-board.md).
    dashboard: Dashboard = field(default_factory=Dashboard)
    #: What the mirror keeps, and for how long (docs/mirror.md).
    mirror: MirrorOptions = field(default_factory=MirrorOptions)
    #: Counts of queues may be read by anyone; never jobs.
    public_counts: bool = False
    credentials: Credentials = field(default_factory=Credentials)
    api: ApiOptions = field(default_factory=ApiOptions)
    live: LiveOptions = field(default_factory=LiveOptions)
    webhooks: WebhookOptions = field(default_factory=WebhookOptions)
    alerts: AlertOptions = field(default_factory=AlertOptions)
    metrics: MetricsOptions = field(default_factory=MetricsOptions)

    def connection(self, name: str = "default") -> ConnectionOptions:
        try:
            return self.connections[name]
        except KeyError:
            known = ", ".join(sorted(self.connections))
            raise ConfigurationError(f"There is no connection named “{name}”; configured: {known}.") from None

    def queue(self, name: str, declared: Mapping[str, Any] | None = None) -> QueueOptions:
        """The queue's options: the environment's, else the settings', else its processors', else BullMQ's defaults.

        `declared` stands for what the decorators of this process said.
        """
        declared = DECLARED.get(name, {}) if declared is None else declared
        if (known := self.queues.get(name)) is not None:
            return replace(known, **{**declared, **self.told.get(name, {})}) if declared else known
        told = reading.settings(name, queue_overrides({name: {}}, self.variables)[name])
        return QueueOptions(**{**declared, **told})


@cache
def get_options() -> Options:
    """The process's options from `settings.TORIL`; cached until `reset_options()`."""
    from django.conf import settings

    return load(getattr(settings, "TORIL", {}))


def reset_options() -> None:
    get_options.cache_clear()


def load(toril: Mapping[str, Any]) -> Options:
    """Validate a `TORIL` settings dict. Raises ConfigurationError naming the key."""
    reading.mapping("TORIL", toril)
    reading.refuse_unknown("TORIL", toril, _KNOWN)
    described = reading.mapping("TORIL['CONNECTIONS']", toril.get("CONNECTIONS", {}))
    connections = {name: connection(name, value) for name, value in described.items()}
    if not connections:
        connections = {"default": ConnectionOptions("default", DEFAULT_URL)}
    if "default" not in connections:
        raise ConfigurationError("TORIL['CONNECTIONS'] needs one named 'default'.")
    variables = queue_variables(reading.mapping("TORIL['VARIABLES']", toril.get("VARIABLES", {})))
    described = queue_overrides(reading.mapping("TORIL['QUEUES']", toril.get("QUEUES", {})), variables)
    told = {name: reading.settings(name, value) for name, value in described.items()}
    queues = {name: QueueOptions(**value) for name, value in told.items()}
    use_job_queue = boolean("TORIL['USE_JOB_QUEUE']", toril.get("USE_JOB_QUEUE", True))
    trace_context = reading.text("TORIL['TRACE_CONTEXT']", toril.get("TRACE_CONTEXT", ""))
    release = reading.text("TORIL['RELEASE']", toril.get("RELEASE", ""))
    public_counts = boolean("TORIL['PUBLIC_COUNTS']", toril.get("PUBLIC_COUNTS", False))
    rooms = {room: read(toril.get(room.upper(), {})) for room, read in _ROOMS.items()}
    read_only = boolean("TORIL['READ_ONLY']", toril.get("READ_ONLY", False))
    return Options(
        connections, queues, use_job_queue, variables, told, trace_context, read_only,
        mask_keys=reading.names("TORIL['MASK_KEYS']", toril.get("MASK_KEYS", ())),
        unmasked_keys=reading.names("TORIL['UNMASKED_KEYS']", toril.get("UNMASKED_KEYS", ())),
        release=release, public_counts=public_counts, **rooms,
    )  # fmt: skip


def mistakes(toril: Any) -> list[str]:
    """Every mistake in a `TORIL` settings dict, one sentence each; empty where `load` takes it."""
    found: dict[str, None] = {}
    for part in _parts(toril):
        try:
            load(part)
        except ConfigurationError as error:
            found[str(error)] = None
    return list(found)


def _parts(toril: Any) -> Iterator[Any]:
    """The settings cut up so that one mistake does not hide the next."""
    if not isinstance(toril, Mapping):
        yield toril
        return
    variables = {"VARIABLES": toril["VARIABLES"]} if "VARIABLES" in toril else {}
    for key, value in toril.items():
        if key == "CONNECTIONS" and isinstance(value, Mapping):
            yield {key: {name: {} for name in value}}
            yield from ({key: {"default": {}, name: described}} for name, described in value.items())
        elif isinstance(key, str) and key.lower() in _ROOMS and isinstance(value, Mapping):
            yield from ({key: {option: given}} for option, given in value.items())
        elif key == "QUEUES" and isinstance(value, Mapping):
            for name, described in value.items():
                yield from ({key: {name: piece}} for piece in _pieces(described))
                yield {key: {name: {}}} | variables
        else:
            yield {key: value}


def _pieces(described: Any) -> Iterator[Any]:
    if isinstance(described, Mapping):
        yield from ({option: value} for option, value in described.items())
    else:
        yield described
