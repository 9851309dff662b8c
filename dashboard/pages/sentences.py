"""What is wrong with a queue, said in whole sentences; and its figures as a bar."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.moments import DAY, HOUR, MINUTE, SECOND, span
from queues.models import Queue
from queues.states import LISTED, State

_PERIODS = {SECOND: "second", MINUTE: "minute", HOUR: "hour", DAY: "day"}
#: The bar is this wide, in its own units; a state with one job in a million is still seen.
BAR_WIDTH, LEAST_WIDTH = 100.0, 3.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """`kind` is how bad: `bad`, `slow`, or nothing for what somebody wanted."""

    kind: str
    short: str
    sentence: str
    #: Whether one word is not enough even in a table.
    is_told: bool = False
    #: It comes and goes by itself, several times a minute: said where nothing moves for it.
    is_passing: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    state: State
    x: str
    width: str


def troubles(queue: Queue) -> list[Trouble]:
    """Everything that keeps this queue from running its jobs, worst first."""
    return [
        trouble
        for trouble in (_broken(queue), _paused(queue), _deserted(queue), _limited(queue))
        if trouble is not None
    ]


def _broken(queue: Queue) -> Trouble | None:
    if not queue.broken:
        return None
    return Trouble(
        "bad",
        "broken",
        f"Broken: {queue.broken.rstrip('.')}. BullMQ cannot work on this queue until the key is mended.",
        True,
    )


def _paused(queue: Queue) -> Trouble | None:
    if not queue.is_paused:
        return None
    ready = queue.waiting + queue.prioritized
    waits = f"{jobs(ready)} {'waits' if ready == 1 else 'wait'} until it is resumed" if ready else "new jobs will wait"
    return Trouble("", "paused", f"Paused: {waits}.")


def is_deserted(queue: Queue) -> bool:
    """Whether there is something to do and nobody to do it."""
    return queue.workers == 0 and not queue.is_paused and bool(queue.waiting + queue.prioritized + queue.active)


def is_limited(queue: Queue) -> bool:
    return queue.rate_limited_ms > 0 and not queue.is_paused and bool(queue.waiting + queue.prioritized)


def _deserted(queue: Queue) -> Trouble | None:
    ready = queue.waiting + queue.prioritized
    if not is_deserted(queue):
        return None
    if queue.is_local:
        why = f"{jobs(ready)} waiting and no processor here that takes them: write one in jobs.py of an installed app."
        return Trouble("slow", "no processor", why) if ready else None
    if not ready:
        return Trouble("slow", "no workers", f"{jobs(queue.active)} started, but no worker is connected to finish.")
    return Trouble("slow", "no workers", f"{jobs(ready)} waiting and no worker connected: nothing runs until one is.")


def _limited(queue: Queue) -> Trouble | None:
    if not is_limited(queue):
        return None
    limit = f" ({rate(queue)})" if rate(queue) else ""
    left = span(queue.rate_limited_ms)
    sentence = f"The next job starts within {left}: the rate limit{limit} is used up."
    return Trouble("slow", "limited", sentence, is_told=True, is_passing=True)


def rate(queue: Queue) -> str:
    """The queue's own limit, `10 per minute`; empty where it has none."""
    if not queue.rate_limit_max or not queue.rate_limit_duration_ms:
        return ""
    duration = queue.rate_limit_duration_ms
    return f"{queue.rate_limit_max:,} per {_PERIODS.get(duration) or span(duration)}"


def jobs(count: int) -> str:
    return f"{count:,} job" if count == 1 else f"{count:,} jobs"


def segments(queue: Queue) -> list[Segment]:
    """The proportions of the states that have jobs; together they fill the bar."""
    shares = [(state, count) for state, count in queue.counts.items() if count > 0]
    total = sum(count for _, count in shares)
    widths = [max(BAR_WIDTH * count / total, LEAST_WIDTH) for _, count in shares]
    scale = BAR_WIDTH / sum(widths) if widths else 1
    found, x = [], 0.0
    for (state, _), width in zip(shares, widths, strict=True):
        found.append(Segment(state, f"{x:.1f}", f"{width * scale:.1f}"))
        x += width * scale
    return found


def in_words(queue: Queue) -> str:
    """`412 waiting, 5 active`; what the bar says to those who do not see it."""
    parts = [f"{queue.count(state):,} {state.label.lower()}" for state in LISTED if queue.count(state)]
    return ", ".join(parts) or "no jobs"
