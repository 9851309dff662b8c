"""Template tags and filters of the house: {% load toril %}."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard import hosting, links, moments
from dashboard.theme import PATH as THEME_PATH
from dashboard.theme import own_style_mark
from queues import masking
from queues.models import Job, Queue
from queues.moments import exact, iso

register = template.Library()


def _connection(context: Context, query: dict[str, object], thing: object = None) -> str:
    """The one asked for (`connection=name`), the thing's own, or the page's."""
    named = query.pop("connection", None) or getattr(thing, "connection", None) or context.get("connection")
    return str(named or links.DEFAULT_CONNECTION)


@register.simple_tag(takes_context=True)
def overview_url(context: Context, **query: object) -> str:
    return links.overview_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def queue_url(context: Context, queue: Queue | Job | str, **query: object) -> str:
    """{% queue_url queue status="failed" page=2 %}; takes a Queue, a Job (its queue), or a queue's name."""
    name = queue.name if isinstance(queue, Queue) else queue.queue if isinstance(queue, Job) else queue
    return links.queue_url(_connection(context, query, queue), str(name), **query)


@register.simple_tag(takes_context=True)
def job_url(context: Context, job: Job | str, job_id: str | None = None, **query: object) -> str:
    """{% job_url job action="retry" %}, or {% job_url queue_name job_id %}. A job that Redis has no longer is led to
    itself, whichever has its id now.
    """
    if isinstance(job, Job):
        if job.removed_at is not None and not job.is_local and job.timestamp_ms:
            query = {"added": job.timestamp_ms} | query
        return links.job_url(_connection(context, query, job), job.queue, job.job_id, **query)
    return links.job_url(_connection(context, query), str(job), str(job_id), **query)


@register.simple_tag(takes_context=True)
def metrics_url(context: Context, **query: object) -> str:
    return links.metrics_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def schedulers_url(context: Context, **query: object) -> str:
    return links.schedulers_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def failures_url(context: Context, **query: object) -> str:
    return links.failures_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def failure_url(context: Context, group: int, **query: object) -> str:
    """{% failure_url line.group.pk action="resolve" %}"""
    return links.failure_url(_connection(context, query), group, **query)


@register.simple_tag(takes_context=True)
def audit_page_url(context: Context, **query: object) -> str:
    return links.audit_page_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def workers_url(context: Context, **query: object) -> str:
    return links.workers_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def search_url(context: Context, **query: object) -> str:
    """{% search_url q="state:failed" %}"""
    return links.search_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def jump_url(context: Context, **query: object) -> str:
    return links.jump_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def settings_url(context: Context, **query: object) -> str:
    """Nothing there is of one connection; it is kept for the way back."""
    return links.settings_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def same_page_url(context: Context, connection: str) -> str:
    """The page that is open, of another connection; the list of what only this one has, or its overview."""
    path = context["request"].path.removeprefix(links.overview_url())
    return links.page_url(links.shared_page(path), connection)


@register.simple_tag
def theme_url() -> str:
    """The style that the settings add, or nothing."""
    mark = own_style_mark()
    return f"{links.site_root()}{THEME_PATH}?v={mark}" if mark else ""


@register.simple_tag
def site_picture(told: str, otherwise: str = "") -> str:
    """A logo or icon of the settings: an address on this site, or a static file."""
    return told if told.startswith("/") else static(told or hosting.static_name(otherwise))


@register.filter
def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@register.simple_tag(takes_context=True)
def sees(context: Context, queue: str) -> bool:
    """Whether this queue exists for whoever looks: {% sees parent.queue as is_seen %}."""
    grants = context.get("grants")
    return bool(grants and grants.sees(queue))


@register.simple_tag(takes_context=True)
def live_url(context: Context, queue: str | None = None, job: str | None = None, **query: object) -> str:
    """The socket's address: {% live_url %}, {% live_url queue.name %}, {% live_url job.queue job.job_id %}."""
    choices = context.get("choices")
    every = choices.every_s or None if choices else None
    return links.live_url(_connection(context, query), queue, job, every=every, **query)


@register.simple_tag(takes_context=True)
def live(context: Context, queue: str | None = None, job: str | None = None, **query: object) -> SafeString:
    """What keeps a page up to date, as attributes of its `#socket`: a socket, or asking where nothing is pushed."""
    if context.get("is_pushed", True):
        address = live_url(context, queue, job, **query)
        return format_html('hx-ws:connect="{}" hx-swap="none"', address)
    snapshot = context.get("snapshot")
    names = hosting.mark_of(each.name for each in snapshot.queues) if snapshot else None
    address = live_url(context, queue, job, names=names, **query)
    how = 'hx-get="{}" hx-trigger="every {}s" hx-swap="none" hx-indicator="#none" data-poll'
    return format_html(how, address, hosting.POLL_S)


@register.simple_tag
def records_url(thing: Queue | Job) -> str:
    """The mirror's rows of this queue's jobs, or of this job (ids come back, so there may be several)."""
    return _kept("job", thing)


@register.simple_tag
def audit_url(thing: Queue | Job) -> str:
    """Who did what to this queue or job, in Django's admin."""
    return _kept("auditentry", thing)


def _kept(model: str, thing: Queue | Job) -> str:
    if isinstance(thing, Job):
        return links.records_url(model, thing.connection, thing.queue, thing.job_id)
    return links.records_url(model, thing.connection, thing.name)


@register.simple_tag
def fragment_id(kind: str, *names: object) -> str:
    """{% fragment_id "queue-row" queue.name %}: safe as an id, in a selector and in a URL's fragment."""
    return links.fragment_id(kind, *(str(name) for name in names))


@register.filter
def duration(value: Any) -> str:
    """Milliseconds as a length of time; empty for what is no number."""
    ms = moments.as_ms(value)
    return "" if ms is None else moments.span(ms)


@register.filter
def ago(value: Any, now: Any = None) -> str:
    """A moment (epoch milliseconds or a datetime) seen from now: `3 min ago`."""
    ms = moments.as_ms(value)
    return "" if ms is None else moments.relative(ms, _now(now))


@register.filter
def age(value: Any, now: Any = None) -> str:
    """How long ago a moment was, without the word: `41 min`."""
    ms = moments.as_ms(value)
    return "" if ms is None else moments.rough(max(_now(now) - ms, 0))


@register.filter
def moment(value: Any, now: Any = None) -> SafeString | str:
    """A <time> that reads relatively and holds the exact moment; the bare number where no calendar reaches."""
    ms = moments.as_ms(value)
    if ms is None:
        return ""
    at = exact(ms)
    if at is None:
        return str(ms)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        iso(at),
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1_000:03d} UTC",
        moments.relative(ms, _now(now)),
    )


@register.filter
def thousands(value: Any) -> str:
    """12904 → `12,904`; anything else as it is."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _now(now: Any) -> int:
    given = moments.as_ms(now)
    return moments.now_ms() if given is None else given


@register.filter
def mask_text(value: Any) -> str:
    """Free text (an error, a stack, a log line) with its secrets masked; escaped as any text is."""
    return masking.mask_text(str(value))


@register.filter
def mask_json(value: Any) -> str:
    """Stored JSON with its secrets masked, all else as it is stored."""
    return masking.mask_json(str(value))
