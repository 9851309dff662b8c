"""Django's task with what a job can have besides: `@task(attempts=3, backoff=1_000, timeout_s=60)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queues.errors import InvalidInput
from queues.producer.checks import CHECKS
from queues.tasks.api import InvalidTask, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class TorilTask(Task):  # type: ignore[type-arg]
    """What is None is as the task's queue has it.

    attempts: how often it is tried in all. backoff: the pause before the next attempt, as `add` takes it: milliseconds,
    or {"type", "delay", "jitter"}. timeout_s: after so long an attempt has failed.
    """

    attempts: int | None = None
    backoff: int | Mapping[str, Any] | None = None
    timeout_s: float | None = None

    @property
    def job_options(self) -> dict[str, Any]:
        """What `add` is to be told of its jobs."""
        told = {"attempts": self.attempts, "backoff": self.backoff}
        return {name: value for name, value in told.items() if value is not None}

    def check(self) -> None:
        """Raises InvalidTask naming the argument."""
        try:
            for name, value in self.job_options.items():
                CHECKS[name](name, value)
        except InvalidInput as error:
            raise InvalidTask(str(error)) from None
        if self.timeout_s is not None and not _is_time(self.timeout_s):
            raise InvalidTask(f"timeout_s must be a number of seconds above 0, not {self.timeout_s!r}.")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
