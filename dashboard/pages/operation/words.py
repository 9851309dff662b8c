"""An operation in words: what is done to how many jobs, which jobs are meant, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.moments import rough
from dashboard.pages.listing.filtering import in_words
from queues.models import Operation
from queues.operations import Kind, Target

_ORDERS = {
    "retry": gettext_lazy("Retry %(jobs)s"),
    "promote": gettext_lazy("Promote %(jobs)s"),
    "remove": gettext_lazy("Remove %(jobs)s"),
    "clean": gettext_lazy("Remove %(jobs)s"),
    "move": gettext_lazy("Move %(jobs)s"),
    "reprioritize": gettext_lazy("Change the priority of %(jobs)s"),
    "restore": gettext_lazy("Restore %(jobs)s"),
}
_ALL = {
    "retry": gettext_lazy("Retry all"),
    "promote": gettext_lazy("Promote all"),
    "remove": gettext_lazy("Remove all"),
    "clean": gettext_lazy("Remove all"),
    "move": gettext_lazy("Move all"),
    "reprioritize": gettext_lazy("Change the priority of all"),
    "restore": gettext_lazy("Restore all"),
}
NAMED = 4


def order(action: str, target: Target, count: int, is_least: bool = False) -> str:
    """“Retry 200,000 failed jobs”"""
    return str(_ORDERS[action]) % {"jobs": jobs(target, count, is_least)}


def jobs(target: Target, count: int, is_least: bool = False) -> str:
    """“200,000 failed jobs”"""
    told = {"count": f"{count:,}", "state": _states(target)}
    if is_least:
        told["count"] = _("at least %(count)s") % told
    if told["state"]:
        return ngettext("%(count)s %(state)s job", "%(count)s %(state)s jobs", count) % told
    return ngettext("%(count)s job", "%(count)s jobs", count) % told


def every(action: str) -> str:
    """“Retry all”: for a button whose number is not known."""
    return str(_ALL[action])


def _states(target: Target) -> str:
    if target.kind is Kind.STORED:
        return ""
    return _(" and ").join(state.label.lower() for state in target.states)


def places(queues: Sequence[str]) -> str:
    """“chat, mail and 3 more”"""
    named, more = ", ".join(queues[:NAMED]), len(queues) - NAMED
    if more > 0:
        return _("%(named)s and %(count)s more") % {"named": named, "count": f"{more:,}"}
    return named


def meant(target: Target, may_read: bool = True) -> str:
    """Which jobs, beside their queue and state: what they fit, what found them. Empty: all of them."""
    if target.kind is Kind.FILTER and target.filter:
        if target.filter.text and not may_read:
            return _("that fit a filter which your account may not read")
        return ", ".join(in_words(target.filter))
    if target.kind is Kind.SEARCH:
        if not may_read:
            return _("that a search found which your account may not read")
        return _("that the search “%(query)s” finds") % {"query": target.query[:400]}
    if target.kind is Kind.GROUP:
        return _("of the group of failures #%(number)s") % {"number": target.of}
    if target.kind is Kind.STORED:
        return _("that operation %(number)s removed") % {"number": target.of}
    return _("chosen one by one") if target.kind is Kind.IDS else ""


def details(action: str, parameters: Mapping[str, Any]) -> str:
    """“to the queue “mail-2””; where its name may not be told, to another."""
    if action == "move":
        to = parameters.get("queue", "")
        return _("to the queue “%(queue)s”") % {"queue": to} if to else _("to another queue")
    if action == "reprioritize":
        number = int(parameters.get("priority", 0))
        return _("to %(priority)s") % {"priority": f"{number:,}"} if number else _("to none")
    return _("their attempts begin anew") if parameters.get("reset_attempts") else ""


def title(row: Operation, parameters: Mapping[str, Any]) -> str:
    """“Move 200,000 failed jobs to …”; where they are not all counted, of as many as were expected. `parameters` are
    its own as far as they may be told.
    """
    target = Target.from_json(row.target)
    count = row.total if row.is_collected or row.is_over else max(row.expected, row.total)
    said, more = order(row.action, target, count), details(row.action, parameters)
    return f"{said} {more}" if more and row.action in ("move", "reprioritize") else said


def standing(row: Operation, leads: bool) -> str:
    """How it stands, in a sentence that changes only when something happens: it is said aloud."""
    if row.phase == Operation.Phase.DONE:
        return _("Done.")
    if row.phase == Operation.Phase.CANCELLED:
        return _("Cancelled.")
    if row.phase == Operation.Phase.PAUSED:
        return _("Stopped by itself.") if row.stopped_itself else _("Paused.")
    if not leads:
        return _("It waits for a mirror: none runs.")
    return _("Running.") if row.is_collected else _("Noting down which jobs are meant; none is touched yet.")


def outlook(row: Operation, now_ms: int) -> str:
    """“about 40 s left”, “took 12 s”."""
    if row.is_over and row.ended_at:
        began = row.started_at or row.created_at
        return _("It took %(span)s.") % {"span": _span((row.ended_at - began).total_seconds())}
    if row.remaining_s is not None:
        return _("About %(span)s left.") % {"span": _span(row.remaining_s)}
    return ""


def _span(seconds: float) -> str:
    return rough(int(seconds * 1000)) if seconds >= 1 else _("less than a second")


def pace(row: Operation) -> str:
    """“at most 10 a second, stops when more than 20 % fail again”"""
    parts = []
    if row.rate_per_s is not None:
        parts.append(_("at most %(rate)s a second") % {"rate": f"{row.rate_per_s:,g}"})
    if row.stop_percent is not None:
        parts.append(_("stops when more than %(percent)s %% fail again") % {"percent": f"{row.stop_percent:g}"})
    return ", ".join(parts)
