"""The worker's log lines. What others wrote (names, ids, reasons) is one printable line before it gets there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queues.worker.execution import Execution

log = logging.getLogger("queues.worker")
MAX_WORDS = 300


def started(queue: str, run: Execution) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info("started %s", _job(queue, run), extra=_fields(queue, run))


def progress(queue: str, job_id: str, value_json: str) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info("progress of %s %s: %s", line(queue), line(job_id), line(value_json), extra={"job_id": job_id})


def completed(queue: str, run: Execution) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info("completed %s in %d ms", _job(queue, run), run.duration_ms, extra=_fields(queue, run))


def failed(queue: str, run: Execution, reason: str, delay_ms: int | None) -> None:
    """`delay_ms`: when the next attempt is due; None where there is none."""
    after = "for good" if delay_ms is None else f"next attempt in {delay_ms} ms" if delay_ms else "next attempt at once"
    log.warning(
        "failed %s in %d ms, %s: %s", _job(queue, run), run.duration_ms, after, line(reason), extra=_fields(queue, run)
    )


def handed_back(queue: str, run: Execution) -> None:
    log.warning("handed back %s after %d ms, unfinished", _job(queue, run), run.duration_ms, extra=_fields(queue, run))


def not_stored(queue: str, run: Execution, why: str) -> None:
    log.warning("outcome of %s was not stored: %s", _job(queue, run), line(why), extra=_fields(queue, run))


def line(text: str) -> str:
    """The first line, printable and short."""
    first = text.strip().partition("\n")[0][:MAX_WORDS]
    return first if first.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in first)


def _job(queue: str, run: Execution) -> str:
    taken = run.taken
    return (
        f"{line(queue)} {line(taken.id)} “{line(taken.name)}” (attempt {taken.attempts_made + 1} of {taken.attempts})"
    )


def _fields(queue: str, run: Execution) -> dict[str, object]:
    taken = run.taken
    return {"queue": queue, "job_id": taken.id, "job_name": taken.name, "attempt": taken.attempts_made + 1}
