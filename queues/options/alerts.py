"""`TORIL["ALERTS"]`: rules that say when somebody is told, and how. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.options.reading import mapping, refuse_unknown


@dataclass(frozen=True)
class AlertOptions:
    """When somebody is told, and how."""


def alerts(value: Any) -> AlertOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['ALERTS']"
    refuse_unknown(where, mapping(where, value), set())
    return AlertOptions()
