"""Tags of the overview alone: {% load overview %}."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.moments import rough
from dashboard.pages.overview.choosing import Choice
from dashboard.pages.overview.tree import Group
from dashboard.pages.queue import rates, rows, sentences
from dashboard.presentation import dashboard_options
from queues.models import Queue
from queues.options.dashboard import QueueView
from queues.states import State

register = template.Library()
_NOTHING = format_html('<span class="zero">{}</span>', "–")


@register.simple_tag
def presented(queue: Queue) -> QueueView:
    """How the settings present it: title, description."""
    return dashboard_options().queue(queue.name)


@register.simple_tag(takes_context=True)
def redis_url(context: Context) -> str:
    return links.redis_url(context.get("connection") or links.DEFAULT_CONNECTION)


@register.simple_tag(takes_context=True)
def check_url(context: Context) -> str:
    return links.check_url(context.get("connection") or links.DEFAULT_CONNECTION)


@register.simple_tag(takes_context=True)
def drawn_rows(context: Context, queues: Iterable[Queue]) -> SafeString:
    """The rows of these queues, one after the other."""
    now = context.get("now")
    return format_html_join("", "{}", ((rows.drawn("queue/row.html", queue, now),) for queue in queues))


@register.simple_tag
def nav_rows(queues: Iterable[Queue], here: str = "") -> SafeString:
    """The queues at the side of every page, of which one may be the page's own."""
    plain, own = '<li data-name="{}">{}</li>', '<li data-name="{}" aria-current="page">{}</li>'
    lines = (
        (format_html(own if queue.name == here else plain, queue.name, rows.drawn("queue/nav_item.html", queue)),)
        for queue in queues
    )
    return format_html_join("\n", "{}", lines)


@register.simple_tag
def column(columns: dict[str, Any], name: str) -> Any:
    return columns[name]


@register.simple_tag
def fold_url(choice: Choice, group: Group) -> str:
    """The address with this group the other way round; script does without it."""
    closed = sorted(choice.closed ^ {group.path}) or [""]
    return choice.url(closed=closed)


@register.simple_tag
def bar(queue: Queue) -> SafeString:
    """The rectangles of a queue's proportion bar, each a link to its jobs. The counts say and lead to the same, so
    neither keyboard nor reader is led through the bar too.
    """
    parts = (
        (
            links.queue_url(queue.connection, queue.name, status=part.state.value),
            part.state.value,
            part.x,
            part.width,
            f"{queue.count(part.state):,} {part.state.label.lower()}",
        )
        for part in sentences.segments(queue)
    )
    shape = '<a href="{}" tabindex="-1"><rect class="s-{}" x="{}" width="{}" height="8"><title>{}</title></rect></a>'
    return format_html_join("", shape, parts)


@register.simple_tag
def state_cells(queue: Queue) -> SafeString:
    """The cells of a queue's counts: seven in each of hundreds of rows, and as a template five times as slow."""
    return format_html_join("\n", "{}", ((_cell(queue, state, number),) for state, number in queue.counts.items()))


def _cell(queue: Queue, state: State, number: int) -> SafeString:
    if not number:
        zero = '<td class="num c-{0}" role="cell"><span class="zero" data-n="{0}" data-value="0">0</span></td>'
        return format_html(zero, state.value)
    return format_html(
        '<td class="num c-{0} s-{0}" role="cell" data-label="{1}">'
        '<a class="n" data-n="{0}" data-value="{2}" href="{3}">{4}</a></td>',
        state.value,
        state.label.lower(),
        number,
        links.queue_url(queue.connection, queue.name, status=state.value),
        f"{number:,}",
    )


@register.simple_tag
def pulse_cells(queue: Queue) -> SafeString:
    """The last hour as a line, and what follows from it: rate, share that failed, time to drain."""
    rate, failing, drain = rates.pace(queue), rates.failure_rate(queue), rates.drain_ms(queue)
    share: SafeString | str = rates.percent(failing) if failing is not None else _NOTHING
    bad = " s-failed state" if rates.is_failing(queue) else " quiet"
    cell = '<td class="num {}" role="cell" data-label="{}">{}</td>'
    return format_html_join(
        "\n",
        "{}",
        (
            (format_html('<td class="c-line" role="cell">{}</td>', _line(queue)),),
            (format_html(cell, "quiet c-rate", "", rate or _NOTHING),),
            (format_html(cell, f"c-failing{bad}", _("failing"), share),),
            (format_html(cell, "quiet c-drain", _("to drain"), _NOTHING if drain is None else rough(drain)),),
        ),
    )


def _line(queue: Queue) -> SafeString | str:
    found = rates.line(queue)
    if found is None:
        return ""
    failed = format_html('<path class="s-failed" d="{}"/>', found.failed) if found.failed else ""
    return format_html(
        '<svg class="line" viewBox="0 0 60 16" preserveAspectRatio="none" role="img" aria-label="{0}">'
        '<title>{0}</title><path d="{1}"/>{2}</svg>',
        found.words,
        found.ended,
        failed,
    )
