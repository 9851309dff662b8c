"""What pages show of jobs that run in process: the same shapes as from Redis, read from SQL."""

from __future__ import annotations

from collections.abc import Sequence

from asgiref.sync import sync_to_async
from django.db.models import Count, Min, QuerySet

from queues.lookups import mirrored
from queues.lookups.excerpt import LINE_SHOWN, SHOWN, excerpt
from queues.models import Job, LogLine, Queue
from queues.models.local import RUNNING_ORDER, jobs, queues
from queues.options.values import LOCAL_CONNECTION
from queues.processors import registry
from queues.protocol.reads.marks import JobMark
from queues.protocol.reads.scan import MOST_WALKED, Place, seen_last
from queues.states import State

#: How each state is listed, as Redis has it: next to run first, finished ones newest first.
ORDERS: dict[State, tuple[str, ...]] = {
    State.WAITING: RUNNING_ORDER,
    State.PRIORITIZED: RUNNING_ORDER,
    State.DELAYED: ("rank", "pk"),
    State.ACTIVE: ("-processed_on_ms", "-pk"),
    State.COMPLETED: ("-finished_on_ms", "-pk"),
    State.FAILED: ("-finished_on_ms", "-pk"),
}
_NOT_LISTED = ("data", "return_value", "stacktrace")


@sync_to_async
def all_queues(connection: str) -> tuple[Queue, ...]:
    """Every queue with its counts; two queries, whatever their number."""
    rows = Job.objects.filter(connection=LOCAL_CONNECTION, removed_at__isnull=True).order_by()
    counts = {(queue, state): n for queue, state, n in rows.values_list("queue", "state").annotate(n=Count("pk"))}
    waiting = rows.filter(state=State.WAITING.value, rank__isnull=False)
    oldest = dict(waiting.values_list("queue").annotate(Min("timestamp_ms")))
    found = tuple(queues())
    for queue in found:
        queue.connection, queue.is_local = connection, True
        queue.workers = 1 if registry.of(queue.name) else 0
        queue.oldest_waiting_ms = oldest.get(queue.name)
        for state in ORDERS:
            setattr(queue, state.field, counts.get((queue.name, state.value), 0))
    return found


@sync_to_async
def job_page(
    connection: str, queue: str, state: State, start: int, count: int, is_reversed: bool = False
) -> tuple[list[Job], int]:
    """The jobs without their payloads, and how many there are in all."""
    found = ordered(queue, state, is_reversed)
    return [_listed(connection, job) for job in found.defer(*_NOT_LISTED)[start : start + count]], found.count()


def ordered(queue: str, state: State, is_reversed: bool = False) -> QuerySet[Job]:
    found = jobs(queue, state).order_by(*ORDERS.get(state, ("pk",)))
    return found.reverse() if is_reversed else found


@sync_to_async
def jobs_by_id(connection: str, queue: str, state: State, job_ids: Sequence[str]) -> list[Job]:
    """In the order of the ids; those that are in this state no longer are left out."""
    found = {job.job_id: job for job in jobs(queue, state).filter(job_id__in=job_ids).defer(*_NOT_LISTED)}
    return [_listed(connection, found[job_id]) for job_id in job_ids if job_id in found]


@sync_to_async
def total(queue: str, state: State) -> int:
    return jobs(queue, state).count()


@sync_to_async
def searched(queue: str, state: State, job_ids: Sequence[str], largest: int) -> list[tuple[str, tuple[str, str]]]:
    """Of each job its data and its error, as far as they are not larger."""
    found = jobs(queue, state).filter(job_id__in=job_ids).values_list("job_id", "data", "failed_reason")
    held = {job_id: (data[:largest], reason[:largest]) for job_id, data, reason in found}
    return [(job_id, held[job_id]) for job_id in job_ids if job_id in held]


