"""Rendered fragments of queues, each kept until one of its queue's values changes: hundreds are on every page."""

from __future__ import annotations

from typing import Any

from django.utils.safestring import SafeString

from dashboard import moments
from dashboard.drawing import render_to_string
from queues.models import Queue

#: So many fragments are kept; a site with more queues draws them anew, which costs time and nothing else.
MOST = 10_000
#: These tell no age; of the others it changes as time goes by.
AGELESS = frozenset({"queue/nav_item.html"})

#: template, connection, queue → the object it was drawn for, how far its age was, everything it says, the fragment.
_kept: dict[tuple[str, str, str], tuple[Queue, int, tuple[Any, ...], SafeString]] = {}


def drawn(template: str, queue: Queue, now: Any = None) -> SafeString:
    """The template drawn for this queue, `now` being the moment its ages are told from."""
    place, step = (template, queue.connection, queue.name), _step(template, queue, now)
    kept = _kept.get(place)
    # An unchanged queue is the same object from one reading to the next: mostly there is nothing to compare.
    if kept is not None and kept[1] == step and kept[0] is queue:
        return kept[3]
    values = _values(queue)
    if kept is not None and kept[1:3] == (step, values):
        html = kept[3]
    else:
        html = render_to_string(template, {"queue": queue, "now": now})
    if len(_kept) >= MOST:
        _kept.clear()
    _kept[place] = (queue, step, values, html)
    return html


def _values(queue: Queue) -> tuple[Any, ...]:
    """Everything the fragment may say, but for ages."""
    return tuple(value for name, value in vars(queue).items() if name != "_state")


def _step(template: str, queue: Queue, now: Any) -> int:
    """Another number whenever the oldest job's age is told in another word."""
    if template in AGELESS or not queue.oldest_waiting_ms:
        return 0
    age = max(0, (moments.as_ms(now) or moments.now_ms()) - queue.oldest_waiting_ms)
    unit = next((each for each in (moments.DAY, moments.HOUR, moments.MINUTE) if age >= each), moments.SECOND)
    return age // unit * unit + unit
