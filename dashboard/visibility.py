"""Rows in SQL that a person may see: their grants as a condition, so that what is hidden is not even counted."""

from __future__ import annotations

import re

from django.db.models import Q

from dashboard.grants import DEFAULT_CONNECTION, Grants, Pattern
from queues.abilities import ACTIONS
from queues.options import get_options
from queues.options.values import LOCAL_CONNECTION

NOTHING = Q(pk__in=())
_SIGNS = {"*": r"(.|\n)*", "?": r"(.|\n)"}


def rows_for(grants: Grants, action: str, queue: str = "queue") -> Q:
    """The rows whose `connection` and `queue` (the column's name) this person sees and may do this to.

    A row of no queue is about the whole site: for those alone who may do it on every queue.
    """
    needed = {"view", ACTIONS[action]}
    asked = Q()
    for ability in needed - grants.abilities:
        asked &= _any_of([pattern for pattern in grants.patterns if ability in pattern.abilities], queue)
    return asked


def _any_of(patterns: list[Pattern], queue: str) -> Q:
    found = NOTHING
    for pattern in patterns:
        names = _connections(pattern)
        found |= Q(connection__in=names) & Q(**{f"{queue}__regex": _regex(pattern.queue)}) & ~Q(**{queue: ""})
    return found


def _connections(pattern: Pattern) -> list[str]:
    known = {DEFAULT_CONNECTION: DEFAULT_CONNECTION, LOCAL_CONNECTION: DEFAULT_CONNECTION}
    known |= {name: name for name in get_options().connections}
    return [name for name, told in known.items() if pattern.fits_connection(told)]


def _regex(pattern: str) -> str:
    """For Python's engine (SQLite) and PostgreSQL's alike; LIKE would take no notice of case on SQLite."""
    return r"\A" + "".join(_SIGNS.get(sign) or re.escape(sign) for sign in re.sub(r"\*+", "*", pattern)) + r"\Z"
