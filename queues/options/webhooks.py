"""`TORIL["WEBHOOKS"]`: where webhooks may go, and how long they are tried. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.options.reading import mapping, refuse_unknown


@dataclass(frozen=True)
class WebhookOptions:
    """What the sender of webhooks may do."""


def webhooks(value: Any) -> WebhookOptions:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['WEBHOOKS']"
    refuse_unknown(where, mapping(where, value), set())
    return WebhookOptions()
