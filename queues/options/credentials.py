"""`TORIL["CREDENTIALS"]`: how programs say who they are: API keys, tokens, their rates. Checked key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.options.reading import mapping, refuse_unknown


@dataclass(frozen=True)
class Credentials:
    """What programs may show instead of a session."""


def credentials(value: Any) -> Credentials:
    """Raises ConfigurationError naming the key."""
    where = "TORIL['CREDENTIALS']"
    refuse_unknown(where, mapping(where, value), set())
    return Credentials()
