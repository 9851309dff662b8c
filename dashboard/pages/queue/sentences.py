"""What is wrong with a queue, said in whole sentences; and its figures as a bar."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.moments import DAY, HOUR, MINUTE, SECOND, span
from queues.models import Queue
from queues.protocol.ages import BULL
from queues.states import LISTED, State

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
        for trouble in (_broken(queue), _paused(queue), _deserted(queue), _limited(queue), _of_bull(queue))
        if trouble is not None
    ]


def _broken(queue: Queue) -> Trouble | None:
    if not queue.broken:
        return None
    return Trouble(
        "bad",
        _("broken"),
        _("Broken: %(why)s. BullMQ cannot work on this queue until the key is mended.")
        % {"why": queue.broken.rstrip(".")},
        True,
    )


def _paused(queue: Queue) -> Trouble | None:
    if not queue.is_paused:
        return None
    ready = queue.waiting + queue.prioritized
    waits = ngettext(
        "Paused: %(count)s job waits until it is resumed.", "Paused: %(count)s jobs wait until it is resumed.", ready
    ) % {"count": f"{ready:,}"}
    return Trouble("", _("paused"), waits if ready else _("Paused: new jobs will wait."))


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
        why = _("%(jobs)s waiting and no processor here that takes them: write one in jobs.py of an installed app.")
        return Trouble("slow", _("no processor"), why % {"jobs": jobs(ready)}) if ready else None
    if not ready:
        why = _("%(jobs)s started, but no worker is connected to finish.") % {"jobs": jobs(queue.active)}
    else:
        why = _("%(jobs)s waiting and no worker connected: nothing runs until one is.") % {"jobs": jobs(ready)}
    return Trouble("slow", _("no workers"), why)


def _limited(queue: Queue) -> Trouble | None:
    if not is_limited(queue):
        return None
    told = {"left": span(queue.rate_limited_ms), "limit": rate(queue)}
    if told["limit"]:
        sentence = _("The next job starts within %(left)s: the rate limit (%(limit)s) is used up.") % told
    else:
        sentence = _("The next job starts within %(left)s: the rate limit is used up.") % told
    return Trouble("slow", _("limited"), sentence, is_told=True, is_passing=True)


def _of_bull(queue: Queue) -> Trouble | None:
    if queue.version != BULL:
        return None
    why = _("Made by Bull 3 or 4, the library before BullMQ: shown here, and changed by its own programs alone.")
    return Trouble("", _("look only"), why)


def rate(queue: Queue) -> str:
    """The queue's own limit, `10 per minute`; empty where it has none."""
    if not queue.rate_limit_max or not queue.rate_limit_duration_ms:
        return ""
    return _per(queue.rate_limit_duration_ms) % {
        "count": f"{queue.rate_limit_max:,}",
        "span": span(queue.rate_limit_duration_ms),
    }


def _per(duration_ms: int) -> str:
    whole = {
        SECOND: _("%(count)s per second"),
        MINUTE: _("%(count)s per minute"),
        HOUR: _("%(count)s per hour"),
        DAY: _("%(count)s per day"),
    }
    return whole.get(duration_ms) or _("%(count)s per %(span)s")


def jobs(count: int) -> str:
    return ngettext("%(count)s job", "%(count)s jobs", count) % {"count": f"{count:,}"}


def segments(queue: Queue) -> list[Segment]:
    """The proportions of the states that have jobs; together they fill the bar."""
    shares = [(state, count) for state, count in queue.counts.items() if count > 0]
    total = sum(count for _, count in shares)
    widths = [max(BAR_WIDTH * count / total, LEAST_WIDTH) for _, count in shares]
    scale = BAR_WIDTH / sum(widths) if widths else 1
    found, x = [], 0.0
    for (state, _count), width in zip(shares, widths, strict=True):
        found.append(Segment(state, f"{x:.1f}", f"{width * scale:.1f}"))
        x += width * scale
    return found


def in_words(queue: Queue) -> str:
    """`412 waiting, 5 active`; what the bar says to those who do not see it."""
    parts = [f"{queue.count(state):,} {state.label.lower()}" for state in LISTED if queue.count(state)]
    return ", ".join(parts) or _("no jobs")
