"""Tells the signals what Redis has in writing: each costs an attribute's look where nobody listens."""

from __future__ import annotations

from queues.runs.execution import Execution
from queues.signals import job_completed, job_failed, job_retried


def completed(run: Execution, queue: str, result_json: str) -> None:
    if job_completed.receivers:
        job_completed.tell(_sender(run), job=run.facts(queue), duration_ms=run.duration_ms, result_json=result_json)


def failed(run: Execution, queue: str, reason: str, trace: str, delay_ms: int | None) -> None:
    """`delay_ms`: when the next attempt is due; None where there is none."""
    signal = job_failed if delay_ms is None else job_retried
    if signal.receivers:
        facts = {"job": run.facts(queue), "duration_ms": run.duration_ms, "reason": reason, "trace": trace}
        signal.tell(_sender(run), **facts, **({} if delay_ms is None else {"delay_ms": delay_ms}))


def _sender(run: Execution) -> object:
    return None if run.processor is None else run.processor.function
