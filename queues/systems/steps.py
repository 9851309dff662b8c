"""What every sample does between its lines: say where it is, then take about as long as the real work would."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from queues.systems.faults import share


def line(level: str, text: str) -> str:
    """One log line: UTC time, level, text."""
    return f"{datetime.now(UTC):%H:%M:%S.%f}"[:-3] + f"Z {level} {text}"


def duration_s(job: Any, stage: str, seconds: float) -> float:
    """`seconds`, give or take 40 %, times the pace of the demonstration."""
    pace = float(getattr(settings, "TORIL_SYSTEMS_PACE", 1.0))
    return seconds * (0.6 + 0.8 * share(job.id, stage)) * pace


async def step(job: Any, stage: str, percent: int, seconds: float, text: str, **more: Any) -> None:
    """Report progress `{stage, percent, …}` and one line, then work for about `seconds`."""
    await job.progress({"stage": stage, "percent": percent, **more})
    await job.log(line("INFO", text))
    await asyncio.sleep(duration_s(job, stage, seconds))


def step_in_thread(job: Any, stage: str, percent: int, seconds: float, text: str, **more: Any) -> None:
    """The same for a plain function, which runs in a thread."""
    job.progress({"stage": stage, "percent": percent, **more})
    job.log(line("INFO", text))
    time.sleep(duration_s(job, stage, seconds))
