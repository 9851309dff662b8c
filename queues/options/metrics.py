"""`TORIL["METRICS"]`: who may read `/metrics`, and what it shows. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.options.reading import mapping, refuse_unknown


@dataclass(frozen=True)
class MetricsOptions:
    """What Prometheus reads."""


def metrics(value: Any) -> MetricsOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['METRICS']"
    refuse_unknown(where, mapping(where, value), set())
    return MetricsOptions()
