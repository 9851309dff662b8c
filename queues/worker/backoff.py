"""How long a failed attempt waits before the next, as BullMQ reckons it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

YEAR_MS = 365 * 86_400_000


def delay_ms(backoff: Mapping[str, Any] | None, attempts_made: int) -> int | None:
    """Milliseconds before the next attempt, `attempts_made` having failed; None for a kind that this worker lacks.

    fixed: delay; exponential: delay · 2^(attempts_made - 1). Jitter 0.3 takes up to 30 % off, at random.
    """
    if backoff is None:
        return 0
    delay, kind = _number(backoff.get("delay")), backoff.get("type")
    if kind == "exponential":
        delay *= 2 ** min(attempts_made - 1, 60)
    elif kind != "fixed":
        return None
    jitter = min(_number(backoff.get("jitter")), 1.0)
    return int(min(round(delay - random.random() * delay * jitter), YEAR_MS))  # noqa: S311


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return 0.0
    return float(min(value, YEAR_MS))
