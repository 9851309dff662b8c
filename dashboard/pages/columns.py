"""Each state's list has its own cells, in a folder of its own: a new state is a new folder and a line here."""

from __future__ import annotations

from dataclasses import dataclass

from queues.states import State

#: How many cells stand between a job's name and its buttons.
WIDTHS = {
    State.WAITING: 3,
    State.PRIORITIZED: 3,
    State.ACTIVE: 4,
    State.DELAYED: 4,
    State.FAILED: 6,
    State.COMPLETED: 5,
    State.WAITING_CHILDREN: 2,
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the templates. `width` counts the state's own cells, `rest` all that follow the id."""

    head: str
    cells: str
    empty: str
    width: int

    @classmethod
    def of(cls, state: State) -> Columns:
        folder = f"queue/columns/{state.value}"
        return cls(f"{folder}/head.html", f"{folder}/cells.html", f"{folder}/empty.html", WIDTHS[state])

    @property
    def rest(self) -> int:
        return self.width + 2
