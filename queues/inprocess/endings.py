"""Whoever waits for a job's end in this process hears of it at once; of jobs that run elsewhere by looking."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from asgiref.sync import sync_to_async

from queues.errors import JobNotFound
from queues.models import Job
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.results import Ending
from queues.states import State

#: How often to look, beside being told.
LOOK_S = 0.5

_lock = threading.Lock()
_waiting: dict[int, set[Future[None]]] = {}


def tell(pk: int) -> None:
    """The job with this row has ended, and it is committed."""
    with _lock:
        futures = _waiting.pop(pk, set())
    for future in futures:
        if future.set_running_or_notify_cancel():
            future.set_result(None)


async def ending(queue: str, job_id: str, timeout_s: float | None) -> Ending | None:
    """How the job ended, once it has; None where `timeout_s` passed. Raises JobNotFound."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    pk = await _newest(queue, job_id)
    while True:
        with _told(pk) as told:
            if (found := await _ended(queue, job_id, pk)) is not None:
                return found
            left_s = LOOK_S if deadline is None else min(LOOK_S, deadline - time.monotonic())
            if left_s <= 0:
                return None
            await asyncio.wait({asyncio.wrap_future(told)}, timeout=left_s)


@contextmanager
def _told(pk: int) -> Iterator[Future[None]]:
    future: Future[None] = Future()
    with _lock:
        _waiting.setdefault(pk, set()).add(future)
    try:
        yield future
    finally:
        future.cancel()
        with _lock:
            if (others := _waiting.get(pk)) is not None:
                others.discard(future)
                if not others:
                    del _waiting[pk]


@sync_to_async
def _newest(queue: str, job_id: str) -> int:
    found = Job.objects.filter(connection=LOCAL_CONNECTION, queue=queue, job_id=job_id).order_by("-pk")
    pk = found.values_list("pk", flat=True).first()
    if pk is None:
        raise JobNotFound(queue, job_id)
    return pk


@sync_to_async
def _ended(queue: str, job_id: str, pk: int) -> Ending | None:
    job = Job.objects.filter(pk=pk).only("state", "return_value", "failed_reason", "removed_at").first()
    if job is not None and job.state == State.COMPLETED:
        return Ending(is_failed=False, value=job.return_value or "null")
    if job is not None and job.state == State.FAILED:
        return Ending(is_failed=True, reason=job.failed_reason)
    if job is None or job.removed_at is not None:
        raise JobNotFound(queue, job_id)
    return None
