"""New jobs as rows: all of a call or none. Synchronous; inside an atomic block they are part of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import IntegrityError

from queues.inprocess.stream import stream
from queues.models import Job, Queue
from queues.models.local import first_rank, id_from_key, jobs, news, next_rank, work, writing
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.adding import NewJob, wire_options
from queues.protocol.codec import text, to_json
from queues.states import State

UNFINISHED = (State.WAITING, State.PRIORITIZED, State.DELAYED, State.ACTIVE)
#: A process that adds the same id at the same moment makes the database refuse ours; then theirs is there.
TRIES = 3
#: What the id of a row begins with until its number is known; no job's id holds it.
UNNUMBERED = ":"
#: What a job cannot share with another: ("id", …) or ("deduplication", …).
Claim = tuple[str, str]


def add(holder: str, queue: str, new: Sequence[NewJob]) -> list[str]:
    """Write the jobs; their ids in order. One whose id or deduplication id another job has gives that one's id."""
    for tries_left in reversed(range(TRIES)):
        try:
            with writing():
                ids = _add(holder, queue, new)
                news.ring()
                work.ring()
                return ids
        except IntegrityError:
            if not tries_left:
                raise
    raise AssertionError("unreachable")


def _add(holder: str, queue: str, new: Sequence[NewJob]) -> list[str]:
    open_queue(queue)
    known, found = _known(queue, new), list[Job]()
    rows: list[Job] = []
    for job in new:
        claims = _claims(job)
        row = next((known[claim] for claim in claims if claim in known), None)
        if row is None:
            row = _row(holder, queue, job)
            rows.append(row)
            known |= dict.fromkeys(claims, row)
        found.append(row)
    _forget_namesakes(queue, rows)
    Job.objects.bulk_create(rows)
    _number(rows)
    for row in rows:
        stream.tell(queue, "added", row.job_id, "name", row.name)
    return [row.job_id for row in found]


def open_queue(queue: str) -> None:
    """Make the queue's own row, or open it again."""
    known = Queue.objects.filter(connection=LOCAL_CONNECTION, name=queue)
    if not known.filter(removed_at__isnull=True).exists() and not known.update(removed_at=None):
        Queue.objects.bulk_create([Queue(connection=LOCAL_CONNECTION, name=queue)], ignore_conflicts=True)


def _known(queue: str, new: Sequence[NewJob]) -> dict[Claim, Job]:
    """The jobs that are there already, by what the new ones claim."""
    claims = [claim for job in new for claim in _claims(job)]
    ids = [name for kind, name in claims if kind == "id"]
    held = [name for kind, name in claims if kind == "deduplication"]
    known: dict[Claim, Job] = {}
    if ids:
        known |= {("id", job.job_id): job for job in jobs(queue).filter(job_id__in=ids)}
    if held:
        # No row is there to collide with, so those who add wait for each other.
        Queue.objects.select_for_update().filter(connection=LOCAL_CONNECTION, name=queue).first()
        holders = jobs(queue, *UNFINISHED).filter(deduplication_id__in=held)
        known |= {("deduplication", job.deduplication_id): job for job in holders}
    return known


def _claims(job: NewJob) -> list[Claim]:
    claims = [("id", stored(job.id)), ("deduplication", _deduplication_id(job))]
    return [claim for claim in claims if claim[1]]


def _deduplication_id(job: NewJob) -> str:
    return stored((job.options.get("deduplication") or {}).get("id", ""))


def _forget_namesakes(queue: str, rows: Sequence[Job]) -> None:
    """Of a job that was removed in the very millisecond in which its id comes back."""
    for row in rows:
        if not row.job_id.startswith(UNNUMBERED):
            same = Job.objects.filter(
                connection=LOCAL_CONNECTION, queue=queue, job_id=row.job_id, timestamp_ms=row.timestamp_ms
            )
            same.filter(removed_at__isnull=False).delete()


def _number(rows: Sequence[Job]) -> None:
    """A job that names no id has its row's number."""
    unnumbered = [row for row in rows if row.job_id.startswith(UNNUMBERED)]
    if unnumbered:
        ours = Job.objects.filter(pk__range=(unnumbered[0].pk, unnumbered[-1].pk), connection=LOCAL_CONNECTION)
        ours.filter(job_id__startswith=UNNUMBERED).update(job_id=id_from_key())
        for row in unnumbered:
            row.job_id = str(row.pk)


def _row(holder: str, queue: str, job: NewJob) -> Job:
    delay_ms, priority = int(job.options.get("delay_ms") or 0), int(job.options.get("priority") or 0)
    return Job(
        connection=LOCAL_CONNECTION,
        queue=queue,
        job_id=stored(job.id) or f"{UNNUMBERED}{uuid.uuid4().hex}",
        timestamp_ms=job.timestamp_ms,
        name=stored(job.name),
        data=stored(job.data),
        opts=stored(to_json(wire_options(job.options, ""))),
        delay_ms=delay_ms,
        priority=priority,
        deduplication_id=_deduplication_id(job),
        holder=holder,
        state=(State.DELAYED if delay_ms else State.PRIORITIZED if priority else State.WAITING).value,
        rank=_rank(job, delay_ms),
    )


def _rank(job: NewJob, delay_ms: int) -> int:
    if delay_ms:
        return job.timestamp_ms + delay_ms
    return first_rank() if job.options.get("lifo") and not job.options.get("priority") else next_rank()


def stored(value: str) -> str:
    """As the mirror stores what it reads in Redis: every database takes it, and `codec.raw` gives it back."""
    return text(value.encode())
