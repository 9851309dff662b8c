"""The lines of what a search found: {% load searches %}. Drawn in Python, as those of a queue's list are."""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard import links, moments
from dashboard.grants import Grants
from dashboard.pages.listing import cells
from dashboard.pages.listing.cells import Teller
from dashboard.presentation import formatted
from dashboard.tags.figures import when
from queues.models import Job

register = template.Library()
NAME_CHARS = 300


@register.simple_tag(takes_context=True)
def found_tick(context: Context, job: Job) -> SafeString:
    """An empty cell where nothing can be done: Redis has it no longer, or it is of another connection than the page.
    Context: acting, connection.
    """
    if job.removed_at is not None or job.connection != context["connection"] or not context["acting"]["doable"]:
        return format_html('<td class="tick">{}</td>', "")
    label = _("Select job %(id)s") % {"id": job.job_id}
    return format_html(
        '<td class="tick"><input type="checkbox" name="id" value="{}" form="selection" autocomplete="off" data-pick'
        ' aria-label="{}"></td>',
        key_of(job),
        label,
    )


@register.simple_tag(takes_context=True)
def found_cells(context: Context, job: Job) -> SafeString:
    """Everything of a found job's line but its tick. Context: grants, tellers, connections."""
    to = found_url(job)
    teller = _teller(context, job)
    parts = [
        format_html('<td class="mono id"><a href="{}" title="{}">{}</a></td>', to, job.job_id, job.job_id),
        _name(job, to),
        _where(job, len(context["connections"]) > 1),
        _state(context, job),
        cells.error(job, teller),
        cells.attempts(job, teller),
        cells.added(job, teller),
        cells.touched(job, teller),
    ]
    return format_html_join("", "{}", ((part,) for part in parts))


def found_url(job: Job) -> str:
    """To this incarnation, where Redis has it no more: another may have come under its id since."""
    added = None if job.removed_at is None or job.is_local else job.timestamp_ms
    return links.job_url(job.connection, job.queue, job.job_id, added=added)


@register.filter
def key_of(job: Job) -> str:
    """What a form says of a job: its queue and id, in which no line break stands as such."""
    return "/".join(map(links.segment, (job.connection, job.queue, job.job_id)))


def _teller(context: Context, job: Job) -> Teller:
    """For whom a line is drawn: what may be read differs from queue to queue."""
    tellers: dict[tuple[str, str], Teller] = context["tellers"]
    place = job.connection, job.queue
    if place not in tellers:
        grants: Grants = context["grants"]
        known = {"choices": context.get("choices"), "now": context.get("now_ms")}
        tellers[place] = Teller(grants.on(job.queue, job.connection).may("job.payload"), Context(known))
    return tellers[place]


def _name(job: Job, to: str) -> SafeString:
    shown = formatted(job.queue, "name", job.name)[:NAME_CHARS] or "–"
    return format_html('<td class="name"><a href="{}">{}</a></td>', to, shown)


def _where(job: Job, with_connection: bool) -> SafeString:
    to = links.queue_url(job.connection, job.queue)
    place = f"{job.connection} / {job.queue}" if with_connection else job.queue
    return format_html('<td class="where"><a href="{}" title="{}">{}</a></td>', to, place, place)


def _state(context: Context, job: Job) -> SafeString:
    label = job.state_enum.label.lower()
    if job.removed_at is None:
        return format_html('<td class="nowrap"><span class="state s-{}">{}</span></td>', job.state, label)
    told = format_html(_("removed {ago}"), ago=when(context, moments.as_ms(job.removed_at), "ago"))
    return format_html(
        '<td class="nowrap"><span class="state s-{}">{}</span> <span class="tag gone">{}</span></td>',
        job.state,
        label,
        told,
    )
