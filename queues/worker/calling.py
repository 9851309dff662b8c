"""Calls a processor's function: tells the signals, binds log lines to the job, and makes an outcome of its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from queues.signals import job_finished, job_started
from queues.worker.job import JobFacts
from queues.worker.outcome import Failed, Outcome, of_error, of_result

Function = Callable[[Any], Any]


async def call_async(function: Function, job: JobFacts[Any]) -> Outcome:
    """Run an async processor to its end. A CancelledError of whatever origin is an outcome like any other error."""
    _began(function, job)
    error: BaseException | None = None
    try:
        outcome = of_result(await function(job))
    except BaseException as raised:
        error, outcome = raised, of_error(raised)
    _ended(function, job, outcome, error)
    return outcome


def call_plain(function: Function, job: JobFacts[Any]) -> Outcome:
    """Run a plain processor here and now. Never raises."""
    _began(function, job)
    error: BaseException | None = None
    try:
        outcome = of_result(function(job))
    except BaseException as raised:
        error, outcome = raised, of_error(raised)
    _ended(function, job, outcome, error)
    return outcome


def _began(function: Function, job: JobFacts[Any]) -> None:
    if job_started.receivers:
        job_started.tell(function, job=job)


def _ended(function: Function, job: JobFacts[Any], outcome: Outcome, error: BaseException | None) -> None:
    if job_finished.receivers:
        failure = error if isinstance(outcome, Failed) else None
        job_finished.tell(function, job=job, error=failure, duration_ms=job._duration_ms)
