"""Registers a sample processor, or the function that the setting `TORIL_SYSTEMS` puts in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string

from queues.errors import ConfigurationError
from queues.processors import processor

F = TypeVar("F", bound=Callable[..., Any])

#: Every place a sample has: `chat`, or `ai-jobs.summarize` for one job type.
_places: set[str] = set()


def sample(queue: str, *, name: str | None = None) -> Callable[[F], F]:
    """Register the decorated sample for a queue's jobs (of one `name`) unless the settings name another function."""

    def register(function: F) -> F:
        place = f"{queue}.{name}" if name else queue
        _places.update({queue, place})
        whole = stand_in(queue)
        processor(queue, name=name)(stand_in(place) or whole or function)
        if whole:
            # It runs every job of the queue, those of types without a sample too.
            processor(queue)(whole)
        return function

    return register


def stand_in(place: str) -> Callable[..., Any] | None:
    """The function configured for a place, or None. Raises ConfigurationError for what is no function."""
    path = _configured().get(place)
    if path is None:
        return None
    if not isinstance(path, str):
        raise ConfigurationError(f"TORIL_SYSTEMS[{place!r}] must be a dotted path, not {path!r}.")
    try:
        function = import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"TORIL_SYSTEMS[{place!r}] cannot be imported: {error}.") from error
    if not callable(function):
        raise ConfigurationError(f"TORIL_SYSTEMS[{place!r}] is {path!r}, which is no function.")
    return function  # type: ignore[no-any-return]


def check_places() -> None:
    """Raises ConfigurationError where `TORIL_SYSTEMS` names a place that no sample has."""
    if unknown := sorted(set(_configured()) - _places):
        known = ", ".join(sorted(_places))
        raise ConfigurationError(f"TORIL_SYSTEMS has no place {unknown[0]!r}; it knows {known}.")


def _configured() -> dict[str, Any]:
    return dict(getattr(settings, "TORIL_SYSTEMS", {}))
