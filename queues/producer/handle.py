"""A handle on a queue: adds its jobs, steers it, tells its news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack
from uuid import uuid4

from queues.options import get_options
from queues.producer.carrier import carrier
from queues.producer.checks import queue_name
from queues.producer.commit import Later, deferred
from queues.producer.door import SyncDoor
from queues.producer.job import JobHandle
from queues.producer.making import new_job
from queues.producer.values import NO_DATA, AddOptions
from queues.protocol.adding import NewJob
from queues.signals import job_added


def queue(name: str, connection: str = "default") -> QueueHandle:
    """A handle on a queue. Costs nothing. Raises InvalidInput for a name no queue can have."""
    return QueueHandle(queue_name(name), connection)


@dataclass(frozen=True, slots=True)
class QueueHandle:
    name: str
    connection: str = "default"

    @property
    def sync(self) -> SyncDoor:
        """The same for code without an event loop: views, scripts, threads, `transaction.on_commit`."""
        return SyncDoor(self)

    async def add(
        self,
        name: str,
        data: Any = NO_DATA,
        *,
        on_commit: bool = True,
        using: str | None = None,
        **options: Unpack[AddOptions],
    ) -> JobHandle:
        """Add a job. Raises InvalidInput, before anything is written, or RedisUnavailable within 2 s.

        Jobs without a priority run first, oldest first (lifo: newest first), then priority 1 before 2, up to 2097151.
        A job_id that the queue holds already adds nothing. Inside an atomic block the job is written on commit, and
        not at all after a rollback; `on_commit=False` writes it now, `using` names the one database that counts.
        """
        job = new_job(name, data, options, get_options().queue(self.name))
        if on_commit and (handle := await deferred(lambda: self._later(job), using)) is not None:
            return handle
        handle = JobHandle(self.connection, self.name, "", name)
        await self._write(job, handle)
        return handle

    def _later(self, job: NewJob) -> Later[JobHandle]:
        kept = job if job.id else job._replace(id=str(uuid4()))
        handle = JobHandle(self.connection, self.name, kept.id, job.name, is_written=False)
        return Later(handle, lambda: self._write(kept, handle), f"job “{kept.id}” of queue “{self.name}”")

    async def _write(self, job: NewJob, handle: JobHandle) -> None:
        handle._written_as(await carrier().add(self.connection, self.name, job))
        job_added.tell(self.name, queue=self.name, job_id=handle.id, job_name=job.name)
