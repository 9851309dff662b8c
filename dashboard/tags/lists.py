"""The lines and heads of a list of jobs: {% load lists %}. Drawn in Python, for there are hundreds of them."""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from dashboard import links
from dashboard.pages.listing.cells import Teller, error_line
from dashboard.pages.listing.columns import Column
from dashboard.pages.listing.state import REVERSE, Listing
from dashboard.presentation import formatted
from queues.models import Job, Queue
from queues.states import State

register = template.Library()
NAME_CHARS = 300
#: Stands for a job's id where buttons are drawn for all.
ANY_ID = "x7anyjobx"


@register.simple_tag(takes_context=True)
def teller_of(context: Context) -> Teller:
    """{% teller_of as teller %}: what the cells must know of the viewer, looked up once for all lines."""
    known = {"choices": context.get("choices"), "now": context.get("now_ms")}
    return Teller(context["asked"].may_read, Context(known))


@register.simple_tag(takes_context=True)
def job_cells(context: Context, job: Job) -> SafeString:
    """Everything of a job's line but its buttons. Context: asked, columns, teller."""
    columns, teller = context["columns"], context["teller"]
    ticks = context["asked"].doable
    to = links.job_url(job.connection, job.queue, job.job_id)
    parts = [_tick(job, teller) if ticks else format_html('<td class="tick">{}</td>', ""), _id(job, to, teller)]
    parts.append(_name(job, to, teller.may_read))
    if job.exists:
        parts += [column.cell(job, teller) for column in columns.shown]
    else:
        problem = "; ".join(job.problem_list) or _("its hash is gone")
        cell = '<td class="text" colspan="{}"><span class="clip bad">{}</span></td>'
        parts.append(format_html(cell, max(columns.width, 1), problem))
    return format_html_join("", "{}", ((part,) for part in parts))


@register.simple_tag(takes_context=True)
def row_buttons(context: Context, job: Job) -> SafeString:
    """job/row_buttons.html for this job. It differs from line to line by the job's id alone, so it is drawn once for
    each state; as a template it took half the time of a page. Context: teller, can, back.
    """
    if job.job_id in links.NO_SEGMENT or job.queue in links.NO_SEGMENT:
        return _drawn_buttons(context, job)
    drawn: dict[str, str] = context["teller"].drawn
    if job.state not in drawn:
        anyone = Job(connection=job.connection, queue=job.queue, state=job.state, job_id=ANY_ID)
        html = _drawn_buttons(context, anyone).replace("{", "{{").replace("}", "}}")
        drawn[job.state] = html.replace(f"/{ANY_ID}?", "/{0}?").replace(ANY_ID, "{1}")
    return format_html(drawn[job.state], links.segment(job.job_id), job.job_id)


def _drawn_buttons(context: Context, job: Job) -> SafeString:
    found = context.template.engine.get_template("job/row_buttons.html")  # type: ignore[union-attr]
    with context.push(job=job):
        return found.render(context)


def _tick(job: Job, teller: Teller) -> SafeString:
    return format_html(
        '<td class="tick"><input type="checkbox" name="id" value="{}" form="selection" autocomplete="off" data-pick'
        ' aria-label="{}"></td>',
        job.job_id,
        teller.say(gettext_noop("Select job %(id)s")) % {"id": job.job_id},
    )


def _id(job: Job, to: str, teller: Teller) -> SafeString:
    expand = links.queue_url(job.connection, job.queue, status=job.state, expand=job.job_id)
    return format_html(
        '<td class="mono id"><a class="chevron" href="{0}" hx-get="{1}" hx-target="closest tr" hx-swap="afterend"'
        ' aria-expanded="false" aria-label="{2}" data-expand></a><a href="{0}">{3}</a></td>',
        to,
        expand,
        teller.say(gettext_noop("Details of job %(id)s")) % {"id": job.job_id},
        job.job_id,
    )


def _name(job: Job, to: str, may_read: bool) -> SafeString:
    shown = formatted(job.queue, "name", job.name)[:NAME_CHARS] or "–"
    link = format_html('<a href="{}">{}</a>', to, shown)
    return format_html('<td class="name">{}{}</td>', link, _tags(job, may_read))


def _tags(job: Job, may_read: bool) -> SafeString:
    told: list[tuple[str, str, str]] = []
    if job.scheduler_id:
        told.append(("", _("by scheduler %(id)s") % {"id": job.scheduler_id[:NAME_CHARS]}, _("scheduled")))
    if job.deferred_failure:
        reason = error_line(Job(failed_reason=job.deferred_failure)) if may_read else ""
        told.append((" bad", reason, _("will fail")))
    if job.stalled_count:
        said = _("stalled %(count)s") % {"count": f"{job.stalled_count:,}"}
        told.append(("", _("lost its worker"), said))
    return format_html_join("", ' <span class="tag{}" title="{}">{}</span>', told)


@register.simple_tag(takes_context=True)
def listing_url(context: Context, **query: object) -> str:
    """This list's own address, with more: {% listing_url action="selected" %}. Context: asked, queue."""
    asked: Listing = context["asked"]
    return asked.url(context["queue"], query)


@register.simple_tag(takes_context=True)
def unfiltered_url(context: Context) -> str:
    asked: Listing = context["asked"]
    return asked.unfiltered.url(context["queue"])


@register.simple_tag(takes_context=True)
def name_head(context: Context) -> SafeString:
    """The words in the head of the names, a link that sorts by them."""
    asked: Listing = context["asked"]
    if asked.is_latest:
        return format_html("{}", _("Name"))
    to = asked.sorted_by("-name" if asked.sort == "name" else "name").url(context["queue"])
    return format_html('<a href="{}">{}</a>', to, _("Name"))


@register.simple_tag(takes_context=True)
def column_head(context: Context, column: Column) -> SafeString:
    """A column's head, a link where the list can be sorted by it. Context: asked, queue, status."""
    asked, queue = context["asked"], context["queue"]
    label = _ended_label(asked.status) if column.name == "finished" else column.label
    sort, order = _order(asked, column)
    if sort is None:
        return format_html('<th scope="col" class="{}">{}</th>', column.css, label)
    return format_html(
        '<th scope="col" class="{}"{}><a href="{}">{}</a></th>',
        column.css,
        format_html(' aria-sort="{}"', order) if order else "",
        _address(asked, queue, sort),
        label,
    )


def _address(asked: Listing, queue: Queue, sort: str) -> str:
    return asked.sorted_by(sort).url(queue)


def _ended_label(state: State) -> str:
    return {State.FAILED: _("Failed"), State.COMPLETED: _("Completed")}.get(state, _("Ended"))


def _order(asked: Listing, column: Column) -> tuple[str | None, str]:
    """What a click sorts by next (None: it cannot), and how the list is sorted by this column now."""
    if asked.is_latest:
        return None, ""
    if column.name == _own(asked.status):
        is_own = asked.sort in ("", REVERSE)
        falls = asked.status.is_finished is not asked.is_reversed
        return (REVERSE if asked.sort == "" else ""), ("descending" if falls else "ascending") if is_own else ""
    if not column.sort:
        return None, ""
    if asked.sort_column != column.sort:
        return (column.sort if column.name in ("error", "worker") else f"-{column.sort}"), ""
    is_falling = asked.sort.startswith("-")
    return (column.sort if is_falling else f"-{column.sort}"), "descending" if is_falling else "ascending"


def _own(state: State) -> str:
    """The column in whose order Redis keeps the state."""
    if state.is_finished:
        return "finished"
    return {State.DELAYED: "due", State.PRIORITIZED: "priority"}.get(state, "")
