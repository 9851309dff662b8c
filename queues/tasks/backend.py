"""The backend that `TASKS` names: tasks become jobs of BullMQ queues, and jobs are read as results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, ParamSpec, TypeVar, cast

from django.core import checks
from django.db import connections, transaction

from queues.errors import TorilError
from queues.producer import JobHandle, carrier, queue
from queues.states import State
from queues.tasks.addressing import (
    check_queue_name,
    delay_ms,
    is_queue_name,
    job_priority,
    moment,
    new_job_id,
    now_ms,
    parse_result_id,
    result_id,
)
from queues.tasks.api import (
    BaseTaskBackend,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
)
from queues.tasks.discovery import find_task
from queues.tasks.known import known
from queues.tasks.results import make_result
from queues.tasks.task import TorilTask
from queues.tasks.telling import atell, tell

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
CONNECTION = "default"
_OPTIONS = {"ENQUEUE_ON_COMMIT"}


class TorilBackend(BaseTaskBackend):
    """1. Accept tasks, and keep who they are: only those run.
    2. Enqueue: a job named after the task, with its arguments as data.
    3. Read a job as a result.

    OPTIONS: ENQUEUE_ON_COMMIT (False): inside an atomic block, add the job when it commits.
    """

    task_class = TorilTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    @property
    def enqueues_on_commit(self) -> bool:
        return bool(self.options.get("ENQUEUE_ON_COMMIT", False))

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """toril.E005: a mistake in TASKS."""
        return [checks.Error(sentence, id="toril.E005") for sentence in self.mistakes()]

    def mistakes(self) -> Iterable[str]:
        place = f"TASKS['{self.alias}']"
        for option in sorted(set(self.options) - _OPTIONS):
            yield f"{place}['OPTIONS']['{option}'] is not known; known: {', '.join(sorted(_OPTIONS))}."
        if not isinstance(self.options.get("ENQUEUE_ON_COMMIT", False), bool):
            yield f"{place}['OPTIONS']['ENQUEUE_ON_COMMIT'] must be True or False."
        for name in sorted(map(str, self.queues)):
            if not is_queue_name(name):
                yield f"{place}['QUEUES']: {name!r} is not text of 1 to 40 characters without ':'."

    def validate_task(self, task: Task[..., Any]) -> None:
        """Raises InvalidTask. A task that passes is known from now on: workers of this process run it."""
        super().validate_task(task)
        check_queue_name(task.queue_name)
        if isinstance(task, TorilTask):
            task.check()
        known.add(task, self.queues, type(self))

    # --- enqueueing

    def enqueue(self, task: Task[P, R], args: Any, kwargs: Any) -> TaskResult[P, R]:
        """Add the task's job. Raises InvalidTask or TypeError before anything is written; RedisUnavailable within 2 s.

        In a thread that runs an event loop it raises; `await task.aenqueue(…)` there.
        """
        result = self._new(task, args, kwargs)
        job = _blocking(lambda: self._add(result), "await task.aenqueue(…)")
        if job.is_written:
            tell(task_enqueued, type(self), result)
        else:
            _on_commit(lambda: tell(task_enqueued, type(self), result))
        return result

    async def aenqueue(self, task: Task[P, R], args: Any, kwargs: Any) -> TaskResult[P, R]:
        """As `enqueue`, on the event loop."""
        result = self._new(task, args, kwargs)
        await self._add(result)
        await atell(task_enqueued, type(self), result)
        return result

    def _new(self, task: Task[P, R], args: Any, kwargs: Any) -> TaskResult[P, R]:
        self.validate_task(task)
        return TaskResult(
            task=task,
            id=result_id(task.queue_name, new_job_id()),
            status=TaskResultStatus.READY,
            enqueued_at=moment(now_ms()),
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )

    async def _add(self, result: TaskResult[..., Any]) -> JobHandle:
        task, at = result.task, _ms(cast(datetime, result.enqueued_at))
        return await queue(task.queue_name, CONNECTION).add(
            task.module_path,
            {"args": result.args, "kwargs": result.kwargs},
            on_commit=self.enqueues_on_commit,
            job_id=result.id.rpartition("/")[2],
            timestamp_ms=at,
            delay_ms=delay_ms(task.run_after, at),
            priority=job_priority(task.priority),
            **(task.job_options if isinstance(task, TorilTask) else {}),
        )

    # --- results

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """Raises TaskResultDoesNotExist: removed by the queue's retention, never added, or of a task unknown here.

        In a thread that runs an event loop it raises; `await task.aget_result(…)` there.
        """
        place = self._place(result_id)
        return _blocking(lambda: self._read(*place), "await task.aget_result(…)")

    async def aget_result(self, result_id: str) -> TaskResult[..., Any]:
        """As `get_result`, on the event loop."""
        return await self._read(*self._place(result_id))

    def _place(self, result: str) -> tuple[str, str]:
        found = parse_result_id(result)
        if found is None or (self.queues and found[0] not in self.queues):
            raise TaskResultDoesNotExist(result)
        return found

    async def _read(self, name: str, job_id: str) -> TaskResult[..., Any]:
        record = await carrier().job(CONNECTION, name, job_id)
        if record is None:
            raise TaskResultDoesNotExist(result_id(name, job_id))
        task = find_task(self.alias, record.name)
        if task is None:
            raise TaskResultDoesNotExist(
                f"{result_id(name, job_id)} is of a task that is not declared here: “{record.name}”."
            )
        is_over = record.finished_on_ms is not None
        state = State.UNKNOWN if is_over else await carrier().state(CONNECTION, name, job_id)
        return make_result(task, name, record, state)


def _blocking(make: Callable[[], Awaitable[T]], instead: str) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return carrier().run_sync(make)
    raise TorilError(f"This would block the event loop that runs in this thread; use `{instead}` here.")


def _on_commit(function: Callable[[], object]) -> None:
    """After the job was written, which the same transaction does first."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            transaction.on_commit(function, using=connection.alias)
            return


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
