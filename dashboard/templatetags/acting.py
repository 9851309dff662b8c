"""What templates about acting need: {% load acting %}."""

from __future__ import annotations

from typing import Any

from django import template

from dashboard.pages.ways_back import WayBack, from_tags

register = template.Library()


@register.filter
def kind(notice: Any) -> str:
    """`done`, `bad`, or nothing."""
    return from_tags(str(_of(notice, "tags")))[0]


@register.filter
def way_back(notice: Any) -> WayBack | None:
    """How what was said can be undone; None where it cannot."""
    given = notice.get("undo") if isinstance(notice, dict) else None
    return given or from_tags(str(_of(notice, "tags")))[1]


def _of(notice: Any, name: str) -> Any:
    return notice.get(name, "") if isinstance(notice, dict) else getattr(notice, name, "")
