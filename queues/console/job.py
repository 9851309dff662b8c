"""`job` and `add`: one job shown whole, one job added."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from queues.actions import adding
from queues.actions.revealing import reveal_data
from queues.console.exits import Exit
from queues.console.screen import moment, number, printable, printable_lines, size
from queues.console.session import Session
from queues.errors import InvalidInput
from queues.lookups.jobs import JobDetail, job_detail
from queues.lookups.payloads import job_payload
from queues.masking import mask_json, mask_text
from queues.models import Job
from queues.protocol import codec

#: Characters of a payload, and lines of a log, without --full.
SHOWN, LOG_LINES = 2_000, 20
#: BullMQ's name of a payload field → the model's, in the order in which they are shown.
PAYLOADS = {
    "data": "data",
    "progress": "progress",
    "returnvalue": "return_value",
    "failedReason": "failed_reason",
    "stacktrace": "stacktrace",
    "opts": "opts",
}
_NUMBERS = {"priority": "priority", "stalled": "stalled_count"}
_TEXTS = {
    "worker": "processed_by",
    "parent": "parent_key",
    "scheduler": "scheduler_id",
    "deduplicates": "deduplication_id",
}
_MOMENTS = {"added": "timestamp_ms", "started": "processed_on_ms", "finished": "finished_on_ms", "due": "due_ms"}


def show(session: Session, options: Namespace) -> Exit:
    """One job, whole; long payloads are cut unless --full, secrets are masked unless --reveal."""
    detail, payloads = session.run(_look(session, options))
    session.screen.give(_facts(detail, payloads, options.full))
    session.screen.lines(_lines(detail, payloads, options.full))
    return Exit.DONE


async def _look(session: Session, options: Namespace) -> tuple[JobDetail, dict[str, str]]:
    connection, queue, job_id = session.connection, options.queue, options.job
    detail = await job_detail(connection, queue, job_id)
    payloads = {field: getattr(detail.job, column) for field, column in PAYLOADS.items()}
    for field in detail.cut if options.full else ():
        if (whole := await job_payload(connection, queue, job_id, field)) is not None:
            payloads[field] = codec.text(whole)
    if options.reveal:
        await reveal_data(session.actor, connection, queue, job_id, "queues job")
        return detail, payloads
    masked = {field: _mask(field)(text) for field, text in payloads.items()}
    return replace(detail, logs=[mask_text(line) for line in detail.logs]), masked


def _mask(field: str) -> Callable[[str], str]:
    return mask_text if field == "failedReason" else mask_json


def _facts(detail: JobDetail, payloads: dict[str, str], is_full: bool) -> dict[str, Any]:
    """For a program: payloads as values where they are whole JSON, else as text, and `cut` names those cut."""
    job, cut = detail.job, sorted(set() if is_full else detail.cut)
    return {
        "queue": job.queue,
        "id": job.job_id,
        "name": job.name,
        "state": job.state,
        **{f"{name}_ms": getattr(job, column) or None for name, column in _MOMENTS.items()},
        "attempts_made": job.attempts_made,
        "attempts": job.attempts,
        "priority": job.priority,
        "delay_ms": job.delay_ms,
        "stalled_count": job.stalled_count,
        "processed_by": job.processed_by,
        "parent_key": job.parent_key,
        "scheduler_id": job.scheduler_id,
        "deduplication_id": job.deduplication_id,
        **{field: _value(field, text) for field, text in payloads.items()},
        "cut": cut,
        "logs": detail.logs,
        "log_total": detail.log_total,
        "problems": job.problem_list,
        "note": detail.note,
    }


def _value(field: str, text: str) -> Any:
    # A failure's reason is text, though it may look like JSON (PROTOCOL.md §1).
    if field == "failedReason" or not text:
        return text or None
    return codec.parse_json(text) if codec.is_json(text) else text


def _lines(detail: JobDetail, payloads: dict[str, str], is_full: bool) -> list[str]:
    job = detail.job
    lines = [f"{printable(job.queue)} {printable(job.job_id)} “{printable(job.name)}”: {job.state_enum.label.lower()}"]
    if detail.note:
        lines.append(printable(detail.note))
    lines += [f"  {name:<12} {value}" for name, value in _rows(job)]
    lines += [f"  problem      {printable(problem)}" for problem in job.problem_list]
    for field, text in payloads.items():
        if text and (field != "opts" or is_full):
            lines += _payload(field, text, detail, is_full)
    return lines + _logs(detail, is_full)


def _rows(job: Job) -> list[tuple[str, str]]:
    values = [(name, moment(getattr(job, column))) for name, column in _MOMENTS.items()]
    values.append(("attempts", f"{number(job.attempts_made)} of {number(job.attempts)}"))
    values += [(name, number(getattr(job, column) or None)) for name, column in _NUMBERS.items()]
    values += [(name, printable(getattr(job, column))) for name, column in _TEXTS.items()]
    return [(name, value) for name, value in values if value]


def _payload(field: str, text: str, detail: JobDetail, is_full: bool) -> list[str]:
    shown = "\n".join(job_stacks(text)) if field == "stacktrace" else text
    is_cut = not is_full and (len(shown) > SHOWN or field in detail.cut)
    if is_cut:
        shown = f"{shown[:SHOWN]}…"
    said = f"  {field} ({size(detail.sizes.get(field, len(text)))}{', cut: --full shows it whole' if is_cut else ''})"
    return [said, *(f"    {line}" for line in printable_lines(shown))]


def job_stacks(text: str) -> list[str]:
    """The newest attempt's stack last."""
    parsed = codec.parse_json(text)
    return [str(stack) for stack in parsed] if isinstance(parsed, list) else [text]


