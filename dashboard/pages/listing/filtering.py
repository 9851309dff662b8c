"""A filter in the address ⇄ a value. Bad input narrows nothing and is named."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard.moments import DAY, HOUR, MINUTE, SECOND, span
from queues.lookups.filters import Filter

#: Parameters of the address; Bull Board and the door for odd names have taken `name` and `id`.
NAMES = ("job", "prefix", "attempts", "older", "newer", "text")
LONGEST = 200
#: Of a job that old nobody knows.
LONGEST_MS = 100 * 365 * DAY
_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_SPAN = re.compile(r"(\d{1,9}) ?([a-z]{1,3})", re.ASCII)
_COMPARED = re.compile(r"(>=|<=|=|≥|≤|) ?(\d{1,9})", re.ASCII)
_SIGNS = {"≥": ">=", "≤": "<=", "": "="}


def read_filter(query: QueryDict, complaints: list[str], may_read: bool = True) -> Filter:
    """What the address asks for. `may_read`: whether this person sees what jobs hold, and so may search it."""
    said = {name: _said(query, name, complaints) for name in NAMES}
    if said["text"] and not may_read:
        complaints.append(_("Your account may not read what jobs hold, so nothing is searched for in it."))
        said["text"] = ""
    return Filter(
        name=said["job"],
        id_prefix=said["prefix"],
        attempts=_compared(said["attempts"], complaints),
        older_ms=_span("older", said["older"], complaints),
        newer_ms=_span("newer", said["newer"], complaints),
        text=said["text"],
    )


def written(found: Filter) -> Mapping[str, str]:
    """The parameters that say this filter; those that say nothing are left out."""
    attempts = "".join(map(str, found.attempts)) if found.attempts else ""
    told = {
        "job": found.name,
        "prefix": found.id_prefix,
        "attempts": attempts,
        "older": span_text(found.older_ms),
        "newer": span_text(found.newer_ms),
        "text": found.text,
    }
    return {name: value for name, value in told.items() if value}


def span_text(ms: int | None) -> str:
    """`90min`, `2h`: the largest unit that says it whole."""
    if ms is None:
        return ""
    unit = next(unit for unit in ("d", "h", "min", "s", "ms") if ms % _UNITS[unit] == 0)
    return f"{ms // _UNITS[unit]}{unit}"


def _said(query: QueryDict, name: str, complaints: list[str]) -> str:
    value = query.get(name, "").replace("\0", "").strip()
    if len(value) <= LONGEST:
        return value
    complaints.append(_("“%(start)s…” is too long to filter by; it narrows nothing.") % {"start": value[:40]})
    return ""


def _compared(text: str, complaints: list[str]) -> tuple[str, int] | None:
    if not text:
        return None
    if (found := _COMPARED.fullmatch(text)) is None:
        complaints.append(
            _("“%(text)s” does not say how many attempts, as “>=3” or “2” would; it narrows nothing.")
            % {"text": text[:60]}
        )
        return None
    return _SIGNS.get(found[1], found[1]), int(found[2])


def _span(name: str, text: str, complaints: list[str]) -> int | None:
    if not text:
        return None
    found = _SPAN.fullmatch(text.lower())
    if found is None or found[2] not in _UNITS or int(found[1]) * _UNITS[found[2]] > LONGEST_MS:
        complaints.append(
            _("“%(text)s” is no length of time for %(name)s, as “30min” or “2d” would be; it narrows nothing.")
            % {"text": text[:60], "name": name}
        )
        return None
    return int(found[1]) * _UNITS[found[2]]


def in_words(found: Filter) -> list[str]:
    """Each part as a few words, for a sentence about the jobs that fit."""
    parts = []
    if found.name:
        parts.append(_("named like “%(name)s”") % {"name": found.name})
    if found.id_prefix:
        parts.append(_("whose id begins with “%(prefix)s”") % {"prefix": found.id_prefix})
    if found.attempts:
        sign = {">=": "≥", "<=": "≤"}.get(found.attempts[0], "=")
        parts.append(_("with attempts %(sign)s %(number)d") % {"sign": sign, "number": found.attempts[1]})
    if found.older_ms is not None:
        parts.append(_("older than %(span)s") % {"span": span(found.older_ms)})
    if found.newer_ms is not None:
        parts.append(_("newer than %(span)s") % {"span": span(found.newer_ms)})
    if found.text:
        parts.append(_("holding “%(text)s” in data or error") % {"text": found.text})
    return parts
