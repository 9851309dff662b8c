"""Jobs that run in the process that added them (`USE_JOB_QUEUE=false`): which rows they are, their order, their news.

They are the rows that the mirror writes too, under a connection's name of their own: switching the mode on or off
neither runs what waits in a Redis nor loses what waits here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, models, transaction
from django.db.models.functions import Cast

from queues.models.job import Job
from queues.models.queue import Queue
from queues.options import get_options
from queues.options.values import LOCAL_CONNECTION
from queues.states import State

#: Waiting and prioritized jobs in the order in which they run; a waiting job has no priority.
RUNNING_ORDER = ("priority", "rank", "pk")


def is_in_process() -> bool:
    """Whether jobs run in the processes that add them, and there is no Redis."""
    return not get_options().use_job_queue


def jobs(queue: str, *states: State) -> models.QuerySet[Job]:
    """The queue's jobs that are not removed, in these states (none: in all)."""
    found = Job.objects.filter(connection=LOCAL_CONNECTION, queue=queue, removed_at__isnull=True).order_by()
    return found.filter(state__in=[state.value for state in states]) if states else found


def queues() -> models.QuerySet[Queue]:
    return Queue.objects.filter(connection=LOCAL_CONNECTION, removed_at__isnull=True).order_by("name")


@contextmanager
def writing() -> Iterator[None]:
    """A transaction that reads and then writes, on a database as Django sets it up by itself.

    SQLite refuses it at once ("database is locked") where another has written in between, whatever its timeout. One
    that begins by writing waits for its turn; under `transaction_mode: IMMEDIATE` every one does.
    """
    with transaction.atomic():
        if connection.vendor == "sqlite":
            Queue.objects.filter(pk=0).update(is_paused=False)
        yield


def ready_state() -> models.Case:
    """Where a job waits that may run now, as BullMQ has it: by its priority."""
    return models.Case(
        models.When(priority__gt=0, then=models.Value(State.PRIORITIZED.value)),
        default=models.Value(State.WAITING.value),
    )


def id_from_key() -> Cast:
    """A job that names no id has its row's number."""
    return Cast("pk", models.CharField(max_length=1024))


_rank_lock = threading.Lock()
_last_rank = 0


def next_rank() -> int:
    """A place behind all that wait: the time in microseconds, never the same twice in a process."""
    global _last_rank
    with _rank_lock:
        _last_rank = max(_last_rank + 1, time.time_ns() // 1_000)
        return _last_rank


def first_rank() -> int:
    """A place before all that wait."""
    return -next_rank()


class Bell:
    """Rings when the change that is being made is committed. A hint: what other processes change rings nothing here."""

    def __init__(self) -> None:
        self._listeners: set[Callable[[], None]] = set()

    def ring(self) -> None:
        transaction.on_commit(self._tell, robust=True)

    def listen(self, listener: Callable[[], None]) -> None:
        """`listener` is called in whatever thread has committed, and must not block."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners.discard(listener)

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


#: Some row has changed: for whoever looks.
news = Bell()
#: There may be a job to run: for whoever runs jobs.
work = Bell()
