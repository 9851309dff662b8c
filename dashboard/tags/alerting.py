"""Addresses of alerts: {% load alerting %}."""

from __future__ import annotations

from django import template
from django.template import Context

from dashboard import links

register = template.Library()


@register.simple_tag(takes_context=True)
def alerts_url(context: Context, **query: object) -> str:
    """{% alerts_url action="silence" %}"""
    return links.alerts_url(str(query.pop("connection", None) or context.get("connection") or "default"), **query)


@register.simple_tag(takes_context=True)
def alert_url(context: Context, number: int, **query: object) -> str:
    return links.alert_url(str(context.get("connection") or "default"), number, **query)
