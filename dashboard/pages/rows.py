"""Rendered fragments of queues, each kept until one of its queue's values changes: hundreds are on every page."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from dashboard import moments
from queues.models import Queue

#: So many fragments are kept; a site with more queues draws them anew, which costs time and nothing else.
MOST = 10_000

_kept: dict[tuple[str, str, str], tuple[tuple[Any, ...], SafeString]] = {}


def drawn(template: str, queue: Queue, now: Any = None) -> SafeString:
    """The template drawn for this queue, `now` being the moment its ages are told from."""
    place, values = (template, queue.connection, queue.name), _values(queue, now)
    kept = _kept.get(place)
    if kept is not None and kept[0] == values:
        return kept[1]
    if len(_kept) >= MOST:
        _kept.clear()
    html = render_to_string(template, {"queue": queue, "now": now})
    _kept[place] = (values, html)
    return html


def _values(queue: Queue, now: Any) -> tuple[Any, ...]:
    """Everything the fragment may say; the age as it is told, for that is how often it changes."""
    now_ms = moments.as_ms(now) or moments.now_ms()
    age = moments.rough(now_ms - queue.oldest_waiting_ms) if queue.oldest_waiting_ms else ""
    return (age, *(value for name, value in vars(queue).items() if name != "_state"))
