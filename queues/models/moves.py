"""What may be done to jobs that run in process, row by row: put back, promote, remove, trim. Synchronous, each atomic.

Every move says in its WHERE what it believes, so of two at once one moves and the other finds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from queues.models import local
from queues.models.job import Job
from queues.models.logline import LogLine
from queues.models.queue import Queue
from queues.options.values import LOCAL_CONNECTION
from queues.states import State

#: SQLite takes no more values than this in one query, in its older versions.
CLOSED_AT_ONCE = 500
#: What one job's end removes of others, as BullMQ's.
MOST_TRIMMED = 1_000
#: Everywhere but in a processor's hands.
AT_REST = (State.WAITING, State.PRIORITIZED, State.DELAYED, State.COMPLETED, State.FAILED)


def retry(queue: str, job_ids: Sequence[str], state: State, *, afresh: bool = False, first: bool = False) -> int:
    """Let jobs that ended run again; how many did. `afresh`: no attempt counts; `first`: before all that wait."""
    changes: dict[str, Any] = {"failed_reason": ""} if state is State.FAILED else {"return_value": ""}
    if afresh:
        changes |= {"attempts_made": 0, "attempts_started": 0}
    rank = local.first_rank() if first else local.next_rank()
    changes |= {"state": local.ready_state(), "rank": rank, "processed_on_ms": None}
    moved = local.jobs(queue, state).filter(job_id__in=job_ids)
    return _rung(moved.update(finished_on_ms=None, **changes))


def promote(queue: str, job_ids: Sequence[str]) -> int:
    """Let delayed jobs run now; how many did."""
    moved = local.jobs(queue, State.DELAYED).filter(job_id__in=job_ids)
    return _rung(moved.update(state=local.ready_state(), rank=local.next_rank(), delay_ms=0))


def remove(found: models.QuerySet[Job]) -> int:
    """Close these rows and forget their logs; how many there were. A job that runs must not be among them."""
    with local.writing():
        keys = list(found.filter(state__in=[state.value for state in AT_REST]).values_list("pk", flat=True))
        closed = _close(keys)
    return _rung(closed)


def change_priority(queue: str, job_id: str, priority: int, *, first: bool = False) -> int:
    """For a job that waits, also its place among them; for any other what it will have."""
    rank = local.first_rank() if first else local.next_rank()
    with transaction.atomic():
        found = local.jobs(queue).filter(job_id=job_id)
        changed = found.update(priority=priority)
        ready = found.filter(state__in=(State.WAITING.value, State.PRIORITIZED.value))
        ready.update(state=local.ready_state(), rank=rank)
    return _rung(changed)


def change_delay(queue: str, job_id: str, delay_ms: int, due_ms: int) -> int:
    """Only of a job that is delayed."""
    return _rung(local.jobs(queue, State.DELAYED).filter(job_id=job_id).update(delay_ms=delay_ms, rank=due_ms))


def clean(queue: str, state: State, before_ms: int, limit: int) -> list[str]:
    """Remove jobs that ended, or were added, by then, oldest first, at most `limit` (0: all); their ids."""
    since = "finished_on_ms" if state.is_finished else "timestamp_ms"
    found = local.jobs(queue, state).exclude(state=State.ACTIVE.value).filter(**{f"{since}__lte": before_ms})
    with local.writing():
        removed = dict(found.order_by(since, "pk").values_list("pk", "job_id")[: limit or None])
        _close(list(removed))
    _rung(len(removed))
    return list(removed.values())


def trim(job: int, queue: str, state: State, keep: Sequence[tuple[str, int]], now_ms: int) -> None:
    """BullMQ's retention, where this job has just ended: keep so many of the newest (`count`), none older than `age`
    seconds. A count of 0 removes this job and looks at no other.
    """
    bounds = dict(keep)
    count, age_s = bounds.get("count", -1), bounds.get("age", 0)
    if count == 0:
        _close([job])
        return
    ended = local.jobs(queue, state)
    if age_s > 0:
        _close(
            list(ended.filter(finished_on_ms__lte=now_ms - age_s * 1_000).values_list("pk", flat=True)[:MOST_TRIMMED])
        )
    if count > 0:
        newest = ended.order_by("-finished_on_ms", "-pk")
        _close(list(newest.values_list("pk", flat=True)[count : count + MOST_TRIMMED]))


def _close(keys: Sequence[int]) -> int:
    closed = 0
    for at in range(0, len(keys), CLOSED_AT_ONCE):
        some = keys[at : at + CLOSED_AT_ONCE]
        LogLine.objects.filter(job_id__in=some).delete()
        live = Job.objects.filter(pk__in=some, removed_at__isnull=True).exclude(state=State.ACTIVE.value)
        closed += live.update(removed_at=timezone.now(), rank=None, holder="")
    return closed


def set_paused(queue: str, is_paused: bool) -> bool:
    """Whether that changed anything."""
    changed = Queue.objects.filter(connection=LOCAL_CONNECTION, name=queue, is_paused=not is_paused)
    return bool(_rung(changed.update(is_paused=is_paused)))


def obliterate(queue: str) -> None:
    """Close every row of the queue, and the queue's own. What runs finds its outcome refused."""
    with transaction.atomic():
        keys = local.jobs(queue).values_list("pk", flat=True)
        LogLine.objects.filter(job_id__in=keys).delete()
        local.jobs(queue).update(removed_at=timezone.now(), rank=None, holder="")
        Queue.objects.filter(connection=LOCAL_CONNECTION, name=queue).update(removed_at=timezone.now(), is_paused=False)
    _rung(1)


def _rung(count: int) -> int:
    if count:
        local.news.ring()
        local.work.ring()
    return count
