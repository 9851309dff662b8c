"""Calls a processor's function: tells the signals, binds log lines to the job, and makes an outcome of its end."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from structlog.contextvars import bind_contextvars

from queues.runs.job import JobFacts
from queues.runs.outcome import Failed, Outcome, of_error, of_result
from queues.signals import job_finished, job_started

Function = Callable[[Any], Any]

# structlog's own variables, by way of what binding them returns: to bind by name costs every job four times as much.
_tokens = contextvars.copy_context().run(bind_contextvars, queue="", job_id="", job_name="", attempt=0)
_QUEUE, _JOB_ID, _JOB_NAME, _ATTEMPT = (_tokens[name].var for name in ("queue", "job_id", "job_name", "attempt"))


async def call_async(function: Function, job: JobFacts[Any]) -> Outcome:
    """Run an async processor to its end. A CancelledError of whatever origin is an outcome like any other error."""
    _began(function, job)
    error: BaseException | None = None
    try:
        outcome = of_result(await function(job))
    except BaseException as raised:
        error, outcome = raised, of_error(raised)
    _ended(function, job, outcome, error)
    try:
        return outcome
    finally:
        # The error's traceback holds this frame: what the job had would wait for the garbage collector.
        del outcome, error


def call_plain(function: Function, job: JobFacts[Any]) -> Outcome:
    """Run a plain processor here and now. Never raises."""
    _began(function, job)
    error: BaseException | None = None
    try:
        outcome = of_result(function(job))
    except BaseException as raised:
        error, outcome = raised, of_error(raised)
    _ended(function, job, outcome, error)
    try:
        return outcome
    finally:
        del outcome, error


def _began(function: Function, job: JobFacts[Any]) -> None:
    # In a context of the job's own, so that nothing has to be taken back.
    _QUEUE.set(job.queue)
    _JOB_ID.set(job.id)
    _JOB_NAME.set(job.name)
    _ATTEMPT.set(job.attempt)
    if job_started.receivers:
        job_started.tell(function, job=job)
        # A receiver that looks is not the processor.
        job._has_seen = False


def _ended(function: Function, job: JobFacts[Any], outcome: Outcome, error: BaseException | None) -> None:
    if job_finished.receivers:
        has_seen, failure = job._has_seen, error if isinstance(outcome, Failed) else None
        job_finished.tell(function, job=job, error=failure, duration_ms=job._duration_ms)
        job._has_seen = has_seen
