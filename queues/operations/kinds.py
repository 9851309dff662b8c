"""The actions an operation can do: data that forms, rights and the engine ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from queues.errors import InvalidInput
from queues.operations.target import Kind, Target
from queues.producer.checks import queue_name
from queues.states import JOB_ACTIONS, State

#: BullMQ's bounds of a priority; 0 is none.
LARGEST_PRIORITY = 2_097_151
_AT_REST = JOB_ACTIONS["remove"] - {State.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Action:
    """`needed` is what one must be allowed to do on each queue; `legal` the states in which it makes sense."""

    name: str
    #: “Retry”, “retried”, as messages to translate.
    order: Any
    past: Any
    needed: str
    legal: frozenset[State]
    #: It takes jobs out of Redis: what it takes is kept for undo.
    removes: bool = False
    is_destructive: bool = False


_ALL = (
    Action("retry", gettext_lazy("Retry"), gettext_lazy("retried"), "job.retry", JOB_ACTIONS["retry"]),
    Action("promote", gettext_lazy("Promote"), gettext_lazy("promoted"), "job.promote", JOB_ACTIONS["promote"]),
    Action("remove", gettext_lazy("Remove"), gettext_lazy("removed"), "job.remove", _AT_REST, True, True),
    Action("clean", gettext_lazy("Remove"), gettext_lazy("removed"), "queue.clean", _AT_REST, True, True),
    Action(
        "move",
        gettext_lazy("Move"),
        gettext_lazy("moved"),
        "job.move",
        _AT_REST - {State.WAITING_CHILDREN},
        True,
    ),
    Action(
        "reprioritize",
        gettext_lazy("Change the priority of"),
        gettext_lazy("given another priority"),
        "job.reprioritize",
        JOB_ACTIONS["reprioritize"],
    ),
    Action("restore", gettext_lazy("Restore"), gettext_lazy("restored"), "job.restore", frozenset()),
)
ACTIONS: Mapping[str, Action] = {one.name: one for one in _ALL}


def action_of(name: str) -> Action:
    """Raises InvalidInput."""
    if name not in ACTIONS:
        raise InvalidInput(_("There is no action “%(action)s” for many jobs.") % {"action": name[:60]})
    return ACTIONS[name]


def needed_for(name: str, target: Target) -> tuple[str, ...]:
    """What one must be allowed to do on every queue it touches: actions for `grants.on(queue).may(…)`."""
    if name == "retry" and State.COMPLETED in (target.states or ACTIONS["retry"].legal):
        return ("job.retry", "job.retry-completed")
    return (action_of(name).needed,)


def needed_elsewhere(name: str, parameters: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The same for queues that it touches beside those of its jobs, as (queue, action)."""
    return ((str(parameters.get("queue", "")), "job.add"),) if name == "move" else ()


def checked(name: str, target: Target, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """The parameters as they are kept. Raises InvalidInput for an action that these jobs or parameters do not fit."""
    action, given = action_of(name), dict(parameters or {})
    if (name == "restore") is not (target.kind is Kind.STORED):
        raise InvalidInput(_("Only what an operation removed can be restored."))
    for state in target.states:
        if state not in action.legal and name != "restore":
            told = {"state": state.label, "what": action.past}
            raise InvalidInput(_("%(state)s jobs cannot be %(what)s.") % told)
    if name == "move":
        return {"queue": _other_queue(given.get("queue"), target)}
    if name == "reprioritize":
        return {"priority": _priority(given.get("priority"))}
    if name == "retry":
        return {"reset_attempts": True} if given.get("reset_attempts") else {}
    return {}


def _other_queue(given: Any, target: Target) -> str:
    if not isinstance(given, str) or not given.strip():
        raise InvalidInput(_("Say which queue they are to be moved to."))
    if target.queues == (queue_name(given),):
        raise InvalidInput(_("They are in this queue already."))
    return given


def _priority(given: Any) -> int:
    try:
        number = int(given)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= LARGEST_PRIORITY:
        raise InvalidInput(
            _("A priority is a whole number from 1 (first) to %(most)s (last), or 0 for none.")
            % {"most": f"{LARGEST_PRIORITY:,}"}
        )
    return number
