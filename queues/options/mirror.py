"""`TORIL["MIRROR"]`: what the mirror keeps of which jobs, and for how long. Checked key by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from queues.errors import ConfigurationError
from queues.options.reading import integer, mapping, refuse_unknown

E = TypeVar("E", bound=StrEnum)


class Kept(StrEnum):
    """Of which jobs rows are made."""

    ALL = "all"
    FAILED = "failed"
    SAMPLED = "sampled"
    NONE = "none"


class Payloads(StrEnum):
    """What rows hold of what jobs carry and say: data, result, progress, errors, stacks."""

    KEPT = "kept"
    MASKED = "masked"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    """`payload_kb` bounds each field of a row; of `sampled` jobs one in `sample` is kept, and every failed one."""

    jobs: Kept = Kept.ALL
    payloads: Payloads = Payloads.KEPT
    payload_kb: int = 64
    sample: int = 100


@dataclass(frozen=True)
class MirrorOptions:
    """`queues` are patterns with what differs, the first that fits wins. Of jobs that Redis no longer has, rows are
    kept for `keep_days`, and the oldest go earlier where all rows would exceed `keep_mb`; None: no bound.
    """

    policy: Policy = Policy()
    queues: tuple[tuple[str, Policy], ...] = ()
    keep_days: int | None = 90
    keep_mb: int | None = 10_240
    #: How long a day's figures are kept.
    history_days: int = 400

    def of(self, queue: str) -> Policy:
        return next((policy for pattern, policy in self.queues if fnmatchcase(queue, pattern)), self.policy)


def mirror(value: Any) -> MirrorOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['MIRROR']"
    value = mapping(where, value)
    refuse_unknown(where, value, {*_POLICY, *_BOUNDS, "QUEUES"})
    policy = _policy(where, {key: given for key, given in value.items() if key in _POLICY}, Policy())
    bounds = {key.lower(): read(f"{where}[{key!r}]", value[key]) for key, read in _BOUNDS.items() if key in value}
    described = mapping(f"{where}['QUEUES']", value.get("QUEUES", {}))
    queues = tuple(_queue(f"{where}['QUEUES'][{name!r}]", name, given, policy) for name, given in described.items())
    return MirrorOptions(policy, queues, **bounds)


def _queue(where: str, pattern: Any, value: Any, policy: Policy) -> tuple[str, Policy]:
    if not isinstance(pattern, str) or not pattern:
        raise ConfigurationError(f"{where}: a pattern of queues is a text, such as 'mail*'.")
    value = mapping(where, value)
    refuse_unknown(where, value, set(_POLICY))
    return pattern, _policy(where, value, policy)


def _policy(where: str, value: Mapping[str, Any], base: Policy) -> Policy:
    told = {key.lower(): _POLICY[key](f"{where}[{key!r}]", given) for key, given in value.items()}
    return Policy(**{name: told.get(name, getattr(base, name)) for name in Policy.__slots__})


def _one_of(kind: type[E]) -> Callable[[str, Any], E]:
    def read(where: str, value: Any) -> E:
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(kind)
            raise ConfigurationError(f"{where} must be one of {known}, not {value!r}.") from None

    return read


def _whole(least: int, most: int) -> Callable[[str, Any], int]:
    return lambda where, value: integer(where, value, least, most)


def _bound(where: str, value: Any) -> int | None:
    return None if value is None else integer(where, value, 1)


_POLICY: Mapping[str, Callable[[str, Any], Any]] = {
    "JOBS": _one_of(Kept),
    "PAYLOADS": _one_of(Payloads),
    "PAYLOAD_KB": _whole(1, 1_024),
    "SAMPLE": _whole(1, 1_000_000),
}
_BOUNDS: Mapping[str, Callable[[str, Any], Any]] = {
    "KEEP_DAYS": _bound,
    "KEEP_MB": _bound,
    "HISTORY_DAYS": _whole(1, 3_650),
}
