"""What a program may do with a queue's schedulers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Unpack

from queues.errors import NotFound
from queues.producer.carrier import carrier
from queues.producer.checks import whole
from queues.producer.job import JobHandle
from queues.producer.scheduler import FoundScheduler, new_schedule
from queues.producer.values import NO_DATA, AddOptions


class Scheduling:
    """Mixed into a queue's handle."""

    __slots__ = ()
    name: str
    connection: str

    async def upsert_scheduler(
        self,
        scheduler_id: str,
        *,
        every_ms: int | None = None,
        pattern: str | None = None,
        tz: str | None = None,
        offset_ms: int | None = None,
        limit: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        immediately: bool = False,
        name: str | None = None,
        data: Any = NO_DATA,
        **options: Unpack[AddOptions],
    ) -> JobHandle | None:
        """Make a job each `every_ms`, or whenever the cron `pattern` says so on the clock of `tz` (TIME_ZONE).

        One of that id is changed. `name` (the id), `data` and the options are its jobs'. The next job; None where
        `end` has passed meanwhile. Raises Refused where its next job cannot be added.
        """
        schedule = new_schedule(
            self.name,
            scheduler_id,
            every_ms=every_ms,
            pattern=pattern,
            tz=tz,
            offset_ms=offset_ms,
            limit=limit,
            start=start,
            end=end,
            immediately=immediately,
            name=name,
            data=data,
            options=options,
        )
        job_id = await carrier().upsert_schedule(self.connection, self.name, schedule)
        return None if job_id is None else JobHandle(self.connection, self.name, job_id, schedule.name)

    async def schedulers(self, start: int = 0, count: int = 100) -> list[FoundScheduler]:
        """The next due first, from position `start`."""
        first, most = whole(0)("start", start), whole(1, 1_000)("count", count)
        found = await carrier().schedules(self.connection, self.name, first, most)
        return [FoundScheduler(self.connection, self.name, schedule) for schedule in found]

    async def get_scheduler(self, scheduler_id: str) -> FoundScheduler | None:
        """None where there is none."""
        found = await carrier().schedule(self.connection, self.name, scheduler_id)
        return None if found is None else FoundScheduler(self.connection, self.name, found)

    async def remove_scheduler(self, scheduler_id: str) -> bool:
        """Remove it and its next job, unless that waits or runs already. Whether it was there."""
        return await carrier().remove_schedule(self.connection, self.name, scheduler_id)

    async def run_scheduler(self, scheduler_id: str) -> JobHandle:
        """Add a job as it makes them, now; its schedule goes on as it was. Raises NotFound."""
        found = await self.get_scheduler(scheduler_id)
        if found is None:
            raise NotFound(f"Queue “{self.name}” has no scheduler “{scheduler_id}”.")
        job = found.job()
        handle = JobHandle(self.connection, self.name, "", job.name)
        handle.written_as(await carrier().add(self.connection, self.name, job))
        return handle
