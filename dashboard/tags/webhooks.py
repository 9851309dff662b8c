"""Addresses of webhooks: {% load webhooks %}."""

from __future__ import annotations

from django import template
from django.template import Context

from dashboard import links

register = template.Library()


@register.simple_tag(takes_context=True)
def webhooks_url(context: Context, **query: object) -> str:
    return links.webhooks_url(_connection(context), **query)


@register.simple_tag(takes_context=True)
def new_webhook_url(context: Context) -> str:
    return links.new_webhook_url(_connection(context))


@register.simple_tag(takes_context=True)
def webhook_url(context: Context, number: int, **query: object) -> str:
    """{% webhook_url row.pk action="test" %}"""
    return links.webhook_url(_connection(context), number, **query)


def _connection(context: Context) -> str:
    return str(context.get("connection") or links.DEFAULT_CONNECTION)
