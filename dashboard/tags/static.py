"""`{% static "css/parts.css" %}`: a file of ours, under whatever name this site's static files know it."""

from __future__ import annotations

from django import template
from django.templatetags.static import StaticNode

from dashboard import hosting

register = template.Library()


class OurFile(StaticNode):
    @classmethod
    def handle_simple(cls, path: str) -> str:
        return super().handle_simple(hosting.static_name(path))


register.tag("static", OurFile.handle_token)
