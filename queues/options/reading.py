"""Each part of `TORIL`, from what was written to a checked value. A mistake names its place and shows no password."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from queues.errors import ConfigurationError
from queues.options.values import Backoff, Keep, Limiter, QueueOptions


def mapping(where: str, value: Any, what: str = "a dict") -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} must be {what}.")
    return value


def refuse_unknown(where: str, value: Mapping[Any, Any], known: set[str]) -> None:
    for name in value:
        if name not in known:
            raise ConfigurationError(f"{where} has no option {name!r}; it knows {', '.join(sorted(known))}.")


def integer(where: str, value: Any, least: int, most: int | None = None) -> int:
    try:
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        bound = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ConfigurationError(f"{where} must be a whole number {bound}, not {value!r}.")
    return number


def boolean(where: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("", "0", "false", "no", "off"):
        return False
    raise ConfigurationError(f"{where} must be true or false, not {value!r}.")


def text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{where} must be text, not {value!r}.")
    return value


def names(where: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable) or not all(isinstance(one, str) for one in value):
        raise ConfigurationError(f"{where} must be a list of names.")
    return tuple(value)


def settings(name: str, value: Any) -> dict[str, Any]:
    """What is said of a queue, checked; nothing stands for what is not said."""
    where = f"TORIL['QUEUES'][{name!r}]"
    value = mapping(where, value)
    if not isinstance(name, str) or ":" in name or not name:
        raise ConfigurationError(f"{where}: a queue's name is a text, not empty and without ':'.")
    refuse_unknown(where, value, {f.name for f in fields(QueueOptions)})
    return {key: option(f"{where}[{key!r}]", key, given) for key, given in value.items()}


def option(where: str, key: str, given: Any) -> Any:
    """One option of a queue, checked; the sentence of a ConfigurationError begins with `where`."""
    if key in _READERS:
        return _READERS[key](where, given)
    return integer(where, given, 0 if key == "max_stalled_count" else 1)


def _limiter(where: str, value: Any) -> Limiter | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"max", "duration"}:
        raise ConfigurationError(f"{where} must be {{'max': jobs, 'duration': milliseconds}}.")
    return Limiter(integer(f"{where}['max']", value["max"], 1), integer(f"{where}['duration']", value["duration"], 1))


def _backoff(where: str, value: Any) -> Backoff | None:
    if value is None:
        return None
    if isinstance(value, int):
        return Backoff("fixed", integer(where, value, 0))
    if not isinstance(value, Mapping) or value.get("type") not in ("fixed", "exponential", "custom"):
        raise ConfigurationError(
            f"{where} must be milliseconds or {{'type': 'fixed', 'exponential' or 'custom', 'delay': milliseconds}}."
        )
    refuse_unknown(where, value, {"type", "delay", "jitter"})
    jitter = value.get("jitter", 0)
    if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        raise ConfigurationError(f"{where}['jitter'] must be a number from 0 to 1.")
    return Backoff(value["type"], integer(f"{where}['delay']", value.get("delay", 0), 0), float(jitter))


def _keep(where: str, value: Any) -> Keep | None:
    if value is None or value is False:
        return None
    if value is True:
        return Keep(count=0)
    if isinstance(value, int):
        return Keep(count=integer(where, value, 0))
    if not isinstance(value, Mapping) or not set(value) <= {"age", "count"}:
        raise ConfigurationError(f"{where} must be true, a number or {{'age': seconds, 'count': jobs}}.")
    age, count = value.get("age"), value.get("count")
    return Keep(
        None if age is None else integer(f"{where}['age']", age, 1),
        None if count is None else integer(f"{where}['count']", count, 0),
    )


def _metrics(where: str, value: Any) -> int | None:
    if isinstance(value, Mapping):
        refuse_unknown(where, value, {"max_data_points"})
        value = value.get("max_data_points")
    return None if value is None else integer(where, value, 1)


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "limiter": _limiter,
    "backoff": _backoff,
    "remove_on_complete": _keep,
    "remove_on_fail": _keep,
    "metrics": _metrics,
    "read_only": boolean,
    "allow_retries": boolean,
    "allow_completed_retries": boolean,
}
