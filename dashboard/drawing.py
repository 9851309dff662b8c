"""Pages and fragments from our own templates, by an engine of our own: in a host's project neither its templates and
tags take the place of ours, nor ours of its.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pkgutil import iter_modules
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.template import Template
from django.template.backends.django import DjangoTemplates
from django.utils.safestring import SafeString

from dashboard import hosting, tags

OPTIONS: Mapping[str, Any] = {
    "context_processors": [
        "django.template.context_processors.request",
        "django.contrib.messages.context_processors.messages",
        "dashboard.context.dashboard",
    ],
    "libraries": {each.name: f"dashboard.tags.{each.name}" for each in iter_modules(tags.__path__)},
}


@cache
def engine() -> DjangoTemplates:
    return DjangoTemplates({"NAME": "toril", "DIRS": [hosting.TEMPLATES], "APP_DIRS": False, "OPTIONS": {**OPTIONS}})


def render_to_string(
    template: str, context: Mapping[str, Any] | None = None, request: HttpRequest | None = None
) -> SafeString:
    # Django's own, which only its types call plain text.
    return cast(SafeString, engine().get_template(template).render(dict(context or {}), request))


def render(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    content_type: str | None = None,
    status: int | None = None,
) -> HttpResponse:
    return HttpResponse(render_to_string(template, context, request), content_type, status)


def from_string(text: str) -> Template:
    """A template of ours that is no file."""
    return engine().engine.from_string(text)
