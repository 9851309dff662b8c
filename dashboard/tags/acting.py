"""What templates about acting need: {% load acting %}."""

from __future__ import annotations

from itertools import islice
from typing import Any

from django import template
from django.template import Context

from dashboard.pages.shell.ways_back import WayBack, from_tags

register = template.Library()
MOST_TARGETS = 200


@register.filter
def kind(notice: Any) -> str:
    """`done`, `bad`, or nothing."""
    return from_tags(str(_of(notice, "tags")))[0]


@register.filter
def way_back(notice: Any) -> WayBack | None:
    """How what was said can be undone; None where it cannot."""
    given = notice.get("undo") if isinstance(notice, dict) else None
    return given or from_tags(str(_of(notice, "tags")))[1]


@register.simple_tag(takes_context=True)
def copy_targets(context: Context) -> list[str]:
    """{% copy_targets as targets %}: of `queue_names` those to which this person may add jobs, and no endless list."""
    grants, names = context.get("grants"), context.get("queue_names") or []
    if grants is None:
        return []
    return list(islice((name for name in names if grants.on(name).may("job.add")), MOST_TARGETS))


def _of(notice: Any, name: str) -> Any:
    return notice.get(name, "") if isinstance(notice, dict) else getattr(notice, name, "")