def _logs(detail: JobDetail, is_full: bool) -> list[str]:
    if not detail.logs:
        return []
    shown = detail.logs if is_full else detail.logs[-LOG_LINES:]
    left = f", the last {len(shown)} of {number(detail.log_total)}" if len(shown) < detail.log_total else ""
    return [f"  logs{left}", *(f"    {line}" for text in shown for line in printable_lines(text))]


# --- add


def add(session: Session, options: Namespace) -> Exit:
    """Add one job."""
    given, data = _options(options), _data(options.data)
    if session.is_dry_run:
        new = adding.check_job(options.queue, options.name, data, given)
        sentence = (
            f"would add a job “{new.name}” to queue “{options.queue}”, with {size(len(new.data.encode()))} of data."
        )
        return session.would(sentence, queue=options.queue, name=new.name, options=dict(new.options))
    adder = adding.add_job(session.actor, session.connection, options.queue, options.name, data, given)
    job_id, done = session.run(adder)
    session.screen.say(done.message)
    session.screen.give({"queue": options.queue, "id": job_id, "name": options.name})
    return Exit.DONE


def _options(options: Namespace) -> dict[str, Any]:
    """What the flags say, and what --options says beyond them."""
    try:
        more = json.loads(options.options) if options.options else {}
    except ValueError as error:
        raise InvalidInput(f"--options is not JSON: {error}.") from None
    if not isinstance(more, dict):
        raise InvalidInput("--options must be a JSON object.")
    flags = {name: getattr(options, name) for name in ("job_id", "priority", "attempts", "backoff")}
    if options.delay is not None:
        flags["delay_ms"] = options.delay
    if options.lifo:
        flags["lifo"] = True
    return more | {name: value for name, value in flags.items() if value is not None}


def _data(given: str | None) -> Any:
    """JSON as it was given: in the argument, in `@file`, or for `-` on standard input."""
    if given is None:
        return adding.NO_DATA
    try:
        if given == "-":
            text = sys.stdin.read()
        elif given.startswith("@"):
            text = Path(given[1:]).read_text(encoding="utf-8")
        else:
            text = given
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The data cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The data is not JSON: {error}.") from None
