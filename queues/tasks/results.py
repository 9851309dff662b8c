"""A job as its queue keeps it → the result that the tasks API shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from queues.errors import UnrecoverableError
from queues.protocol.codec import JobRecord, parse_json
from queues.states import State
from queues.tasks import story
from queues.tasks.addressing import moment, result_id, task_priority
from queues.tasks.api import Task, TaskResult, TaskResultStatus


def read_arguments(data: Any) -> tuple[list[Any], dict[str, Any]]:
    """`{"args": […], "kwargs": {…}}`, either of which may be absent. Raises UnrecoverableError for anything else."""
    args, kwargs = (data.get("args", []), data.get("kwargs", {})) if isinstance(data, dict) else (None, None)
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise UnrecoverableError('The data of a task\'s job is {"args": […], "kwargs": {…}}; this is something else.')
    return args, kwargs


def as_task(task: Task[..., Any], queue: str, opts: Any, timestamp_ms: int) -> Task[..., Any]:
    """The task as it was enqueued, of its declaration and the job's options."""
    opts = opts if isinstance(opts, dict) else {}
    delay, priority = opts.get("delay"), opts.get("priority")
    return replace(
        task,
        queue_name=queue,
        priority=task_priority(priority) if isinstance(priority, int) and priority else task.priority,
        run_after=moment(timestamp_ms + delay) if isinstance(delay, int) and delay > 0 else None,
    )


def status_of(record: JobRecord, state: State) -> TaskResultStatus:
    """A finished job's fields say how it ended; of others only where they are."""
    if record.finished_on_ms is not None:
        # Of an earlier attempt's failure the reason stays: what was returned decides.
        return TaskResultStatus.SUCCESSFUL if record.return_value else TaskResultStatus.FAILED
    return TaskResultStatus.RUNNING if state is State.ACTIVE else TaskResultStatus.READY


def make_result(task: Task[..., Any], queue: str, record: JobRecord, state: State) -> TaskResult[..., Any]:
    """`task` is the one of the job's name. Never raises for what a job holds."""
    status = status_of(record, state)
    past = story.told(_traces(record))
    workers = _workers(record, past, status)
    try:
        args, kwargs = read_arguments(parse_json(record.data))
    except UnrecoverableError:
        args, kwargs = [], {}
    result: TaskResult[..., Any] = TaskResult(
        task=as_task(task, queue, parse_json(record.opts), record.timestamp_ms),
        id=result_id(queue, record.id),
        status=status,
        enqueued_at=moment(record.timestamp_ms),
        started_at=_started_at(record, past, len(workers)),
        last_attempted_at=moment(record.processed_on_ms) if workers else None,
        finished_at=moment(record.finished_on_ms),
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=_errors(record, past, status),
        worker_ids=workers,
    )
    if status is TaskResultStatus.SUCCESSFUL:
        object.__setattr__(result, "_return_value", parse_json(record.return_value))
    return result


def _traces(record: JobRecord) -> list[str]:
    found = parse_json(record.stacktrace) if record.stacktrace else None
    return [str(trace) for trace in found] if isinstance(found, list) else []


def _workers(record: JobRecord, past: story.Told, status: TaskResultStatus) -> list[str]:
    """One for each attempt. BullMQ keeps the last; the tracebacks of failed attempts tell of those before."""
    count = record.attempts_made + (status is TaskResultStatus.RUNNING)
    if not count and record.processed_by and record.finished_on_ms is not None:
        # It ended without an attempt being counted: its worker was lost too often.
        count = 1
    workers = past.workers(count)
    if workers and record.processed_by and status is not TaskResultStatus.READY:
        workers[-1] = record.processed_by
    return workers


def _started_at(record: JobRecord, past: story.Told, attempts: int) -> datetime | None:
    if not attempts:
        return None
    return (past.started_at if attempts > 1 else None) or moment(record.processed_on_ms)


def _errors(record: JobRecord, past: story.Told, status: TaskResultStatus) -> list[Any]:
    if past.errors or status is not TaskResultStatus.FAILED:
        return past.errors
    return [story.StoredError(exception_class_path=story.UNKNOWN_KIND, traceback=record.failed_reason)]
