"""A week of retention within minutes: the clock by which the mirror forgets runs ahead; nobody else's does."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from types import SimpleNamespace

from django.utils import timezone

WEEK_S = 7 * 86_400.0


def hurry(week_s: float) -> None:
    """From now on a week passes for retention in `week_s` seconds, and its rounds begin each few seconds."""
    from queues.mirror import failures, history, prune

    began = time.time()

    def ahead_s() -> float:
        return (time.time() - began) * (WEEK_S / week_s - 1)

    def now() -> datetime:
        return timezone.now() + timedelta(seconds=ahead_s())

    clock = SimpleNamespace(time=lambda: time.time() + ahead_s(), monotonic=time.monotonic)
    for module, names in (
        (prune, {"timezone": SimpleNamespace(now=now), "EVERY_S": 2.0, "MEASURE_EVERY_S": 10.0}),
        (history, {"time": clock, "ROUND_EVERY_S": 20.0}),
        (failures, {"time": clock}),
    ):
        for name, value in names.items():
            assert hasattr(module, name), f"{module.__name__} has no {name}"
            setattr(module, name, value)
