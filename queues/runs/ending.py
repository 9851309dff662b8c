"""The ways in which a run is ended before it ends by itself, and what can be ended so."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Any, Protocol

from queues.runs.job import JobFacts
from queues.runs.outcome import Outcome


class End(Enum):
    #: Somebody cancelled the job.
    CANCEL = auto()
    #: Its `timeout_s` is over.
    TIMEOUT = auto()
    #: The worker stops, and hands the job back.
    STOP = auto()


class Running(Protocol):
    """A processor at work. `future` brings its outcome, or is cancelled where nobody waits for it any more."""

    @property
    def job(self) -> JobFacts[Any]: ...

    @property
    def future(self) -> asyncio.Future[Outcome]: ...

    @property
    def began(self) -> float | None:
        """By the monotonic clock; None where it has not begun yet: `timeout_s` counts from there."""
        ...

    def end(self, how: End) -> None:
        """Bring it to its end as well as can be. Callable again, with more pressing reasons."""
        ...

    def is_cut_short(self, how: End) -> bool:
        """Whether its return, after this, is that of work broken off."""
        ...
