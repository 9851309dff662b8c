"""The sentences of bulk work: what it asks before, and what it says after."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext, ngettext_lazy

from queues.actions.counting import Count
from queues.states import State

VERBS = {
    "retry-all": (gettext_noop("Retry"), gettext_noop("retried")),
    "promote-all": (gettext_noop("Promote"), gettext_noop("promoted")),
    "clean": (gettext_noop("Remove"), gettext_noop("removed")),
    "drain": (gettext_noop("Remove"), gettext_noop("removed")),
}
_NONE = {
    "retried": gettext_noop("There are no %(what)s jobs%(older)s to retry."),
    "promoted": gettext_noop("There are no %(what)s jobs%(older)s to promote."),
    "removed": gettext_noop("There are no %(what)s jobs%(older)s to remove."),
}
_ASKED = {
    "retried": ngettext_lazy(
        "Retry %(number)s %(what)s job%(held)s%(older)s.", "Retry %(number)s %(what)s jobs%(held)s%(older)s.", "count"
    ),
    "promoted": ngettext_lazy(
        "Promote %(number)s %(what)s job%(held)s%(older)s.",
        "Promote %(number)s %(what)s jobs%(held)s%(older)s.",
        "count",
    ),
    "removed": ngettext_lazy(
        "Remove %(number)s %(what)s job%(held)s%(older)s.",
        "Remove %(number)s %(what)s jobs%(held)s%(older)s.",
        "count",
    ),
}
_TOLD = {
    "retried": ngettext_lazy("%(number)s %(what)s job retried", "%(number)s %(what)s jobs retried", "count"),
    "promoted": ngettext_lazy("%(number)s %(what)s job promoted", "%(number)s %(what)s jobs promoted", "count"),
    "removed": ngettext_lazy("%(number)s %(what)s job removed", "%(number)s %(what)s jobs removed", "count"),
}


def question(action: str, state: State, counted: Count, grace_ms: int) -> str:
    """“Remove 37 failed jobs older than 1 hour.”"""
    done = VERBS[action][1]
    told = {
        "what": _what(action, state),
        "older": _(" older than %(span)s") % {"span": span(grace_ms)} if grace_ms else "",
        "held": _(" that no worker holds") if state is State.ACTIVE else "",
        "number": f"{counted.count:,}",
        # Of “at least one of many” the rest is not known: the plural holds.
        "count": 2 if counted.is_least else counted.count,
    }
    if not counted.count and not counted.is_least:
        return _(_NONE[done]) % told
    if counted.is_least:
        told["number"] = _("at least %(count)s of %(total)s") % {
            "count": f"{counted.count:,}",
            "total": f"{counted.total:,}",
        }
    return f"{_ASKED[done] % told}{_stays(action, counted)}"


def report(action: str, state: State, done: int, skipped: int, reasons: tuple[str, ...]) -> str:
    """“37 failed jobs retried, 2 skipped (it is in another state now)”"""
    said = _TOLD[VERBS[action][1]] % {"number": f"{done:,}", "what": _what(action, state), "count": done}
    if not skipped:
        return said
    told = {"said": said, "count": f"{skipped:,}", "why": "; ".join(reasons)}
    return (_("%(said)s, %(count)s skipped (%(why)s)") if reasons else _("%(said)s, %(count)s skipped")) % told


def _stays(action: str, counted: Count) -> str:
    """What one might expect to go, and does not."""
    said = " " + _("Delayed and active jobs stay.") if action == "drain" else ""
    if counted.scheduled:
        stay = ngettext(
            "%(count)s job stays: it is the next run of a scheduler.",
            "%(count)s jobs stay: they are the next runs of schedulers.",
            counted.scheduled,
        )
        said += f" {stay % {'count': f'{counted.scheduled:,}'}}"
    return said


def _what(action: str, state: State) -> str:
    return _("waiting and prioritized") if action == "drain" else state.label.lower()


def span(ms: int) -> str:
    """A whole number of the largest unit that divides it."""
    for size, words in (
        (86_400_000, ngettext_lazy("%(count)s day", "%(count)s days", "n")),
        (3_600_000, ngettext_lazy("%(count)s hour", "%(count)s hours", "n")),
        (60_000, ngettext_lazy("%(count)s minute", "%(count)s minutes", "n")),
    ):
        if ms >= size and ms % size == 0:
            return str(words % {"n": ms // size, "count": f"{ms // size:,}"})
    seconds = f"{ms / 1000:,g}"
    return ngettext("%(count)s second", "%(count)s seconds", 1 if ms == 1000 else 2) % {"count": seconds}
