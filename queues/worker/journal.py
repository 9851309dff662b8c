"""The worker's log lines. What others wrote (names, ids, reasons) is one printable line before it gets there."""

from __future__ import annotations

import logging

from queues.protocol.taken import TakenJob

log = logging.getLogger("queues.worker")
MAX_WORDS = 300


def started(queue: str, taken: TakenJob) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info("started %s", _job(queue, taken), extra=_fields(queue, taken))


def progress(queue: str, job_id: str, value_json: str) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info("progress of %s %s: %s", line(queue), line(job_id), line(value_json), extra={"job_id": job_id})


def completed(queue: str, taken: TakenJob, duration_ms: int) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info("completed %s in %d ms", _job(queue, taken), duration_ms, extra=_fields(queue, taken))


def failed(queue: str, taken: TakenJob, duration_ms: int, reason: str, delay_ms: int | None) -> None:
    """`delay_ms`: when the next attempt is due; None where there is none."""
    after = "for good" if delay_ms is None else f"next attempt in {delay_ms} ms" if delay_ms else "next attempt at once"
    words = _job(queue, taken), duration_ms, after, line(reason)
    log.warning("failed %s in %d ms, %s: %s", *words, extra=_fields(queue, taken))


def handed_back(queue: str, taken: TakenJob, duration_ms: int) -> None:
    words = _job(queue, taken), duration_ms
    log.warning("handed back %s after %d ms, unfinished", *words, extra=_fields(queue, taken))


def not_stored(queue: str, taken: TakenJob, why: str) -> None:
    log.warning("outcome of %s was not stored: %s", _job(queue, taken), line(why), extra=_fields(queue, taken))


def line(text: str) -> str:
    """The first line, printable and short."""
    first = text.strip().partition("\n")[0][:MAX_WORDS]
    return first if first.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in first)


def _job(queue: str, taken: TakenJob) -> str:
    return (
        f"{line(queue)} {line(taken.id)} “{line(taken.name)}” (attempt {taken.attempts_made + 1} of {taken.attempts})"
    )


def _fields(queue: str, taken: TakenJob) -> dict[str, object]:
    return {"queue": queue, "job_id": taken.id, "job_name": taken.name, "attempt": taken.attempts_made + 1}
