"""What a search may tell to whom, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from queues.models import Job

#: A queue by connection and name, as the rows have them (`known_queues`).
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """Which queues somebody sees, and of which also what jobs carry; None: all. A queue that is not seen is not there;
    where payloads are not, no part of a search finds anything in them.
    """

    queues: frozenset[Place] | None = None
    payloads: frozenset[Place] | None = None

    def sees(self, connection: str, queue: str) -> bool:
        return self.queues is None or (connection, queue) in self.queues

    def reads(self, connection: str, queue: str) -> bool:
        is_read = self.payloads is None or (connection, queue) in self.payloads
        return is_read and self.sees(connection, queue)


class Key(NamedTuple):
    """One incarnation of a job."""

    connection: str
    queue: str
    job_id: str
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first, by when something last happened to each. `after` goes on from here, None at the end; with
    `is_least` the `total` is a lower bound. `lag_s` is how far what was searched is behind, None where that has no
    meaning; `searched` is a sentence that says what was.
    """

    jobs: Sequence[Job] = field(default_factory=tuple)
    after: str | None = None
    total: int | None = None
    is_least: bool = False
    lag_s: float | None = None
    searched: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`text` is the whole line with this suggestion taken; `label` is what was added, `kind` says what it is:
    `field`, `queue`, `state`, `name`, `worker`, `path`, …
    """

    text: str
    label: str
    kind: str
