"""A search with another state or another time: what the links beside a result lead to. Text in, text out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from queues.states import LISTED

#: A term is what stands between spaces, a phrase in quotes included.
_TERM = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^\s"])+')
SPANS = ("1h", "24h", "7d", "30d")


@dataclass(frozen=True, slots=True)
class Way:
    """To the same search with this; `is_here` where it is so now."""

    label: str
    query: str
    css: str = ""
    is_here: bool = False


def terms(query: str) -> list[str]:
    return _TERM.findall(query)


def told(query: str, key: str) -> str:
    """What the query says of this key; empty for nothing."""
    found = [term for term in terms(query) if term.lower().startswith(f"{key}:")]
    return found[-1].partition(":")[2] if found else ""


def with_term(query: str, key: str, value: str) -> str:
    """The query with this and no other term of the key; `value` empty for none."""
    kept = [term for term in terms(query) if not term.lower().startswith(f"{key}:")]
    return " ".join([*kept, f"{key}:{value}"] if value else kept)


def by_state(query: str) -> list[Way]:
    return list(
        _ways(query, "state", _("any state"), [(s.value, str(s.label).lower(), f"state s-{s}") for s in LISTED])
    )


def by_time(query: str) -> list[Way]:
    labels = {"1h": _("last hour"), "24h": _("24 h"), "7d": _("7 days"), "30d": _("30 days")}
    return list(_ways(query, "since", _("any time"), [(span, labels[span], "") for span in SPANS]))


def _ways(query: str, key: str, any_of_them: str, known: list[tuple[str, str, str]]) -> Iterator[Way]:
    here = told(query, key).lower().split(",")
    yield Way(any_of_them, with_term(query, key, ""), is_here=here == [""])
    for value, label, css in known:
        yield Way(label, with_term(query, key, value), css, is_here=value in here)
