"""The states a job can be in, and which action is legal in which. Advice for buttons; BullMQ's Lua decides."""

from enum import StrEnum

from django.utils.translation import gettext


def gettext_noop(message: str) -> str:
    """Marks it for translation. Django's own asks for settings, and this is imported where there are none yet."""
    return message


class State(StrEnum):
    """BullMQ's states under the names people read; `Keys.state_key` knows where each lies in Redis."""

    WAITING = "waiting"
    PRIORITIZED = "prioritized"
    ACTIVE = "active"
    DELAYED = "delayed"
    FAILED = "failed"
    COMPLETED = "completed"
    WAITING_CHILDREN = "waiting-children"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        """In the site's language, as a heading; in a sentence `.lower()`."""
        return gettext(_LABELS[self])

    @property
    def field(self) -> str:
        """The name of the count column and attribute: `waiting_children`."""
        return self.value.replace("-", "_")

    @property
    def is_finished(self) -> bool:
        return self in (State.COMPLETED, State.FAILED)


_LABELS = {
    State.WAITING: gettext_noop("Waiting"),
    State.PRIORITIZED: gettext_noop("Prioritized"),
    State.ACTIVE: gettext_noop("Active"),
    State.DELAYED: gettext_noop("Delayed"),
    State.FAILED: gettext_noop("Failed"),
    State.COMPLETED: gettext_noop("Completed"),
    State.WAITING_CHILDREN: gettext_noop("Waiting for children"),
    State.UNKNOWN: gettext_noop("Unknown"),
}

#: The order in which tabs and columns stand.
LISTED = (
    State.WAITING,
    State.ACTIVE,
    State.PRIORITIZED,
    State.DELAYED,
    State.FAILED,
    State.COMPLETED,
    State.WAITING_CHILDREN,
)

_READY = frozenset({State.WAITING, State.PRIORITIZED})
_AT_REST = frozenset(set(LISTED) - {State.ACTIVE})

#: job action → the states in which it makes sense. `fail` is what cancels a job that has not begun: it is failed in its
#: turn and not run; `cancel` ends one that runs.
JOB_ACTIONS: dict[str, frozenset[State]] = {
    "retry": frozenset({State.FAILED, State.COMPLETED}),
    "promote": frozenset({State.DELAYED}),
    "remove": _AT_REST | {State.UNKNOWN},
    "edit": _AT_REST,
    "duplicate": frozenset(LISTED),
    "reschedule": frozenset({State.DELAYED}),
    "reprioritize": _READY | {State.DELAYED},
    "fail": _READY | {State.DELAYED},
    "cancel": frozenset({State.ACTIVE}),
    "recover": frozenset({State.ACTIVE}),
    "remove-children": frozenset({State.WAITING_CHILDREN}),
    "clear-logs": frozenset(LISTED),
}

#: bulk action → the states it can be asked for.
BULK_ACTIONS: dict[str, frozenset[State]] = {
    "retry-all": frozenset({State.FAILED, State.COMPLETED}),
    "promote-all": frozenset({State.DELAYED}),
    "clean": frozenset({State.WAITING, State.PRIORITIZED, State.DELAYED, State.FAILED, State.COMPLETED, State.ACTIVE}),
    "drain": frozenset({State.WAITING, State.PRIORITIZED}),
}


def parse_state(text: str) -> State | None:
    """Bull Board's and BullMQ's spellings of a state (`wait`, `waiting`, `paused`, …), or None."""
    if text in ("wait", "paused"):
        return State.WAITING
    try:
        state = State(text)
    except ValueError:
        return None
    return None if state is State.UNKNOWN else state


def job_actions(state: State) -> tuple[str, ...]:
    """The actions that make sense for a job in this state."""
    return tuple(action for action, states in JOB_ACTIONS.items() if state in states)
