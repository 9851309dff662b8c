"""A job as Bull Board tells of one. What it carries is masked, and left out for whoever may not read it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from dashboard.api.board.written import as_stored
from dashboard.grants import Grants
from dashboard.presentation import external_link, formatted
from queues.lookups.wholes import Whole
from queues.masking import mask_json, mask_text
from queues.models import Job
from queues.protocol.codec import parse_json

#: BullMQ's short names of options → what its programs call them.
OPTIONS = {
    "de": "deduplication",
    "fpof": "failParentOnFailure",
    "cpof": "continueParentOnFailure",
    "idof": "ignoreDependencyOnFailure",
    "rdof": "removeDependencyOnFailure",
    "kl": "keepLogs",
}
_TELEMETRY = {"tm": "metadata", "omc": "omitContext"}
#: More bytes than these are masked beside the loop.
MUCH = 256 * 1024


async def app_jobs(found: Sequence[Whole], grants: Grants) -> list[dict[str, Any]]:
    """`grants`: those on their queue."""
    may_read = grants.may("job.payload")
    if may_read and sum(whole.bytes for whole in found) > MUCH:
        return await asyncio.to_thread(lambda: [app_job(whole, may_read) for whole in found])
    return [app_job(whole, may_read) for whole in found]


def app_job(whole: Whole, may_read: bool) -> dict[str, Any]:
    """`truncated` and `withheld` are ours: what was too large to send, and that payload may not be read."""
    job = whole.job
    told: dict[str, Any] = {"id": job.job_id, "timestamp": job.timestamp_ms}
    told |= _set(processedOn=job.processed_on_ms, processedBy=job.processed_by, finishedOn=job.finished_on_ms)
    told |= _payload(whole) if may_read else _withheld()
    told |= {"attempts": job.attempts_made, "delay": job.delay_ms, "name": formatted(job.queue, "name", job.name)}
    told["isFailed"] = bool(job.failed_reason or "failedReason" in whole.too_large or has_stacks(whole))
    if link := external_link(job):
        told["externalUrl"] = {"href": link.href, "displayText": link.text}
    diverged = job.attempts_started if job.attempts_started > job.attempts_made else 0
    told |= _set(priority=job.priority, attemptsStarted=diverged, stalledCounter=job.stalled_count)
    return told | _set(deduplicationId=job.deduplication_id)


def has_stacks(whole: Whole) -> bool:
    return "stacktrace" in whole.too_large or any(whole.job.stacks)


def _set(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _withheld() -> dict[str, Any]:
    none: dict[str, Any] = {"progress": 0, "stacktrace": [], "opts": {"attempts": 0}, "data": {}, "returnValue": None}
    return none | {"withheld": True}


def _payload(whole: Whole) -> dict[str, Any]:
    job, left = whole.job, whole.too_large
    opts = options_of(job.opts)
    told = {
        "progress": _value(job, "progress", job.progress or "0", left.get("progress")),
        **_set(failedReason=_text(job.failed_reason, left.get("failedReason"))),
        "stacktrace": stacks(job) if "stacktrace" not in left else [_text("", left["stacktrace"])],
        "opts": opts,
        "data": _value(job, "data", job.data or "{}", left.get("data")),
        "returnValue": _value(job, "return_value", job.return_value or "null", left.get("returnvalue")),
        **_set(deferredFailure=mask_text(job.deferred_failure)),
    }
    group = opts.get("group")
    if isinstance(group, dict) and isinstance(group.get("id"), str | int):
        told["groupId"] = group["id"]
    return told | ({"truncated": sorted(left)} if left else {})


def _value(job: Job, kind: str, stored: str, left_bytes: int | None) -> Any:
    """As it is stored where that is JSON, else its text."""
    if left_bytes is not None:
        return _text("", left_bytes)
    return as_stored(mask_json(formatted(job.queue, kind, stored))) or mask_text(stored)


def _text(stored: str, left_bytes: int | None) -> str:
    return mask_text(stored) if left_bytes is None else f"… {left_bytes:,} bytes, too large to be sent here …"


def stacks(job: Job) -> list[str]:
    """One for each failed attempt, the newest first."""
    return [mask_text(stack) for stack in reversed(job.stacks) if stack]


def options_of(stored: str) -> dict[str, Any]:
    """A job's options under BullMQ's names, masked."""
    found = parse_json(as_stored(mask_json(stored or "{}")) or "{}")
    held: dict[str, Any] = found if isinstance(found, dict) else {}
    told: dict[str, Any] = {"attempts": 0}
    for name, value in held.items():
        if name in _TELEMETRY:
            told.setdefault("telemetry", {})[_TELEMETRY[name]] = value
        elif name != "repeatJobKey":
            told[OPTIONS.get(name, name)] = value
    if isinstance(told.get("backoff"), int | float):
        told["backoff"] = {"type": "fixed", "delay": told["backoff"]}
    return told
