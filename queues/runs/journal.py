"""The worker's log lines. What others wrote (names, ids, reasons) is one printable line before it gets there."""

from __future__ import annotations

import logging

from queues.protocol.taken import TakenJob

log = logging.getLogger("queues.worker")
MAX_WORDS = 300


def started(queue: str, taken: TakenJob) -> None:
    if log.isEnabledFor(logging.INFO):
        _say(logging.INFO, f"started {_job(queue, taken)}", queue, taken)


def progress(queue: str, job_id: str, value_json: str) -> None:
    if log.isEnabledFor(logging.INFO):
        log.info("progress of %s %s: %s", line(queue), line(job_id), line(value_json), extra={"job_id": job_id})


def completed(queue: str, taken: TakenJob, duration_ms: int) -> None:
    if log.isEnabledFor(logging.INFO):
        _say(logging.INFO, f"completed {_job(queue, taken)} in {duration_ms} ms", queue, taken, duration_ms)


def failed(queue: str, taken: TakenJob, duration_ms: int, reason: str, delay_ms: int | None) -> None:
    """`delay_ms`: when the next attempt is due; None where there is none."""
    after = "for good" if delay_ms is None else f"next attempt in {delay_ms} ms" if delay_ms else "next attempt at once"
    words = f"failed {_job(queue, taken)} in {duration_ms} ms, {after}: {line(reason)}"
    _say(logging.WARNING, words, queue, taken, duration_ms)


def put_off(queue: str, taken: TakenJob, duration_ms: int, wish: str) -> None:
    """The processor asked that its job is run again, and when."""
    if log.isEnabledFor(logging.INFO):
        words = f"put off {_job(queue, taken)} after {duration_ms} ms; it asked to be run again {wish}"
        _say(logging.INFO, words, queue, taken, duration_ms)


def handed_back(queue: str, taken: TakenJob, duration_ms: int) -> None:
    words = f"handed back {_job(queue, taken)} after {duration_ms} ms, unfinished"
    _say(logging.WARNING, words, queue, taken, duration_ms)


def not_stored(queue: str, taken: TakenJob, why: str) -> None:
    _say(logging.WARNING, f"outcome of {_job(queue, taken)} was not stored: {line(why)}", queue, taken)


def line(text: str) -> str:
    """The first line, printable and short."""
    if len(text) <= MAX_WORDS and text.isprintable():
        return text
    first = text.strip().partition("\n")[0][:MAX_WORDS]
    return first if first.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in first)


def _job(queue: str, taken: TakenJob) -> str:
    return (
        f"{line(queue)} {line(taken.id)} “{line(taken.name)}” (attempt {taken.attempts_made + 1} of {taken.attempts})"
    )


def _say(level: int, words: str, queue: str, taken: TakenJob, duration_ms: int | None = None) -> None:
    """A record with the job bound to it, made here: to look up the caller costs a third of a line."""
    if not log.isEnabledFor(level):
        return
    record = logging.LogRecord(log.name, level, __file__, 0, words, None, None)
    bound = record.__dict__
    bound["queue"], bound["job_id"], bound["job_name"] = queue, taken.id, taken.name
    bound["attempt"] = taken.attempts_made + 1
    if duration_ms is not None:
        bound["duration_ms"] = duration_ms
    log.handle(record)
