"""How a task's result is addressed and ordered among BullMQ's jobs, and when: ids, priorities, moments."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import get_random_string

from queues.tasks.api import InvalidTask

#: A result's id has at most 64 characters: the queue's name, a slash, the job's id.
LONGEST_QUEUE = 40
_ID_LENGTH = 22
#: BullMQ runs jobs without a priority before all others, then 1 before 2: Django's 100 becomes 1, 0 → 101, -100 → 201.
_LOWEST = 101
_SPAN = 100


def new_job_id() -> str:
    """131 random bits; a letter first, for whole numbers are BullMQ's own ids."""
    return "t" + get_random_string(_ID_LENGTH - 1)


def result_id(queue: str, job_id: str) -> str:
    """The tail of the job's page: `/admin/queues/queue/<queue>/<job id>`."""
    return f"{queue}/{job_id}"


def parse_result_id(result: object) -> tuple[str, str] | None:
    """The queue and the job's id, or None for what is no id of ours."""
    queue, slash, job_id = result.rpartition("/") if isinstance(result, str) else ("", "", "")
    return (queue, job_id) if slash and is_queue_name(queue) and is_job_id(job_id) else None


def is_job_id(job_id: str) -> bool:
    return bool(job_id) and ":" not in job_id


def is_queue_name(queue: object) -> bool:
    return isinstance(queue, str) and 0 < len(queue) <= LONGEST_QUEUE and ":" not in queue


def check_queue_name(queue: object) -> None:
    if not is_queue_name(queue):
        raise InvalidTask(f"A task's queue has a name of 1 to {LONGEST_QUEUE} characters without ':', not {queue!r}.")


def job_priority(task_priority: int) -> int:
    """Django's (higher runs first) as BullMQ's (lower runs first)."""
    return _LOWEST - int(task_priority)


def task_priority(job_priority: int) -> int:
    """BullMQ's as Django's; a job that others added with another one, or none, counts as the nearest."""
    return max(-_SPAN, min(_SPAN, _LOWEST - job_priority))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def delay_ms(run_after: datetime | None, now: int) -> int:
    """From `now` (milliseconds) until then; never before, so a part of a millisecond counts as one."""
    if run_after is None:
        return 0
    return max(0, math.ceil(run_after.timestamp() * 1000) - now)


def moment(ms: int | None) -> datetime | None:
    """Aware, or with USE_TZ = False naive local time: as everything that Django itself writes."""
    if not ms:
        return None
    found = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return found if settings.USE_TZ else timezone.make_naive(found)
