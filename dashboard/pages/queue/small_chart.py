"""A queue's last hour in one line: how many jobs a minute, how many fail, and a small chart of both."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from dashboard.pages.metrics.charts import path_of, text_of
from dashboard.pages.metrics.tables import percent
from queues.lookups.metrics import Pulse, pulses
from queues.models import Queue

WIDTH, HEIGHT = 180, 28


@dataclass(frozen=True, slots=True)
class Small:
    """Paths of an SVG of 180 × 28; the texts are empty where nothing was recorded, or nothing ended."""

    queue: str
    completed: str = ""
    failed: str = ""
    per_minute: str = ""
    failure: str = ""

    @property
    def summary(self) -> str:
        words = {"rate": self.per_minute or "–", "share": self.failure or "–"}
        return _("The last hour: %(rate)s jobs a minute now, %(share)s failed") % words


async def small_chart(queue: Queue) -> Small | None:
    """None where nothing of the queue was recorded within the hour."""
    pulse = (await pulses(queue.connection)).get(queue.name)
    return None if pulse is None else of_pulse(queue.name, pulse)


def of_pulse(queue: str, pulse: Pulse) -> Small:
    top = max((value or 0 for value in (*pulse.completed, *pulse.failed)), default=0)
    return Small(
        queue,
        path_of(pulse.completed, top, WIDTH, HEIGHT),
        path_of(pulse.failed, top, WIDTH, HEIGHT) if any(pulse.failed) else "",
        "" if pulse.per_s is None else text_of(pulse.per_s * 60, "n"),
        percent(pulse.failure_rate),
    )
