"""A place in a fleet."""

from __future__ import annotations

from queues.worker.supervision.offspring import Offspring

#: A child that lived so long was well: its successor starts at once.
WELL_S = 5.0
LONGEST_PAUSE_S = 30.0


class Slot:
    """`successor` is on its way to be the `child`; `is_over`: a burst has ended here."""

    def __init__(self) -> None:
        self.child: Offspring | None = None
        self.successor: Offspring | None = None
        self.failures = 0
        self.not_before = 0.0
        self.is_over = False

    def pause_s(self, lived_s: float) -> float:
        """How long to wait after the death of a child that lived so long."""
        self.failures = 0 if lived_s >= WELL_S else self.failures + 1
        return min(2.0 ** (self.failures - 1), LONGEST_PAUSE_S) if self.failures else 0.0
