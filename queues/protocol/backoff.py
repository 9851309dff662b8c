"""After failures nobody dials at once: a little later each time, and whoever asks meanwhile hears why."""

from __future__ import annotations

from queues.errors import RedisUnavailable

LONGEST_BACKOFF_S = 1.0


class Backoff:
    """Moments are the loop's."""

    __slots__ = ("_retry_at", "_why", "failures")

    def __init__(self) -> None:
        self.failures, self._retry_at = 0, 0.0
        self._why = ""

    def failed(self, now: float, error: RedisUnavailable) -> None:
        self.failures += 1
        self._retry_at = now + min(0.05 * 2**self.failures, LONGEST_BACKOFF_S)
        self._why = str(error)

    def worked(self) -> None:
        self.failures, self._why = 0, ""

    def too_early(self, now: float) -> RedisUnavailable | None:
        """The last failure, for as long as it is not tried again."""
        return RedisUnavailable(self._why) if self._why and now < self._retry_at else None
