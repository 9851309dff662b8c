"""The carrier that everyone uses: BullMQ in Redis. It only names, for each of a handle's wishes, what does it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from queues.options import Limiter, get_options
from queues.protocol import bulk, editing, flows, reads, results, scheduling, slots, steering, tailing, writes
from queues.protocol.adding import NewJob, add_job
from queues.protocol.blocking import drive
from queues.protocol.codec import JobRecord, QueueFacts
from queues.protocol.connections import keys, wire
from queues.protocol.events import Event
from queues.protocol.flows import NewFlow
from queues.protocol.reads import JobLogs
from queues.protocol.reads.records import job_records
from queues.protocol.results import Children, Ending
from queues.protocol.scheduling import NewSchedule, Schedule
from queues.protocol.topology import known
from queues.states import State

T = TypeVar("T")


class RedisCarrier:
    """Stateless: connections belong to the running loop, or to the sync door."""

    @staticmethod
    def is_cluster(connection: str) -> bool:
        """Whether it is known to lead to a Redis Cluster, where a script or transaction touches one hash slot only."""
        return known(get_options().connection(connection)) == "cluster"

    def run_sync(self, make: Callable[[], Awaitable[T]]) -> T:
        return drive(make())

    async def add(self, connection: str, queue: str, job: NewJob) -> str:
        if self.is_cluster(connection):
            parents = [keys(connection, job.parent.queue).base] if job.parent else []
            slots.require_one_slot([keys(connection, queue).base, *parents], "The job")
        return await wire(connection).call(add_job(keys(connection, queue), job))

    async def add_bulk(self, connection: str, queue: str, jobs: Sequence[NewJob]) -> list[str]:
        if self.is_cluster(connection):
            parents = {keys(connection, job.parent.queue).base for job in jobs if job.parent}
            slots.require_one_slot([keys(connection, queue).base, *parents], "These jobs")
        return await bulk.add_bulk(connection, queue, jobs)

    async def add_flows(self, connection: str, new: Sequence[NewFlow]) -> None:
        if self.is_cluster(connection):
            slots.require_one_slot(flows.spanned(connection, new), "The flow")
        await flows.add_flows(connection, new)

    async def job(self, connection: str, queue: str, job_id: str) -> JobRecord | None:
        (found,) = await job_records(connection, queue, [job_id])
        return found if found.exists else None

    async def state(self, connection: str, queue: str, job_id: str) -> State:
        return (await reads.job_states(connection, queue, [job_id]))[0]

    async def ending(self, connection: str, queue: str, job_id: str, timeout_s: float | None) -> Ending | None:
        return await results.ending(connection, queue, job_id, timeout_s)

    async def children(self, connection: str, queue: str, job_id: str) -> Children:
        return await flows.children(connection, queue, job_id)

    async def logs(self, connection: str, queue: str, job_id: str, start: int, count: int) -> JobLogs:
        return await reads.job_logs(connection, queue, job_id, start, count)

    async def log(self, connection: str, queue: str, job_id: str, line: str, keep: int | None) -> int:
        return await editing.add_log(connection, queue, job_id, line, keep)

    async def retry(self, connection: str, queue: str, job_id: str, state: State, reset_attempts: bool = False) -> None:
        await writes.retry_job(connection, queue, job_id, state, reset_attempts)

    async def promote(self, connection: str, queue: str, job_id: str) -> None:
        await writes.promote_job(connection, queue, job_id)

    async def remove(self, connection: str, queue: str, job_id: str, remove_children: bool = True) -> None:
        await writes.remove_job(connection, queue, job_id, remove_children)

    async def update_data(self, connection: str, queue: str, job_id: str, data: str) -> None:
        await editing.update_data(connection, queue, job_id, data)

    async def change_priority(self, connection: str, queue: str, job_id: str, priority: int, lifo: bool) -> None:
        await editing.change_priority(connection, queue, job_id, priority, lifo)

    async def change_delay(self, connection: str, queue: str, job_id: str, delay_ms: int) -> None:
        await editing.change_delay(connection, queue, job_id, delay_ms)

    async def remove_unprocessed_children(self, connection: str, queue: str, job_id: str) -> None:
        await flows.remove_unprocessed_children(connection, queue, job_id)

    async def facts(self, connection: str, queue: str) -> QueueFacts:
        return (await reads.queue_facts(connection, [queue]))[0]

    async def jobs(self, connection: str, queue: str, state: State, start: int, count: int) -> list[JobRecord]:
        ids = await reads.state_ids(connection, queue, state, start, count)
        return await job_records(connection, queue, ids)

    async def pause(self, connection: str, queue: str) -> None:
        await writes.pause(connection, queue)

    async def resume(self, connection: str, queue: str) -> None:
        while await writes.resume(connection, queue):
            pass

    async def drain(self, connection: str, queue: str, delayed: bool) -> None:
        await steering.drain(connection, queue, delayed)

    async def clean(self, connection: str, queue: str, state: State, older_than_ms: int, limit: int) -> list[str]:
        return await steering.clean(connection, queue, state, older_than_ms, limit)

    async def obliterate(self, connection: str, queue: str, force: bool) -> None:
        await steering.obliterate(connection, queue, force)

    async def set_concurrency(self, connection: str, queue: str, most: int | None) -> None:
        await steering.set_concurrency(connection, queue, most)

    async def set_rate_limit(self, connection: str, queue: str, limiter: Limiter | None) -> None:
        await steering.set_rate_limit(connection, queue, limiter)

    async def hold(self, connection: str, queue: str, duration_ms: int) -> None:
        await steering.hold(connection, queue, duration_ms)

    async def deduplicated(self, connection: str, queue: str, deduplication_id: str) -> str | None:
        return await steering.deduplicated(connection, queue, deduplication_id)

    async def remove_deduplication(
        self, connection: str, queue: str, deduplication_id: str, job_id: str | None = None
    ) -> bool:
        return await steering.remove_deduplication(connection, queue, deduplication_id, job_id)

    async def upsert_schedule(self, connection: str, queue: str, schedule: NewSchedule) -> str | None:
        return await scheduling.upsert(connection, queue, schedule)

    async def schedules(self, connection: str, queue: str, start: int, count: int) -> list[Schedule]:
        return await scheduling.schedules(connection, queue, start, count)

    async def schedule(self, connection: str, queue: str, schedule_id: str) -> Schedule | None:
        return await scheduling.schedule(connection, queue, schedule_id)

    async def remove_schedule(self, connection: str, queue: str, schedule_id: str) -> bool:
        return await scheduling.remove(connection, queue, schedule_id)

    def events(self, connection: str, queue: str, after: str | None) -> AsyncGenerator[Event, None]:
        return tailing.tail(connection, queue, after)


CARRIER = RedisCarrier()
