"""A handle on a queue: adds its jobs, finds them, follows its events. Steering it is inherited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Unpack
from uuid import uuid4

from queues.errors import InvalidInput
from queues.producer import events, many
from queues.producer.carrier import carrier
from queues.producer.checks import known_id, queue_name, whole
from queues.producer.commit import Later, deferred
from queues.producer.door import SyncDoor
from queues.producer.job import FoundJob, JobHandle
from queues.producer.making import new_job, queue_defaults
from queues.producer.many import AddedFlow
from queues.producer.scheduled import Scheduling
from queues.producer.steering import Steering, state_of
from queues.producer.values import NO_DATA, AddOptions, FlowSpec, JobSpec
from queues.protocol.adding import NewJob
from queues.protocol.flows import NewFlow
from queues.states import State

#: While so many jobs are checked, nothing else happens on the loop.
CHECKED_AT_ONCE = 500
MOST_FOUND = 1_000


def queue(name: str, connection: str = "default") -> QueueHandle:
    """A handle on a queue. Costs nothing. Raises InvalidInput for a name no queue can have."""
    return QueueHandle(queue_name(name), connection)


class QueueHandle(Steering, Scheduling):
    """Every method raises RedisUnavailable within 2 s where Redis does not answer, and RedisRefused where it says no.

    What adds jobs checks everything first: InvalidInput names the option, and nothing is written then. Inside an atomic
    block it is written when the block is committed, and not at all after a rollback; `on_commit=False` writes at once,
    `using` names the one database whose transaction counts.
    """

    __slots__ = ()

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
        """Add a job.

        Jobs without a priority run first, oldest first (lifo: newest first), then priority 1 before 2, up to 2097151.
        A job_id that the queue holds already adds nothing.
        """
        self._check_parent(options)
        job = new_job(name, data, options, queue_defaults(self.name))
        if on_commit and (handle := await deferred(lambda: self._later([job]), using)) is not None:
            return handle[0]
        added = JobHandle(self.connection, self.name, "", name)
        await self._write(job, added)
        return added

    async def add_bulk(
        self, jobs: Iterable[JobSpec], *, on_commit: bool = True, using: str | None = None
    ) -> list[JobHandle]:
        """Add many, each a dict of `add`'s arguments: `{"name": …, "data": …, "priority": 3}`. Handles in their order.

        One that is wrong, and none is added; the error names its index. They are written in pieces, not in one
        transaction: where Redis fails midway, NotAllAdded says which were.
        """
        checked = []
        for job in many.new_jobs(self.name, jobs, self._check_parent):
            checked.append(job)
            if len(checked) % CHECKED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if on_commit and (handles := await deferred(lambda: self._later(checked), using)) is not None:
            return handles
        added = [JobHandle(self.connection, self.name, "", job.name) for job in checked]
        await self._write_many(checked, added)
        return added

    async def add_flow(
        self,
        name: str,
        data: Any = NO_DATA,
        *,
        children: Sequence[FlowSpec],
        on_commit: bool = True,
        using: str | None = None,
        **options: Unpack[AddOptions],
    ) -> AddedFlow:
        """Add a job that waits for others, with them, in one transaction. A child is a dict of `add`'s arguments, with
        its `queue` where that is another, and `children` of its own.
        """
        spec: FlowSpec = {**options, "name": name, "data": data, "children": children}  # type: ignore[typeddict-item]
        self._check_parent(options)
        flow = many.new_flow(self.name, spec)
        if on_commit and (later := await deferred(lambda: self._later_flow(flow), using)) is not None:
            return later
        added = many.handles(self.connection, flow, is_written=True)
        await self._write_flow(flow, added)
        return added

    def job(self, job_id: str) -> JobHandle:
        """A handle on the job of that id, without looking for it. Raises InvalidInput where none can be."""
        return JobHandle(self.connection, self.name, known_id(job_id))

    async def get_job(self, job_id: str) -> FoundJob | None:
        """The whole job as it is now; None where there is none. Raises InvalidInput where none can be."""
        found = await carrier().job(self.connection, self.name, known_id(job_id))
        return None if found is None else FoundJob(self.connection, self.name, found)

    async def jobs(self, state: State | str, start: int = 0, count: int = 50) -> list[FoundJob]:
        """Whole jobs of a state from position `start`: next to run first, finished ones newest first; 1,000 at most."""
        first, most = whole(0)("start", start), whole(1, MOST_FOUND)("count", count)
        records = await carrier().jobs(self.connection, self.name, state_of(state), first, most)
        return [FoundJob(self.connection, self.name, record) for record in records]

    def events(self, after: str | None = None) -> AsyncGenerator[events.QueueEvent, None]:
        """Every event from now on, or after an event's id (`0-0`: the oldest there is), for ever.

        Outages are waited out, and an event of the type `gap` stands where some were trimmed unread. It holds a
        connection of its own; `contextlib.aclosing(…)` around it gives that back as soon as the loop is left.
        """
        return events.events(self.connection, self.name, after)

    def _check_parent(self, options: Mapping[str, Any]) -> None:
        parent = options.get("parent")
        if parent is not None and getattr(parent, "connection", self.connection) != self.connection:
            raise InvalidInput(f"parent: {parent!r} is of another connection than this queue.")

    # --- writing, now or later

    def _later(self, jobs: Sequence[NewJob]) -> Later[list[JobHandle]]:
        kept = [job if job.id else job._replace(id=str(uuid4())) for job in jobs]
        handles = [JobHandle(self.connection, self.name, job.id, job.name, is_written=False) for job in kept]
        if len(kept) == 1:
            what = f"job “{kept[0].id}” of queue “{self.name}”"
            return Later(handles, lambda: self._write(kept[0], handles[0]), what)
        return Later(handles, lambda: self._write_many(kept, handles), f"{len(kept)} jobs of queue “{self.name}”")

    def _later_flow(self, flow: NewFlow) -> Later[AddedFlow]:
        added = many.handles(self.connection, flow, is_written=False)
        what = f"the flow of job “{flow.job.id}” of queue “{self.name}”"
        return Later(added, lambda: self._write_flow(flow, added), what)

    async def _write(self, job: NewJob, handle: JobHandle) -> None:
        handle.written_as(await carrier().add(self.connection, self.name, job))

    async def _write_many(self, jobs: Sequence[NewJob], handles: Sequence[JobHandle]) -> None:
        ids = await carrier().add_bulk(self.connection, self.name, jobs)
        for handle, job_id in zip(handles, ids, strict=True):
            handle.written_as(job_id)

    async def _write_flow(self, flow: NewFlow, added: AddedFlow) -> None:
        root = flow.job
        if root.parent is not None and await carrier().job(self.connection, *root.parent) is None:
            # BullMQ would refuse the root alone, and leave its children waiting for nobody.
            raise InvalidInput(f"parent: queue {root.parent.queue!r} has no job {root.parent.id!r}.")
        await carrier().add_flows(self.connection, [flow])
        for handle in many.all_handles(added):
            handle.written_as(handle.id)
