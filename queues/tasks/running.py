"""One run of a task by a worker: a processor made of the task's function, with the API's context and signals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from django.utils import timezone

from queues.errors import DelayedError, RateLimitError, UnrecoverableError, WaitingChildrenError
from queues.runs.outcome import is_unrecoverable
from queues.tasks import story
from queues.tasks.addressing import moment, result_id
from queues.tasks.api import (
    Task,
    TaskContext,
    TaskResult,
    TaskResultStatus,
    normalize_json,
    task_finished,
    task_started,
)
from queues.tasks.results import read_arguments
from queues.tasks.telling import atell, tell

#: By which a task moves its job: no failure, and no end.
_MOVES = (DelayedError, RateLimitError, WaitingChildrenError)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext(TaskContext):  # type: ignore[type-arg, misc]
    """The API's context, with the job on top: `context.job.log(…)`, `.progress(…)`, `.cancelled`."""

    job: Any


class NotJson(TypeError, UnrecoverableError):
    """What a task returned cannot be written; another attempt would return the same."""


def runner(task: Task[..., Any], queue: str, sender: type[Any]) -> Callable[[Any], Any]:
    """The processor for jobs of this task: async as the task is."""
    run = _async_runner(task, queue, sender) if iscoroutinefunction(task.func) else _runner(task, queue, sender)
    run.__module__, run.__qualname__ = task.func.__module__, task.func.__qualname__
    return run


def _runner(task: Task[..., Any], queue: str, sender: type[Any]) -> Callable[[Any], Any]:
    def run(job: Any) -> Any:
        attempt = Attempt(task, queue, job)
        tell(task_started, sender, attempt.result)
        try:
            value = attempt.returned(task.func(*attempt.arguments, **attempt.result.kwargs))
        except BaseException as error:
            # Within the handler: who logs the signal asks for the exception.
            if attempt.raised(error):
                tell(task_finished, sender, attempt.result)
            raise
        tell(task_finished, sender, attempt.result)
        return value

    return run


def _async_runner(task: Task[..., Any], queue: str, sender: type[Any]) -> Callable[[Any], Any]:
    async def run(job: Any) -> Any:
        attempt = Attempt(task, queue, job)
        await atell(task_started, sender, attempt.result)
        try:
            value = attempt.returned(await task.func(*attempt.arguments, **attempt.result.kwargs))
        except BaseException as error:
            if attempt.raised(error):
                frames = error.__traceback__
                await atell(task_finished, sender, attempt.result)
                # On its way through a thread, where receivers find it, it was raised once more.
                error.__traceback__ = frames
            raise
        await atell(task_finished, sender, attempt.result)
        return value

    return run


class Attempt:
    """What a task's context and signals show of a run, from its start to its end."""

    def __init__(self, task: Task[..., Any], queue: str, job: Any) -> None:
        """Raises UnrecoverableError where the job's data is not a task's."""
        args, kwargs = read_arguments(job.data)
        self._job = job
        self._started = timezone.now()
        past = story.told(job.earlier_traces)
        self.result: TaskResult[..., Any] = TaskResult(
            task=task,
            id=result_id(queue, job.id),
            status=TaskResultStatus.RUNNING,
            enqueued_at=moment(job.timestamp_ms),
            started_at=past.started_at or self._started,
            last_attempted_at=self._started,
            finished_at=None,
            args=args,
            kwargs=kwargs,
            backend=task.backend,
            errors=past.errors,
            worker_ids=[*past.workers(job.attempt - 1), job.worker],
        )

    @property
    def arguments(self) -> list[Any]:
        result = self.result
        return (
            [JobContext(task_result=result, job=self._job), *result.args] if result.task.takes_context else result.args
        )

    def returned(self, value: Any) -> Any:
        """The value as JSON has it. Raises NotJson."""
        try:
            value = normalize_json(value)
        except (TypeError, ValueError) as error:
            raise NotJson(str(error)) from None
        self._set(status=TaskResultStatus.SUCCESSFUL, finished_at=timezone.now(), _return_value=value)
        return value

    def raised(self, error: BaseException) -> bool:
        """Note in the error what its traceback is to tell; whether this ends the task as failed.

        Of a cancelled job the worker decides what becomes of it, not the error.
        """
        if isinstance(error, _MOVES) or self._job.cancelled:
            return False
        kind = TypeError if isinstance(error, NotJson) else type(error)
        story.tell(error, kind, self._job.attempt, self._job.worker, self._started)
        if self._job.attempt < self._job.attempts and not is_unrecoverable(error):
            return False
        self.result.errors.append(story.error_of(error, kind))
        self._set(status=TaskResultStatus.FAILED, finished_at=timezone.now())
        return True

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self.result, name, value)
