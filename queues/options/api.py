"""`TORIL["API"]`: bounds of the HTTP APIs. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.options.reading import mapping, refuse_unknown


@dataclass(frozen=True)
class ApiOptions:
    """What a request may ask at most."""


def api(value: Any) -> ApiOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['API']"
    refuse_unknown(where, mapping(where, value), set())
    return ApiOptions()
