"""Figures, times and sentences for templates: {% load figures %}. Nothing here reads; nothing raises for odd data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.template import Context
from django.utils.dateformat import format as date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard import moments
from dashboard.choices import DEFAULT, Choices
from dashboard.pages.job import attempts
from dashboard.pages.job import timeline as told
from dashboard.pages.queue import rows, sentences
from queues.models import AuditEntry, Job, Queue
from queues.moments import exact, iso
from queues.states import State, job_actions

register = template.Library()


@register.simple_tag(takes_context=True)
def when(context: Context, value: Any, tell: str = "ago") -> SafeString | str:
    """A <time> that toril.js keeps ticking. `tell`: ago, age (no “ago”), clock, exact (with milliseconds)."""
    ms = moments.as_ms(value)
    at = None if ms is None else exact(ms)
    if ms is None or at is None:
        return "" if ms is None else str(ms)
    # What is pushed or kept for all is drawn without a viewer: then as for one who chose nothing.
    choices = context.get("choices") or DEFAULT
    return format_html(
        '<time datetime="{}" data-time="{}" title="{} UTC">{}</time>',
        iso(at),
        tell,
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1_000:03d}",
        _told(ms, at, tell, moments.as_ms(context.get("now")), choices),
    )


def _told(ms: int, at: datetime, tell: str, now: int | None, choices: Choices) -> str:
    now = moments.now_ms() if now is None else now
    if tell == "age":
        return moments.rough(max(now - ms, 0))
    if tell == "ago" and not choices.is_absolute:
        return moments.relative(ms, now)
    return _written(at, tell, choices, now)


def _written(at: datetime, tell: str, choices: Choices, now: int) -> str:
    """The day and time in the chosen zone and format, with the zone's name: only script knows the browser's. A clock
    of today needs no day.
    """
    there = at.astimezone(choices.tzinfo)
    time = date_format(there, choices.time_format)
    if tell == "exact":
        time = _with_thousandths(time, there.microsecond // 1_000)
    today = exact(now)
    is_today = today is not None and there.date() == today.astimezone(choices.tzinfo).date()
    day = "" if tell == "clock" and is_today else f"{date_format(there, choices.date_format)} "
    return f"{day}{time} {there:%Z}"


def _with_thousandths(time: str, ms: int) -> str:
    """`2:02:11 PM` → `2:02:11.045 PM`."""
    digits = time.rstrip("APMapm. ")
    return f"{digits}.{ms:03d}{time[len(digits) :]}"


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


@register.simple_tag(takes_context=True)
def drawn(context: Context, template: str, queue: Queue) -> SafeString:
    """A queue's fragment, kept until one of its values is another: `queue/row.html`, `queue/nav_item.html`."""
    return rows.drawn(template, queue, context.get("now"))


@register.filter
def count(queue: Queue, state: State) -> int:
    return queue.count(state)


@register.filter
def troubles(queue: Queue) -> list[sentences.Trouble]:
    return sentences.troubles(queue)


@register.filter
def is_deserted(queue: Queue) -> bool:
    return sentences.is_deserted(queue)


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


@register.filter
def ready(queue: Queue) -> int:
    """Its jobs that could run now."""
    return queue.waiting + queue.prioritized


@register.filter
def took(entry: AuditEntry) -> str:
    """From when it was asked to when it was through."""
    return moments.span(int((entry.closed_at - entry.at).total_seconds() * 1000)) if entry.closed_at else ""
