"""`TORIL["API"]`: bounds of the HTTP APIs. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.options.reading import integer, mapping, refuse_unknown


@dataclass(frozen=True)
class ApiOptions:
    """What a request may ask at most."""

    #: How deep JSON in a body may be nested.
    json_depth: int = 64
    #: So many jobs may be added with one request.
    most_jobs: int = 1_000
    #: The answer to an add is kept so long under its Idempotency-Key.
    idempotency_hours: int = 24
    #: A larger field of a job is not in the answer about it, but has to be asked for by itself.
    field_kb: int = 256


_BOUNDS = {
    "JSON_DEPTH": (2, 256),
    "MOST_JOBS": (1, 10_000),
    "IDEMPOTENCY_HOURS": (1, 24 * 30),
    "FIELD_KB": (1, 16_384),
}


def api(value: Any) -> ApiOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['API']"
    value = mapping(where, value)
    refuse_unknown(where, value, set(_BOUNDS))
    told = {key.lower(): integer(f"{where}[{key!r}]", given, *_BOUNDS[key]) for key, given in value.items()}
    return ApiOptions(**told)
