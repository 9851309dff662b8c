"""What a queue's last hour says: how fast, how well, how long until it is through; and its line as an SVG path."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from queues.lookups.metrics import Pulse
from queues.models import Queue

#: From here on a queue counts as failing: one in twenty of the last hour's jobs.
FAILING = 0.05
#: The line's box, in its own units: a minute is one wide.
HEIGHT, ROOM = 16.0, 1.0


def per_minute(queue: Queue) -> float | None:
    """Jobs that ended per minute, lately; None where nobody recorded any."""
    per_s = queue.pulse.per_s if queue.pulse else None
    return None if per_s is None else per_s * 60


def failure_rate(queue: Queue) -> float | None:
    """Of the last hour, 0 to 1; None where nothing ended."""
    return queue.pulse.failure_rate if queue.pulse else None


def is_failing(queue: Queue) -> bool:
    return (failure_rate(queue) or 0.0) >= FAILING


def drain_ms(queue: Queue) -> int | None:
    """Until what may run now has run, at the present rate; None where nothing waits, or nothing ends."""
    ready, per_s = queue.waiting + queue.prioritized, queue.pulse.per_s if queue.pulse else None
    return int(ready / per_s * 1000) if ready and per_s else None


def pace(queue: Queue) -> str:
    """`37/min`, `0.4/min`; empty where it is not known."""
    rate = per_minute(queue)
    if rate is None:
        return ""
    shown = f"{rate:,.0f}" if rate >= 10 or rate == int(rate) else f"{rate:.1f}"
    return _("%(rate)s/min") % {"rate": shown}


def percent(rate: float | None) -> str:
    """`2.1 %`; what is not nought is never shown as nought."""
    if rate is None:
        return ""
    if 0 < rate < 0.001:
        return "<0.1 %"
    return f"{rate:.0%}".replace("%", " %") if rate in (0.0, 1.0) or rate >= 0.1 else f"{rate * 100:.1f} %"


@dataclass(frozen=True, slots=True)
class Line:
    """Two SVG paths over sixty minutes, with gaps where nothing was recorded, and what they say in words."""

    ended: str
    failed: str
    words: str


def line(queue: Queue) -> Line | None:
    """None where nothing of the last hour is known."""
    pulse: Pulse | None = queue.pulse
    if pulse is None:
        return None
    ended = [_sum(done, failed) for done, failed in zip(pulse.completed, pulse.failed, strict=True)]
    if all(n is None for n in ended):
        return None
    top = max(n for n in ended if n is not None) or 1
    failed = sum(n or 0 for n in pulse.failed)
    words = _("%(ended)s jobs ended in the last hour, %(failed)s of them failed") % {
        "ended": f"{sum(n or 0 for n in ended):,}",
        "failed": f"{failed:,}",
    }
    return Line(_path(ended, top), _path(pulse.failed, top) if failed else "", words)


def _sum(done: int | None, failed: int | None) -> int | None:
    return None if done is None and failed is None else (done or 0) + (failed or 0)


def _path(values: list[int | None] | tuple[int | None, ...], top: int) -> str:
    steps, is_drawing = [], False
    for minute, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        y = HEIGHT - ROOM - (HEIGHT - 2 * ROOM) * value / top
        # A minute that stands alone is a dot: half a minute wide.
        is_alone = not is_drawing and (minute + 1 == len(values) or values[minute + 1] is None)
        steps.append(f"{'L' if is_drawing else 'M'}{minute} {y:.1f}" + ("h.5" if is_alone else ""))
        is_drawing = True
    return "".join(steps)
