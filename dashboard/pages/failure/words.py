"""A group of failures in words and lines: its title with the places where values stood, its standing, its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from queues.lookups.failures import Line
from queues.models import FailureCause, FailureEvent
from queues.models.failure import Status

_PLACE = re.compile(r"<(url|email|id|time|ip|path|n)>")
#: The small chart's box, and the large one's.
SMALL, LARGE = (120, 20), (900, 96)


def message(cause: FailureCause) -> SafeString:
    """The message, each place where jobs differ drawn as one."""
    parts = _PLACE.split(cause.message)
    told = ((part,) if at % 2 == 0 else (_hole(part),) for at, part in enumerate(parts))
    return format_html_join("", "{}", told)


def _hole(kind: str) -> SafeString:
    words = {
        "n": _("number"), "id": _("id"), "url": _("address"), "path": _("path"), "time": _("moment"),
        "email": _("e-mail"), "ip": _("IP address"),
    }  # fmt: skip
    return format_html('<i class="hole" title="{}">{}</i>', _("differs from job to job"), words[kind])


def plain(cause: FailureCause | None) -> str:
    """In one line, for titles."""
    if cause is None:
        return ""
    return ": ".join(part for part in (cause.kind, cause.message) if part) or _("Failed without a reason")


def columns(counts: Sequence[int], box: tuple[int, int] = SMALL) -> str:
    """An SVG path of columns; what is not nought is at least a pixel high."""
    width, height = box
    top, step = max(counts, default=0), width / max(len(counts), 1)
    parts = []
    for at, count in enumerate(counts):
        if count:
            high = max(1.0, (height - 1) * count / top)
            parts.append(f"M{at * step:.1f} {height}v-{high:.1f}h{step * 0.8:.1f}v{high:.1f}z")
    return "".join(parts)


def summary(line: Line, window: str) -> str:
    """What the columns show."""
    count = ngettext("%(count)s failure", "%(count)s failures", line.count) % {"count": f"{line.count:,}"}
    return _("%(count)s in the last %(window)s, at most %(top)s in a column") % {
        "count": count,
        "window": window,
        "top": f"{max(line.columns, default=0):,}",
    }


def standing(line: Line) -> str:
    """`resolved by ana`; its moment stands behind."""
    who = line.group.status_by
    if line.status is Status.RESOLVED:
        return _("resolved by %(who)s") % {"who": who}
    if line.status is Status.IGNORED:
        return _("ignored by %(who)s") % {"who": who}
    if line.status is Status.REGRESSED:
        return _("failed again after it was resolved")
    return _("reopened by %(who)s") % {"who": who} if who else _("open")


def event(told: FailureEvent) -> str:
    """What happened to a group, in a few words; notes stand by themselves."""
    words = {
        "resolved": _("resolved it"),
        "ignored": _("chose to ignore it"),
        "reopened": _("opened it again"),
        "regressed": _("It failed again after it was resolved"),
        "assigned": _("gave it to %(text)s") % {"text": told.text} if told.text else _("took it from whoever had it"),
        "merged": _("merged %(text)s into it") % {"text": told.text},
        "split": _("split %(text)s off") % {"text": told.text} if told.text else _("told its values apart"),
        "noted": _("wrote"),
    }
    return words.get(told.kind, told.kind)
