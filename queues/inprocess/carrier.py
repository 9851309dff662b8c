"""What queue and job handles ask for where jobs run in process: rows in SQL instead of keys in Redis."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import NoReturn, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.db import InterfaceError, OperationalError

from queues.errors import JobLocked, JobNotFound, JobStateChanged, Refused
from queues.inprocess import adding, endings, ledger
from queues.inprocess.process import runner
from queues.lookups import local
from queues.mirror.thread import DatabaseUnavailable
from queues.models import Job, LogLine, moves
from queues.models.job import RECORD_FIELDS
from queues.models.local import jobs
from queues.options import Limiter, get_options
from queues.protocol.adding import NewJob
from queues.protocol.clock import now_ms
from queues.protocol.codec import JobRecord, QueueFacts
from queues.protocol.events import Event
from queues.protocol.flows import NewFlow
from queues.protocol.reads import JobLogs
from queues.protocol.results import Children, Ending
from queues.protocol.scheduling import NewSchedule, Schedule
from queues.states import State

T = TypeVar("T")


class NotInProcess(Refused):
    """What needs Redis; the sentence says so."""

    code = "not_in_process"


def refuse(what: str) -> NoReturn:
    raise NotInProcess(f"{what} need Redis; with USE_JOB_QUEUE=false jobs run in the process that adds them.")


class InProcessCarrier:
    """Stateless: what it knows is in the rows and in this process's runner."""

    def run_sync(self, make: Callable[[], Awaitable[T]]) -> T:
        async def call() -> T:
            return await make()

        # asgiref brings the rows back into the calling thread, and so into its transaction.
        return async_to_sync(call)()

    # --- adding

    async def add(self, connection: str, queue: str, job: NewJob) -> str:
        return (await self.add_bulk(connection, queue, [job]))[0]

    async def add_bulk(self, connection: str, queue: str, jobs: Sequence[NewJob]) -> list[str]:
        check(connection)
        for job in jobs:
            if job.parent is not None:
                refuse("Children of other jobs")
            if set(job.options.get("deduplication") or ()) - {"id"}:
                refuse("Deduplication with ttl_ms, extend, replace or keep_last_if_active")
        try:
            return await sync_to_async(adding.add)(runner().id, queue, jobs)
        except (OperationalError, InterfaceError) as error:
            raise DatabaseUnavailable(f"The database did not take the job: {str(error).strip()}.") from error

    async def add_flows(self, connection: str, flows: Sequence[NewFlow]) -> None:
        refuse("Flows")

    # --- one job

    async def job(self, connection: str, queue: str, job_id: str) -> JobRecord | None:
        found = await jobs(queue).filter(job_id=job_id).afirst()
        return record(found) if found else None

    async def state(self, connection: str, queue: str, job_id: str) -> State:
        state = await jobs(queue).filter(job_id=job_id).values_list("state", flat=True).afirst()
        return State(state) if state else State.UNKNOWN

    async def ending(self, connection: str, queue: str, job_id: str, timeout_s: float | None) -> Ending | None:
        return await endings.ending(queue, job_id, timeout_s)

    async def children(self, connection: str, queue: str, job_id: str) -> Children:
        return Children({}, {})

    async def logs(self, connection: str, queue: str, job_id: str, start: int, count: int) -> JobLogs:
        lines = LogLine.objects.filter(job=await self._row(queue, job_id)).order_by("pk")
        total = await lines.acount()
        first = max(0, total + start) if start < 0 else start
        found = [text async for text in lines.values_list("text", flat=True)[first : first + max(count, 0)]]
        return JobLogs(found, total)

    async def log(self, connection: str, queue: str, job_id: str, line: str, keep: int | None) -> int:
        job = await self._row(queue, job_id)
        return await sync_to_async(ledger.log)(job.pk, adding.stored(line), keep)

    async def retry(self, connection: str, queue: str, job_id: str, state: State, reset_attempts: bool = False) -> None:
        job = await self._row(queue, job_id)
        first = job.options.get("lifo") is True
        moved = await sync_to_async(moves.retry)(queue, [job_id], state, afresh=reset_attempts, first=first)
        await self._check(moved, queue, job_id, "retried")

    async def promote(self, connection: str, queue: str, job_id: str) -> None:
        await self._check(await sync_to_async(moves.promote)(queue, [job_id]), queue, job_id, "promoted")

    async def remove(self, connection: str, queue: str, job_id: str, remove_children: bool = True) -> None:
        await self._row(queue, job_id)
        if not await sync_to_async(moves.remove)(jobs(queue).filter(job_id=job_id)):
            raise JobLocked(job_id)

    async def update_data(self, connection: str, queue: str, job_id: str, data: str) -> None:
        if not await jobs(queue).filter(job_id=job_id).aupdate(data=adding.stored(data)):
            raise JobNotFound(queue, job_id)

    async def change_priority(self, connection: str, queue: str, job_id: str, priority: int, lifo: bool) -> None:
        await self._row(queue, job_id)
        await sync_to_async(moves.change_priority)(queue, job_id, priority, first=lifo)

    async def change_delay(self, connection: str, queue: str, job_id: str, delay_ms: int) -> None:
        moved = await sync_to_async(moves.change_delay)(queue, job_id, delay_ms, now_ms() + delay_ms)
        await self._check(moved, queue, job_id, "delayed anew")

    async def remove_unprocessed_children(self, connection: str, queue: str, job_id: str) -> None:
        await self._row(queue, job_id)

    # --- the queue

    async def facts(self, connection: str, queue: str) -> QueueFacts:
        check(connection)
        found = next((each for each in await local.all_queues(connection) if each.name == queue), None)
        if found is None:
            return QueueFacts(queue)
        counts = {state.value: number for state, number in found.counts.items()}
        return QueueFacts(queue, counts, found.is_paused, oldest_waiting_ms=found.oldest_waiting_ms)

    async def jobs(self, connection: str, queue: str, state: State, start: int, count: int) -> list[JobRecord]:
        found = jobs(queue, state).order_by(*local.ORDERS.get(state, ("pk",)))[start : start + count]
        return [record(job) async for job in found]

    async def pause(self, connection: str, queue: str) -> None:
        await sync_to_async(adding.open_queue)(queue)
        await sync_to_async(moves.set_paused)(queue, True)

    async def resume(self, connection: str, queue: str) -> None:
        await sync_to_async(moves.set_paused)(queue, False)

    async def drain(self, connection: str, queue: str, delayed: bool) -> None:
        states = (State.WAITING, State.PRIORITIZED, *((State.DELAYED,) if delayed else ()))
        await sync_to_async(moves.remove)(jobs(queue, *states))

    async def clean(self, connection: str, queue: str, state: State, older_than_ms: int, limit: int) -> list[str]:
        return await sync_to_async(moves.clean)(queue, state, now_ms() - older_than_ms, limit)

    async def obliterate(self, connection: str, queue: str, force: bool) -> None:
        if not force and await jobs(queue, State.ACTIVE).aexists():
            raise Refused(f"Queue “{queue}” was not removed: jobs of it are being run.")
        await sync_to_async(moves.obliterate)(queue)

    async def set_concurrency(self, connection: str, queue: str, most: int | None) -> None:
        refuse("Limits over all processes")

    async def set_rate_limit(self, connection: str, queue: str, limiter: Limiter | None) -> None:
        refuse("Limits over all processes")

    async def hold(self, connection: str, queue: str, duration_ms: int) -> None:
        runner().hold(queue, duration_ms)

    async def deduplicated(self, connection: str, queue: str, deduplication_id: str) -> str | None:
        held = jobs(queue, *adding.UNFINISHED).filter(deduplication_id=deduplication_id)
        return await held.values_list("job_id", flat=True).afirst()

    async def remove_deduplication(
        self, connection: str, queue: str, deduplication_id: str, job_id: str | None = None
    ) -> bool:
        held = jobs(queue, *adding.UNFINISHED).filter(deduplication_id=deduplication_id)
        mine = held if job_id is None else held.filter(job_id=job_id)
        return bool(await mine.aupdate(deduplication_id=""))

    # --- schedulers

    async def upsert_schedule(self, connection: str, queue: str, schedule: NewSchedule) -> str | None:
        refuse("Schedulers")

    async def schedules(self, connection: str, queue: str, start: int, count: int) -> list[Schedule]:
        return []

    async def schedule(self, connection: str, queue: str, schedule_id: str) -> Schedule | None:
        return None

    async def remove_schedule(self, connection: str, queue: str, schedule_id: str) -> bool:
        return False

    # --- news

    def events(self, connection: str, queue: str, after: str | None) -> AsyncGenerator[Event, None]:
        refuse("Events")

    # --- inside

    async def _row(self, queue: str, job_id: str) -> Job:
        job = await jobs(queue).filter(job_id=job_id).afirst()
        if job is None:
            raise JobNotFound(queue, job_id)
        return job

    async def _check(self, moved: int, queue: str, job_id: str, verb: str) -> None:
        if not moved:
            raise JobStateChanged(job_id, verb, (await self._row(queue, job_id)).state)


def check(connection: str) -> None:
    """Raises ConfigurationError for one that is not configured, NotInProcess for any but the default."""
    get_options().connection(connection)
    if connection != "default":
        refuse(f"Jobs of connection “{connection}”")


def record(job: Job) -> JobRecord:
    return JobRecord(job.job_id, **{name: getattr(job, name) for name in RECORD_FIELDS})
