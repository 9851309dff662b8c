"""`TORIL["LIVE"]`: events for programs over WebSocket and SSE. Checked key by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from queues.errors import ConfigurationError
from queues.options.reading import integer, mapping, names, refuse_unknown, text

#: What is told of every job.
STEPS = ("queued", "started", "progress", "completed", "failed")
STATUSES = dict(zip(STEPS, ("queued", "processing", "processing", "completed", "error"), strict=True))
_EVENT = re.compile(r"[A-Za-z][\w:.-]{0,63}", re.ASCII)
#: What each message says itself.
OWN_NAMES = frozenset({"type", "id", "queue", "jobId", "jobName", "progress", "status", "event"})
_ORIGIN = re.compile(r"https?://[^/?#@\s\\]+")


@dataclass(frozen=True, slots=True)
class Naming:
    """One name for what is told of a queue's jobs, and which status says what it is; a step without one is not told."""

    name: str
    statuses: Mapping[str, str] = field(default_factory=lambda: STATUSES)


@dataclass(frozen=True)
class LiveOptions:
    """What programs may subscribe to, and how many may."""

    #: Of a job's data: by these it can be subscribed to, and these are told with each event.
    fields: tuple[str, ...] = ("conversationId", "messageId", "userId")
    #: Patterns of queues that are followed at all.
    queues: tuple[str, ...] = ("*",)
    #: Patterns of queues with names of their own; the first that fits wins.
    events: tuple[tuple[str, Naming], ...] = ()
    #: Of other sites, whose pages may listen too.
    origins: tuple[str, ...] = ()
    #: Listeners in one web process, and of one key, token or person.
    most: int = 5_000
    per_caller: int = 50
    heartbeat_s: int = 15

    def follows(self, queue: str) -> bool:
        return any(fnmatchcase(queue, pattern) for pattern in self.queues)

    def naming(self, queue: str) -> Naming | None:
        return next((naming for pattern, naming in self.events if fnmatchcase(queue, pattern)), None)


def live(value: Any) -> LiveOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['LIVE']"
    value = mapping(where, value)
    refuse_unknown(where, value, set(_KEYS))
    told = {key.lower(): read(f"{where}[{key!r}]", value[key]) for key, read in _KEYS.items() if key in value}
    return LiveOptions(**told)


def _fields(where: str, value: Any) -> tuple[str, ...]:
    found = names(where, value)
    if odd := [name for name in found if not name or len(name) > 64 or name in OWN_NAMES]:
        raise ConfigurationError(f"{where}: {odd[0]!r} cannot be told beside what each event says itself.")
    return found


def _events(where: str, value: Any) -> tuple[tuple[str, Naming], ...]:
    return tuple((pattern, _naming(f"{where}[{pattern!r}]", given)) for pattern, given in mapping(where, value).items())


def _naming(where: str, value: Any) -> Naming:
    value = mapping(where, value)
    refuse_unknown(where, value, {"NAME", "STATUSES"})
    name = text(f"{where}['NAME']", value.get("NAME", ""))
    if not _EVENT.fullmatch(name):
        raise ConfigurationError(f"{where}['NAME'] is up to 64 letters, digits, “:”, “.”, “-” and “_”, not {name!r}.")
    if "STATUSES" not in value:
        return Naming(name)
    told = mapping(f"{where}['STATUSES']", value["STATUSES"])
    refuse_unknown(f"{where}['STATUSES']", told, set(STEPS))
    return Naming(name, {step: text(f"{where}['STATUSES'][{step!r}]", status) for step, status in told.items()})


def _origins(where: str, value: Any) -> tuple[str, ...]:
    found = names(where, value)
    if odd := [origin for origin in found if not _ORIGIN.fullmatch(origin)]:
        raise ConfigurationError(f"{where}: an origin is written 'https://app.example', not {odd[0]!r}.")
    return tuple(origin.lower() for origin in found)


def _whole(least: int, most: int) -> Any:
    return lambda where, value: integer(where, value, least, most)


_KEYS = {
    "FIELDS": _fields,
    "QUEUES": names,
    "EVENTS": _events,
    "ORIGINS": _origins,
    "MOST": _whole(1, 100_000),
    "PER_CALLER": _whole(1, 100_000),
    "HEARTBEAT_S": _whole(1, 300),
}
