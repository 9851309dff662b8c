"""A handle on a queue: adds its jobs, steers it, tells its news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

from queues.errors import InvalidInput
from queues.options import get_options
from queues.producer.carrier import carrier
from queues.producer.checks import NO_DATA, AddOptions, _encodable, new_job
from queues.producer.door import SyncDoor
from queues.producer.job import JobHandle


def queue(name: str, connection: str = "default") -> QueueHandle:
    """A handle on a queue, for adding jobs. Costs nothing. Raises InvalidInput for a name no queue can have."""
    if not isinstance(name, str) or not name or ":" in name:
        raise InvalidInput(f"A queue's name is text without ':'; {name!r} is not.")
    _encodable("queue name", name)
    return QueueHandle(name, connection)


@dataclass(frozen=True, slots=True)
class QueueHandle:
    name: str
    connection: str = "default"

    @property
    def sync(self) -> SyncDoor:
        """The same for code without an event loop: views, scripts, threads, `transaction.on_commit`."""
        return SyncDoor(self)

    async def add(self, name: str, data: Any = NO_DATA, **options: Unpack[AddOptions]) -> JobHandle:
        """Add a job. Raises InvalidInput, before anything is written, or RedisUnavailable within 2 s.

        Jobs without a priority run first, oldest first (lifo: newest first), then priority 1 before 2, up to 2097151.
        A job_id that the queue holds already adds nothing.
        """
        job = new_job(name, data, options, get_options().queue(self.name))
        return JobHandle(self.connection, self.name, await carrier().add(self.connection, self.name, job), name)
