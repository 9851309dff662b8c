"""What a rule of an alert may say: each kind of trouble with its unit and usual levels, and how a rule is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from queues.errors import ConfigurationError
from queues.options.reading import boolean, integer, mapping, names, refuse_unknown, text
from queues.patterns import fits


class Unit(StrEnum):
    JOBS = "jobs"
    TIMES = "times"
    SECONDS = "seconds"
    PERCENT = "percent"


class NoData(StrEnum):
    """What it means that nobody knows: `keep`, what fires goes on firing; `fire`, it counts as trouble."""

    KEEP = "keep"
    FIRE = "fire"


@dataclass(frozen=True, slots=True)
class Kind:
    """Fires from `fires` on, clears at `clears` or below, both in its unit: more is always worse. `per_queue`: each
    queue by itself; else the connection.
    """

    name: str
    unit: Unit
    fires: float
    clears: float
    hold_s: int
    per_queue: bool = True
    has_window: bool = False
    #: It needs so many ended jobs before it judges.
    has_least: bool = False
    is_built_in: bool = True


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("backlog", Unit.JOBS, 10_000, 8_000, 300),
        Kind("oldest_waiting", Unit.SECONDS, 900, 300, 60),
        Kind("failure_rate", Unit.PERCENT, 25, 10, 60, has_window=True, has_least=True),
        Kind("latency", Unit.SECONDS, 300, 120, 60, has_window=True, has_least=True, is_built_in=False),
        Kind("stalled", Unit.TIMES, 5, 0, 0, has_window=True),
        Kind("no_worker", Unit.JOBS, 1, 0, 120),
        Kind("scheduler_missed", Unit.SECONDS, 120, 5, 0),
        Kind("mirror_behind", Unit.SECONDS, 60, 10, 60, per_queue=False),
        Kind("redis_memory", Unit.PERCENT, 85, 75, 60, per_queue=False),
        Kind("redis_silent", Unit.SECONDS, 30, 0, 0, per_queue=False),
    )
}


@dataclass(frozen=True, slots=True)
class Rule:
    """`connection` and `queue` are patterns. `channels` None: every one that is configured. It tells of the same thing
    anew no sooner than `cooldown_s` after the last time.
    """

    key: str
    name: str
    kind: str
    fires: float
    clears: float
    hold_s: int
    source: str = "built-in"
    connection: str = "*"
    queue: str = "*"
    window_s: int = 600
    least: int = 20
    cooldown_s: int = 900
    channels: tuple[str, ...] | None = None
    no_data: NoData = NoData.KEEP
    is_on: bool = True

    @property
    def about(self) -> Kind:
        return KINDS[self.kind]

    def fits_connection(self, connection: str) -> bool:
        return fits(self.connection, connection)

    def fits(self, connection: str, queue: str) -> bool:
        return self.fits_connection(connection) and (not self.about.per_queue or fits(self.queue, queue))

    def told(self) -> dict[str, Any]:
        """As `read_rule` takes it."""
        skipped = {"key", "name", "source"}
        return {name.upper(): value for name, value in asdict(self).items() if name not in skipped}


def built_in() -> tuple[Rule, ...]:
    """One of each kind that says something wherever queues run."""
    return tuple(
        Rule(f"built-in:{kind.name}", kind.name.replace("_", " ").capitalize(), kind.name, kind.fires, kind.clears,
             kind.hold_s)
        for kind in KINDS.values()
        if kind.is_built_in
    )  # fmt: skip


def read_rule(where: str, key: str, name: str, value: Any, source: str) -> Rule:
    """Raises ConfigurationError naming the key, behind `where`."""
    value = mapping(where, value)
    refuse_unknown(where, value, {"KIND", *_READERS})
    kind = KINDS.get(str(value.get("KIND", "")))
    if kind is None:
        known = ", ".join(KINDS)
        raise ConfigurationError(f"{where}['KIND'] must be one of {known}, not {value.get('KIND')!r}.")
    if not name.strip() or len(name) > 100:
        raise ConfigurationError(f"{where}: a rule's name has 1 to 100 characters.")
    told = {key.lower(): read(f"{where}[{key!r}]", value[key]) for key, read in _READERS.items() if key in value}
    rule = Rule(key, name.strip(), kind.name, kind.fires, kind.clears, kind.hold_s, source)
    if "fires" in told and "clears" not in told:
        told["clears"] = kind.clears if kind.clears < told["fires"] else told["fires"] * 0.8
    rule = replace(rule, **told)
    if not 0 <= rule.clears < rule.fires:
        raise ConfigurationError(f"{where}['CLEARS'] must be below FIRES ({rule.fires:g}), or it would never clear.")
    if kind.unit is Unit.PERCENT and rule.fires > 100:
        raise ConfigurationError(f"{where}['FIRES'] is a share in percent: at most 100.")
    return rule


def _level(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise ConfigurationError(f"{where} must be a number of at least 0, not {value!r}.")
    return float(value)


def _seconds(least: int, most: int) -> Callable[[str, Any], int]:
    return lambda where, value: integer(where, value, least, most)


def _pattern(where: str, value: Any) -> str:
    if not text(where, value) or len(value) > 512:
        raise ConfigurationError(f"{where} must be a name or a pattern such as 'mail*'.")
    return str(value)


def _no_data(where: str, value: Any) -> NoData:
    try:
        return NoData(value)
    except ValueError:
        raise ConfigurationError(f"{where} must be one of {', '.join(NoData)}, not {value!r}.") from None


def _channels(where: str, value: Any) -> tuple[str, ...] | None:
    return None if value is None else names(where, value)


DAY_S = 86_400
_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "CONNECTION": _pattern,
    "QUEUE": _pattern,
    "FIRES": _level,
    "CLEARS": _level,
    "HOLD_S": _seconds(0, DAY_S),
    # The minutes that are kept for a quick answer are those of an hour.
    "WINDOW_S": _seconds(60, 3_600),
    "LEAST": _seconds(1, 1_000_000),
    "COOLDOWN_S": _seconds(0, 7 * DAY_S),
    "CHANNELS": _channels,
    "NO_DATA": _no_data,
    "IS_ON": boolean,
}
