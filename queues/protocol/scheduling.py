"""Job schedulers: the records from which a queue makes a job at each turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A scheduler to be stored, checked: either `every_ms` or `pattern` (cron) is set.

    `data` is the template's JSON; `options` are the template's, with Python's names.
    """

    id: str
    name: str
    data: str = "{}"
    options: Mapping[str, Any] = field(default_factory=dict)
    every_ms: int | None = None
    offset_ms: int | None = None
    pattern: str = ""
    tz: str = ""
    limit: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    is_immediate: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduler as it is stored. `next_ms` is when its next job is due, `iterations` how many it has made.

    `data` and `opts` are its template, JSON as stored (opts with BullMQ's names); empty where it has none.
    """

    id: str
    name: str
    next_ms: int | None = None
    every_ms: int | None = None
    offset_ms: int | None = None
    pattern: str = ""
    tz: str = ""
    limit: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    iterations: int = 0
    data: str = ""
    opts: str = ""
