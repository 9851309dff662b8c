"""`TORIL["LIVE"]`: events for programs over WebSocket and SSE. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.options.reading import mapping, refuse_unknown


@dataclass(frozen=True)
class LiveOptions:
    """What programs may subscribe to."""


def live(value: Any) -> LiveOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['LIVE']"
    refuse_unknown(where, mapping(where, value), set())
    return LiveOptions()
