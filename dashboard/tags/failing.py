"""Groups of failures for templates: {% load failing %}. Nothing here reads."""

from __future__ import annotations

from django import template

from dashboard.pages.failure import words as failure_words
from queues.lookups.failures import Line
from queues.models import FailureEvent

register = template.Library()
register.filter("message", failure_words.message)
register.filter("plain", failure_words.plain)


@register.filter
def standing(line: Line) -> str:
    return failure_words.standing(line)


@register.filter
def in_words(event: FailureEvent) -> str:
    return failure_words.event(event)


@register.filter
def columns(line: Line) -> str:
    return failure_words.columns(line.columns)


@register.filter
def large_columns(line: Line) -> str:
    return failure_words.columns(line.columns, failure_words.LARGE)


@register.simple_tag
def summary(line: Line, window: str) -> str:
    return failure_words.summary(line, window)
