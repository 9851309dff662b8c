"""The sentences of bulk work: what it asks before, and what it says after."""

from __future__ import annotations

from queues.actions.counting import Count
from queues.states import State

VERBS = {
    "retry-all": ("Retry", "retried"),
    "promote-all": ("Promote", "promoted"),
    "clean": ("Remove", "removed"),
    "drain": ("Remove", "removed"),
}


def question(action: str, state: State, counted: Count, grace_ms: int) -> str:
    """“Remove 37 failed jobs older than 1 hour.”"""
    older = f" older than {_span(grace_ms)}" if grace_ms else ""
    if not counted.count and not counted.is_least:
        return f"There are no {_what(action, state)} jobs{older} to {VERBS[action][0].lower()}."
    number = f"at least {counted.count:,} of {counted.total:,}" if counted.is_least else f"{counted.count:,}"
    held = " that no worker holds" if state is State.ACTIVE else ""
    ending = "" if counted.count == 1 and not counted.is_least else "s"
    return f"{VERBS[action][0]} {number} {_what(action, state)} job{ending}{held}{older}.{_stays(action, counted)}"


def report(action: str, state: State, done: int, skipped: int, reasons: tuple[str, ...]) -> str:
    """“37 failed jobs retried, 2 skipped (it is in another state now)”"""
    said = f"{done:,} {_what(action, state)} job{'' if done == 1 else 's'} {VERBS[action][1]}"
    if skipped:
        said += f", {skipped:,} skipped" + (f" ({'; '.join(reasons)})" if reasons else "")
    return said


def _stays(action: str, counted: Count) -> str:
    """What one might expect to go, and does not."""
    said = " Delayed and active jobs stay." if action == "drain" else ""
    if counted.scheduled == 1:
        said += " 1 job stays: it is the next run of a scheduler."
    elif counted.scheduled:
        said += f" {counted.scheduled:,} jobs stay: they are the next runs of schedulers."
    return said


def _what(action: str, state: State) -> str:
    return "waiting and prioritized" if action == "drain" else state.label.lower()


def _span(ms: int) -> str:
    for unit, size in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000)):
        if ms >= size and ms % size == 0:
            return f"{ms // size:,} {unit}{'' if ms == size else 's'}"
    return f"{ms / 1000:,g} second{'' if ms == 1000 else 's'}"
