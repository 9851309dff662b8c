"""The one joint between the producer's handles and what keeps jobs: Redis, or something that stands in for it.

Handles check, fill in defaults and wait for transactions; a carrier takes checked values and gives plain ones.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from queues.errors import ConfigurationError
from queues.options import Limiter, get_options
from queues.protocol.adding import NewJob
from queues.protocol.codec import JobRecord, QueueFacts
from queues.protocol.events import Event
from queues.protocol.flows import NewFlow
from queues.protocol.reads import JobLogs
from queues.protocol.results import Children, Ending
from queues.protocol.scheduling import NewSchedule, Schedule
from queues.states import State

T = TypeVar("T")


class Carrier(Protocol):
    """What handles ask for. Every method may raise RedisUnavailable or RedisRefused, and JobNotFound where a job must
    be there. Whatever a carrier cannot do it refuses: `raise Refused(sentence)` with a `code` of its own.
    """

    def run_sync(self, make: Callable[[], Awaitable[T]]) -> T:
        """Run one of the methods below to its end, in a thread in which no event loop runs (the sync door)."""

    # --- adding: all of it or nothing is checked beforehand; each call answers within 2 s or raises

    async def add(self, connection: str, queue: str, job: NewJob) -> str:
        """The job's id; where the id or deduplication found another job, that one's."""

    async def add_bulk(self, connection: str, queue: str, jobs: Sequence[NewJob]) -> list[str]:
        """Ids in order. In pieces: where it raises midway, the first pieces are written."""

    async def add_flows(self, connection: str, flows: Sequence[NewFlow]) -> None:
        """Each flow whole or not at all."""

    # --- one job

    async def job(self, connection: str, queue: str, job_id: str) -> JobRecord | None:
        """The whole job; None where there is none."""

    async def state(self, connection: str, queue: str, job_id: str) -> State:
        """UNKNOWN where it is nowhere."""

    async def ending(self, connection: str, queue: str, job_id: str, timeout_s: float | None) -> Ending | None:
        """Wait for its end, for ever with None; None where `timeout_s` passed. Raises JobNotFound."""

    async def children(self, connection: str, queue: str, job_id: str) -> Children: ...

    async def logs(self, connection: str, queue: str, job_id: str, start: int, count: int) -> JobLogs:
        """Oldest first; a negative `start` counts from the end."""

    async def log(self, connection: str, queue: str, job_id: str, line: str, keep: int | None) -> int:
        """Add a line; how many there are now."""

    async def retry(
        self, connection: str, queue: str, job_id: str, state: State, reset_attempts: bool = False
    ) -> None: ...

    async def promote(self, connection: str, queue: str, job_id: str) -> None: ...

    async def remove(self, connection: str, queue: str, job_id: str, remove_children: bool = True) -> None: ...

    async def update_data(self, connection: str, queue: str, job_id: str, data: str) -> None: ...

    async def change_priority(self, connection: str, queue: str, job_id: str, priority: int, lifo: bool) -> None: ...

    async def change_delay(self, connection: str, queue: str, job_id: str, delay_ms: int) -> None: ...

    async def remove_unprocessed_children(self, connection: str, queue: str, job_id: str) -> None: ...

    # --- the queue

    async def facts(self, connection: str, queue: str) -> QueueFacts:
        """Counts by state, whether it is paused, its limits."""

    async def jobs(self, connection: str, queue: str, state: State, start: int, count: int) -> list[JobRecord]:
        """Whole jobs: next to run first, finished ones newest first."""

    async def pause(self, connection: str, queue: str) -> None: ...

    async def resume(self, connection: str, queue: str) -> None: ...

    async def drain(self, connection: str, queue: str, delayed: bool) -> None: ...

    async def clean(self, connection: str, queue: str, state: State, older_than_ms: int, limit: int) -> list[str]:
        """Remove at most `limit` jobs (0: all) that ended, or were added, longer ago; their ids."""

    async def obliterate(self, connection: str, queue: str, force: bool) -> None:
        """Remove the queue and all in it. Raises Refused where jobs are active, unless forced."""

    async def set_concurrency(self, connection: str, queue: str, most: int | None) -> None: ...

    async def set_rate_limit(self, connection: str, queue: str, limiter: Limiter | None) -> None: ...

    async def hold(self, connection: str, queue: str, duration_ms: int) -> None:
        """Start nothing for so long (BullMQ's manual rate limit); 0 ends it."""

    async def deduplicated(self, connection: str, queue: str, deduplication_id: str) -> str | None:
        """The id of the job that holds a deduplication id."""

    async def remove_deduplication(
        self, connection: str, queue: str, deduplication_id: str, job_id: str | None = None
    ) -> bool:
        """Give the deduplication id free (with `job_id`: only where that job holds it); whether it was held."""

    # --- schedulers

    async def upsert_schedule(self, connection: str, queue: str, schedule: NewSchedule) -> str | None:
        """The id of its next job; None where its limit or end is reached."""

    async def schedules(self, connection: str, queue: str, start: int, count: int) -> list[Schedule]:
        """The next due first."""

    async def schedule(self, connection: str, queue: str, schedule_id: str) -> Schedule | None: ...

    async def remove_schedule(self, connection: str, queue: str, schedule_id: str) -> bool:
        """Whether it was there."""

    # --- news

    def events(self, connection: str, queue: str, after: str | None) -> AsyncGenerator[Event, None]:
        """Every event after an id (None: from now on), for ever."""


_installed: Carrier | None = None


def install(carrier: Carrier | None) -> Carrier | None:
    """Let every handle of this process use `carrier`; None for Redis again. Returns what was installed before."""
    global _installed
    before, _installed = _installed, carrier
    return before


def carrier() -> Carrier:
    """The installed one, else Redis. Raises ConfigurationError where the settings say that there is no Redis."""
    if _installed is not None:
        return _installed
    if not get_options().use_job_queue:
        raise ConfigurationError(
            "USE_JOB_QUEUE is false, and nothing is installed that would run jobs in this process."
        )
    return _redis()


def _redis() -> Carrier:
    from queues.producer.over_redis import CARRIER

    return CARRIER
