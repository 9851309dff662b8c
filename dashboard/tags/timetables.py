"""Schedulers and flows for templates: addresses, and what their rules and states are called. {% load timetables %}"""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.cron_words import cron_words, every_words
from queues.lookups.scheduler import Scheduler, Standing
from queues.lookups.turns import coming as next_runs
from queues.masking import mask_text
from queues.protocol.cron import Change, Moment
from queues.protocol.reads.schedulers import Run
from queues.protocol.scheduling import Schedule

register = template.Library()


@register.simple_tag(takes_context=True)
def schedulers_url(context: Context, **query: object) -> str:
    return links.schedulers_url(_connection(context), **query)


@register.simple_tag(takes_context=True)
def scheduler_url(context: Context, queue: str, scheduler_id: str, **query: object) -> str:
    return links.scheduler_url(_connection(context), queue, scheduler_id, **query)


@register.simple_tag(takes_context=True)
def flows_url(context: Context, **query: object) -> str:
    return links.flows_url(_connection(context), **query)


@register.simple_tag(takes_context=True)
def flow_url(context: Context, queue: str, job_id: str, **query: object) -> str:
    return links.flow_url(_connection(context), queue, job_id, **query)


def _connection(context: Context) -> str:
    return str(context.get("connection") or links.DEFAULT_CONNECTION)


@register.filter
def rule_words(rule: Schedule) -> str:
    """When it runs, in words; the pattern itself where words could be wrong."""
    if rule.pattern:
        return cron_words(rule.pattern) or rule.pattern
    return every_words(rule.every_ms) if rule.every_ms else _("no rule")


@register.filter
def has_words(rule: Schedule) -> bool:
    """Whether the pattern could be said: it stands beside its words then."""
    return bool(rule.pattern and cron_words(rule.pattern))


@register.filter
def standing_words(one: Scheduler) -> str:
    return {
        Standing.SCHEDULED: _("scheduled"),
        Standing.RUNNING: _("running"),
        Standing.LATE: _("late"),
        Standing.STUCK: _("stuck"),
        Standing.OVER: _("over"),
        Standing.PAUSED: _("paused"),
        Standing.RETURNED: _("runs in spite of its pause"),
        Standing.LEGACY: _("of BullMQ 5"),
    }[one.standing]


#: Standing → the state whose colour it has; the others are ink.
_COLOURS = {
    Standing.SCHEDULED: "delayed",
    Standing.RUNNING: "active",
    Standing.LATE: "waiting",
    Standing.RETURNED: "waiting",
    Standing.STUCK: "failed",
}


@register.filter
def standing_colour(one: Scheduler) -> str:
    return _COLOURS.get(one.standing, "unknown")


@register.filter
def change_words(change: Change | None) -> str:
    """What a change of the clock does to a run; empty for an ordinary one."""
    if change is Change.LEFT_OUT:
        return _("the clock is put forward over its time: it runs as much later")
    if change is Change.FIRST:
        return _("the clock is put back and this time comes twice: it runs the first time only")
    return _("the clock is put back: it runs in the repeated hour, too") if change is Change.BOTH else ""


@register.filter
def left_of(one: Scheduler) -> str:
    """How many jobs it has made, and of how many."""
    made, limit = one.schedule.iterations, one.schedule.limit
    return f"{made:,}" if limit is None else _("%(made)s of %(limit)s") % {"made": f"{made:,}", "limit": f"{limit:,}"}


@register.filter
def coming(one: Scheduler) -> list[Moment]:
    """Its next five runs."""
    return next_runs(one)


@register.filter
def started_late(run: Run) -> int | None:
    """How long after its moment it began, in ms."""
    return max(run.processed_on_ms - run.due_ms, 0) if run.processed_on_ms and run.due_ms else None


@register.filter
def ran_for(run: Run) -> int | None:
    """How long it ran, in ms."""
    return max(run.finished_on_ms - run.processed_on_ms, 0) if run.finished_on_ms and run.processed_on_ms else None


@register.filter
def masked(text: str) -> str:
    return mask_text(text)
