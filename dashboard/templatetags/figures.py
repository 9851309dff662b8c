"""Figures, times and sentences for templates: {% load figures %}. Nothing here reads; nothing raises for odd data."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard import moments
from dashboard.pages import attempts, sentences
from dashboard.pages import timeline as told
from queues.models import Job, Queue
from queues.states import State, job_actions

register = template.Library()


@register.simple_tag(takes_context=True)
def when(context: Context, value: Any, tell: str = "ago") -> SafeString | str:
    """A <time> that toril.js keeps ticking. `tell`: ago, age (no “ago”), clock, exact (with milliseconds)."""
    ms = moments.as_ms(value)
    at = None if ms is None else moments.exact(ms)
    if ms is None or at is None:
        return "" if ms is None else str(ms)
    return format_html(
        '<time datetime="{}" data-time="{}" title="{} UTC">{}</time>',
        at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        tell,
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1_000:03d}",
        _told(ms, at, tell, moments.as_ms(context.get("now"))),
    )


def _told(ms: int, at: Any, tell: str, now: int | None) -> str:
    now = moments.now_ms() if now is None else now
    if tell == "age":
        return moments.rough(max(now - ms, 0))
    if tell == "clock":
        return f"{at:%H:%M:%S} UTC"
    if tell == "exact":
        return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1_000:03d} UTC"
    return moments.relative(ms, now)


@register.filter
def size(value: Any) -> str:
    """Bytes as people read them: `820 B`, `64 KB`, `5.2 MB`."""
    if not isinstance(value, int):
        return ""
    if value < 1024:
        return f"{value} B"
    for unit in ("KB", "MB"):
        value /= 1024
        if value < 1000 or unit == "MB":
            break
    return f"{value:,.0f} {unit}" if value >= 10 or value == int(value) else f"{value:.1f} {unit}"


@register.filter
def count(queue: Queue, state: State) -> int:
    return queue.count(state)


@register.filter
def troubles(queue: Queue) -> list[sentences.Trouble]:
    return sentences.troubles(queue)


@register.filter
def segments(queue: Queue) -> list[sentences.Segment]:
    return sentences.segments(queue)


@register.filter
def in_words(queue: Queue) -> str:
    return sentences.in_words(queue)


@register.filter
def rate(queue: Queue) -> str:
    return sentences.rate(queue)


@register.filter
def jobs(value: int) -> str:
    return sentences.jobs(value)


@register.filter
def waited(job: Job) -> int | None:
    return told.waited_ms(job)


@register.filter
def ran(job: Job) -> int | None:
    return told.ran_ms(job)


@register.filter
def failures(job: Job) -> list[attempts.Failure]:
    return attempts.failures(job)


@register.filter
def actions(job: Job) -> tuple[str, ...]:
    """The actions that make sense in its state."""
    return job_actions(job.state_enum)
