"""Addresses of API keys: {% load keys %}."""

from __future__ import annotations

from django import template
from django.template import Context

from dashboard import links

register = template.Library()


@register.simple_tag(takes_context=True)
def keys_url(context: Context, **query: object) -> str:
    return links.keys_url(str(context.get("connection") or links.DEFAULT_CONNECTION), **query)


@register.simple_tag(takes_context=True)
def new_key_url(context: Context) -> str:
    return links.new_key_url(str(context.get("connection") or links.DEFAULT_CONNECTION))