class LocalWalk:
    """What `reads.scan.Walk` is for Redis: a place is behind the last job that was seen and is still there."""

    def __init__(self, queue: str, state: State, is_reversed: bool, after: Place | None) -> None:
        found = ordered(queue, state, is_reversed)
        self._ids: QuerySet[Job, str] = found.values_list("job_id", flat=True)
        self._is_reversed, self.place = is_reversed, after

    async def step(self, count: int) -> list[str]:
        start = await self._start()
        ids = [job_id async for job_id in self._ids[start : start + count]]
        if ids:
            behind = await self._ids.acount() - start - len(ids)
            self.place = Place(0, start + len(ids) - 1, str(max(0, behind)), ids[-1], seen_last(ids, self.place))
        return ids

    async def _start(self) -> int:
        place = self.place
        if place is None:
            return 0
        if [job_id async for job_id in self._ids[place.position : place.position + 1]] == [place.id]:
            return place.position + 1
        held = [job_id async for job_id in self._ids[:MOST_WALKED]]
        at = {job_id: number for number, job_id in enumerate(held)}
        left = [at[job_id] + 1 for job_id in (place.id, *place.seen) if job_id in at]
        if left or not self._is_reversed:
            return left[0] if left else 0
        return max(0, len(held) - int(float(place.score or 0)))


def _listed(connection: str, job: Job) -> Job:
    job.data = job.return_value = job.stacktrace = ""
    return _shown(connection, job)


@sync_to_async
def whole_job(connection: str, queue: str, job_id: str) -> Job | None:
    """The newest with this id, removed or not."""
    job = _newest(queue, job_id).first()
    return job and _shown(connection, job)


def fitted(job: Job) -> tuple[dict[str, int], frozenset[str]]:
    """Cuts what is too large for a page: the size of each payload field, and which were cut."""
    sizes = mirrored.sizes(job)
    cut = frozenset(name for name, size in sizes.items() if size > SHOWN)
    mirrored.cut(job, cut)
    return sizes, cut


@sync_to_async
def payload(queue: str, job_id: str, field: str) -> bytes | None:
    job = _newest(queue, job_id).first()
    return mirrored.payload(job, field) if job else None


@sync_to_async
def log_lines(queue: str, job_id: str, most: int, longest: int | None = LINE_SHOWN) -> tuple[list[str], int]:
    """The last lines, each at most so long (None: whole), and how many there are in all."""
    lines = LogLine.objects.filter(job__in=_newest(queue, job_id).values("pk")[:1])
    last = list(lines.order_by("-pk").values_list("text", flat=True)[:most])
    return [line if longest is None else excerpt(line, longest) for line in reversed(last)], lines.count()


@sync_to_async
def log_range(queue: str, job_id: str, start: int, count: int, longest: int | None) -> tuple[list[str], int]:
    """Lines oldest first from this one on (negative: from the end), and how many there are in all."""
    lines = LogLine.objects.filter(job__in=_newest(queue, job_id).values("pk")[:1]).order_by("pk")
    total = lines.count()
    first = max(total + start, 0) if start < 0 else start
    found = lines.values_list("text", flat=True)[first : first + count]
    return [line if longest is None else excerpt(line, longest) for line in found], total


@sync_to_async
def marks(asked: Sequence[tuple[str, str]]) -> list[JobMark]:
    """Whether jobs that somebody looks at have moved."""
    return [_mark(_newest(queue, job_id).first()) for queue, job_id in asked]


def _mark(job: Job | None) -> JobMark:
    if job is None:
        return JobMark()
    return JobMark(
        life=(job.pk, job.state.encode(), job.stalled_count, job.priority, job.rank, job.removed_at is not None),
        notes=(job.progress.encode("utf-8", "replace"), job.log_lines.count()),
        attempts_started=job.attempts_started,
        attempts_made=job.attempts_made,
        processed_on_ms=job.processed_on_ms,
        finished_on_ms=job.finished_on_ms,
    )


def _newest(queue: str, job_id: str) -> QuerySet[Job]:
    return Job.objects.filter(connection=LOCAL_CONNECTION, queue=queue, job_id=job_id).order_by("-pk")


def _shown(connection: str, job: Job) -> Job:
    """Under the connection that the page names, with the facts that Redis would tell."""
    job.connection, job.is_local = connection, True
    job.is_locked = job.state == State.ACTIVE
    job.due_ms = job.rank if job.state == State.DELAYED else None
    return job
