"""What time it is for a worker: this host's, unless that is far from Redis's; then Redis's, which all workers share."""

from __future__ import annotations

import time

#: From here on a host's clock is wrong rather than inexact.
OFF_MS = 5_000
#: Redis's clock minus this process's monotonic one; a worker process has one Redis. None: not known yet.
_offset_ms: float | None = None


def learn(offset_ms: float | None) -> None:
    """Redis's clock is so far from `time.monotonic`; None: nobody keeps it up to date any more."""
    global _offset_ms
    _offset_ms = offset_ms


def now_ms() -> int:
    """Neither a clock that stands wrong nor one that is set meanwhile (by more than 5 s) moves it."""
    here = time.time_ns() // 1_000_000
    if _offset_ms is None:
        return here
    there = round(time.monotonic() * 1000 + _offset_ms)
    return there if abs(here - there) > OFF_MS else here
