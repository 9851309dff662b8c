"""Addresses of bulk work: {% load operations %}."""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.pages.operation.asking import BY_OPERATION
from queues.models import Queue
from queues.operations import ACTIONS
from queues.states import State, parse_state

register = template.Library()


@register.simple_tag(takes_context=True)
def operations_url(context: Context, **query: object) -> str:
    return links.operations_url(_connection(context, query), **query)


@register.simple_tag(takes_context=True)
def operation_url(context: Context, number: int, **query: object) -> str:
    """{% operation_url row.pk action="pause" %}"""
    return links.operation_url(_connection(context, query), number, **query)


@register.simple_tag(takes_context=True)
def new_operation_url(context: Context, **query: object) -> str:
    """{% new_operation_url do="retry" queue=queue.name state="failed" %}"""
    return links.new_operation_url(_connection(context, query), **query)


def _connection(context: Context, query: dict[str, object]) -> str:
    return str(query.pop("connection", None) or context.get("connection") or links.DEFAULT_CONNECTION)


@register.simple_tag(takes_context=True)
def more_acts(context: Context, queue: Queue, status: State) -> list[tuple[str, str]]:
    """{% more_acts queue status as more %}: what only an operation does to jobs in this state, as far as one may."""
    grants = context.get("grants")
    if queue.is_local or grants is None:
        return []
    words = {"move": _("Move…"), "reprioritize": _("Change priority…")}
    here = grants.on(queue.name)
    return [(do, words[do]) for do in BY_OPERATION if status in ACTIONS[do].legal and here.may(ACTIONS[do].needed)]


@register.simple_tag(takes_context=True)
def fitting_operation_url(context: Context, do: str) -> str:
    """About all that fit the filter of a queue's list. Context: queue, asked."""
    queue, asked = context["queue"], context["asked"]
    told = {"do": do, "queue": queue.name, "state": asked.status.value, **asked.said}
    return links.new_operation_url(queue.connection, **told)


@register.filter
def state_word(told: str) -> str:
    """A state's label in a sentence; nothing where it is not known."""
    state = parse_state(told)
    return state.label.lower() if state else "–"
