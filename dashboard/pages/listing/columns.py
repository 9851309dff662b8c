"""The columns of a list of jobs: which there are, which each state shows by itself, and which a browser has chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from dashboard.pages.listing import cells
from dashboard.pages.listing.cells import Teller
from queues.models import Job
from queues.states import State

#: The cookie in which rows.js keeps what a browser chose: `failed.error.attempts~waiting.added`.
COOKIE = "toril_columns"
LONGEST_COOKIE = 2_000


@dataclass(frozen=True, slots=True)
class Column:
    """`css` is the class of its cells; `sort` what its head sorts by, empty for nothing."""

    name: str
    label: str | Promise
    cell: Callable[[Job, Teller], SafeString]
    css: str = ""
    sort: str = ""
    #: Whether it shows something of what a producer wrote.
    is_payload: bool = False


COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column("state", _("State"), cells.state),
        Column("error", _("Error"), cells.error, "wide", "error", is_payload=True),
        Column("why", _("Why"), cells.why, "wide"),
        Column("due", _("Due"), cells.due, "num"),
        Column("priority", _("Priority"), cells.priority, "num", "priority"),
        Column("attempts", _("Attempt"), cells.attempts, "", "attempts"),
        Column("progress", _("Progress"), cells.progress, "num minor", "progress", is_payload=True),
        Column("delay", _("Delay"), cells.delay, "num minor", "delay"),
        Column("waited", _("Waited"), cells.waited, "num minor", "waited"),
        Column("ran", _("Ran"), cells.ran, "num minor", "ran"),
        Column("worker", _("Worker"), cells.worker, "minor", "worker"),
        Column("scheduler", _("Scheduler"), cells.scheduler, "minor"),
        Column("started", _("Started"), cells.started, "num", "started"),
        Column("finished", _("Ended"), cells.finished, "num"),
        Column("added", _("Added"), cells.added, "num", "added"),
        Column("touched", _("Last moved"), cells.touched, "num"),
    )
}
_RAN = ("attempts", "progress", "waited", "ran", "worker")
#: Tab → the columns it shows by itself.
DEFAULTS: Mapping[str, tuple[str, ...]] = {
    State.FAILED: ("error", *_RAN, "finished"),
    State.COMPLETED: (*_RAN, "finished"),
    State.ACTIVE: ("worker", "attempts", "progress", "waited", "started"),
    State.WAITING: ("attempts", "delay", "added"),
    State.PRIORITIZED: ("priority", "attempts", "added"),
    State.DELAYED: ("due", "why", "attempts", "added"),
    State.WAITING_CHILDREN: ("attempts", "progress", "added"),
    "latest": ("state", "error", "attempts", "ran", "worker", "touched"),
}
_ALWAYS = ("attempts", "progress", "delay", "priority", "scheduler", "added")
_STARTED = ("error", "waited", "ran", "worker", "started")
#: Tab → the columns it can show, in their order.
CHOICES: Mapping[str, tuple[str, ...]] = {
    tab: tuple(
        name
        for name in COLUMNS
        if name in shown
        or name in _ALWAYS
        or (name in _STARTED and tab not in (State.WAITING, State.PRIORITIZED, State.DELAYED, State.WAITING_CHILDREN))
    )
    for tab, shown in DEFAULTS.items()
}


@dataclass(frozen=True, slots=True)
class Columns:
    """What a list shows, left to right, beside a job's id, name and buttons."""

    tab: str
    shown: tuple[Column, ...]
    offered: tuple[Column, ...]

    @property
    def empty(self) -> str:
        """The template with the sentence for a list without jobs."""
        return f"queue/columns/{self.tab}/empty.html"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.shown)

    @property
    def is_default(self) -> bool:
        return self.names == tuple(column.name for column in self.offered if column.name in DEFAULTS[self.tab])

    @property
    def width(self) -> int:
        """How many cells stand between a job's name and its buttons."""
        return len(self.shown)

    @classmethod
    def of(cls, state: State) -> Columns:
        """Those that the state shows by itself."""
        return chosen(state.value, None, True)

    @property
    def rest(self) -> int:
        """How many follow the id."""
        return self.width + 2


def chosen(tab: str, names: Sequence[str] | None, may_read: bool) -> Columns:
    """The named columns, as far as this tab has them and this person may read them; by itself where none is named."""
    # Only what is known: what is kept by it is not to grow with what addresses say.
    return _chosen(tab, None if names is None else tuple(name for name in names if name in COLUMNS), may_read)


@lru_cache(maxsize=512)
def _chosen(tab: str, names: tuple[str, ...] | None, may_read: bool) -> Columns:
    offered = tuple(COLUMNS[name] for name in CHOICES[tab] if may_read or not COLUMNS[name].is_payload)
    wanted = DEFAULTS[tab] if names is None else names
    return Columns(tab, tuple(column for column in offered if column.name in wanted), offered)


def kept_choice(cookies: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What the cookie says, tab by tab; whatever it should not say is passed over."""
    kept = cookies.get(COOKIE, "")
    if not kept or len(kept) > LONGEST_COOKIE:
        return {}
    choices = (part.split(".") for part in kept.split("~"))
    return {tab: tuple(name for name in names if name in COLUMNS) for tab, *names in choices if tab in DEFAULTS}
