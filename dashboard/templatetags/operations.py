"""Addresses of bulk work: {% load operations %}."""

from __future__ import annotations

from django import template
from django.template import Context

from dashboard import links
from queues.states import parse_state

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


@register.filter
def state_word(told: str) -> str:
    """A state's label in a sentence; nothing where it is not known."""
    state = parse_state(told)
    return state.label.lower() if state else "–"
