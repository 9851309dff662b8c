"""A job as this API tells it: a line of a list, and one whole. What it carries only to whoever may read it, masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from ninja import Path
from pydantic import BaseModel, Field

from dashboard.api.v1.paging import Page
from dashboard.api.v1.values import masked_texts, masked_value, plain
from dashboard.grants import Grants
from queues.lookups.jobs import JobDetail
from queues.lookups.payloads import job_payload
from queues.masking import mask_text
from queues.models import Job as Row
from queues.options import get_options
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.codec import raw, text
from queues.protocol.reads.families import ref_of
from queues.states import State

JobId = Annotated[str, Path(min_length=1, max_length=1024, description="A job's id.")]
#: BullMQ's name of a payload field → the model's and this API's.
FIELDS: Mapping[str, tuple[str, str]] = {
    "data": ("data", "data"),
    "opts": ("opts", "options"),
    "returnvalue": ("return_value", "result"),
    "progress": ("progress", "progress"),
}


class JobLine(BaseModel):
    """A job without what it carries. Moments are milliseconds since 1970."""

    connection: str
    queue: str
    id: str
    name: str
    state: State
    timestamp_ms: int = Field(description="When it was added.")
    processed_on_ms: int | None = Field(description="When it was started last.")
    finished_on_ms: int | None
    due_ms: int | None = Field(description="When a delayed job runs.")
    delay_ms: int
    priority: int
    attempts_started: int
    attempts_made: int
    stalled_count: int
    parent: str | None = Field(
        description="Its parent as BullMQ writes it, `<prefix>:<queue>:<id>`; null also where its queue is not seen."
    )
    scheduler_id: str | None
    deduplication_id: str | None
    worker: str | None = Field(description="Who took it last.")
    is_live: bool = Field(description="Redis has it; else this is what the mirror kept.")
    problems: list[str] = Field(description="What is odd about how it is stored.")
    error: str | None = Field(
        description="The first line of what it failed with; null where nothing did, or what jobs carry may not be read."
    )


class Payload(BaseModel):
    """What a job carries and says, secrets masked. What is no JSON comes as text."""

    data: Any
    options: Any = Field(description="As BullMQ stores them, under its names.")
    result: Any
    progress: Any
    failed_reason: str | None
    stacktrace: list[str] = Field(description="One per failed attempt, oldest first, as far as they are kept.")
    left_out: list[str] = Field(description="Those of these that are too large for this answer, and so null.")


class Job(JobLine):
    """A job whole."""

    attempts: int = Field(description="How many it is allowed.")
    is_locked: bool = Field(description="A worker holds it now.")
    payload: Payload | None = Field(description="Null for whoever may not read what jobs carry.")
    log_lines: int
    note: str = Field(description="Why this is not what Redis has, where it is not.")


class Jobs(Page[JobLine]):
    """Some of many jobs. `searched` and `lag_s` say where a search looked."""

    total: int | None = Field(description="How many there are in all, where that is known.")
    is_least: bool = Field(description="There may be more than `total`.")
    lag_s: float | None = Field(description="How far what was searched is behind Redis.")
    searched: str


def line(row: Row, grants: Grants) -> JobLine:
    return JobLine(**_facts(row, grants, is_live=row.removed_at is None))


def _facts(row: Row, grants: Grants, *, is_live: bool) -> dict[str, Any]:
    same = {name: getattr(row, name) for name in JobLine.model_fields if name in _SAME}
    place = connection_name(row.connection)
    reads = grants.on(row.queue, place).may("job.payload")
    texts = {
        "id": row.job_id, "name": row.name, "parent": _parent(row, place, grants),
        "scheduler_id": row.scheduler_id, "deduplication_id": row.deduplication_id, "worker": row.processed_by,
    }  # fmt: skip
    return {
        **same,
        **{name: plain(value) if value or name in ("id", "name") else None for name, value in texts.items()},
        "connection": place,
        "queue": plain(row.queue),
        "due_ms": row.due_ms,
        "is_live": is_live,
        "problems": [plain(problem) for problem in row.problem_list],
        "error": plain(mask_text(row.failed_reason[:2_000]).split("\n", 1)[0]) if reads and row.failed_reason else None,
    }


def _parent(row: Row, connection: str, grants: Grants) -> str:
    """Its key, for whoever sees the queue in which it lies; one of an unknown prefix only for who sees everything."""
    if not row.parent_key or grants.sees_all:
        return row.parent_key
    ref = ref_of(connection, raw(row.parent_key))
    return row.parent_key if ref.is_known and grants.sees(ref.queue, ref.connection) else ""


_SAME = frozenset(
    "state timestamp_ms processed_on_ms finished_on_ms delay_ms priority attempts_started attempts_made"
    " stalled_count".split()
)


def connection_name(stored: str) -> str:
    """As addresses name it: rows of jobs in process have one of their own."""
    return "default" if stored == LOCAL_CONNECTION else stored


async def whole(detail: JobDetail, grants: Grants, connection: str) -> Job:
    """Large fields, up to `TORIL["API"]["FIELD_KB"]`, are read for it one by one."""
    row = detail.job
    reads = grants.on(row.queue, connection_name(row.connection)).may("job.payload")
    return Job(
        **_facts(row, grants, is_live=detail.is_live),
        attempts=row.attempts,
        is_locked=row.is_locked,
        payload=await _payload(detail, connection) if reads else None,
        log_lines=detail.log_total,
        note=detail.note,
    )


async def _payload(detail: JobDetail, connection: str) -> Payload:
    row, values, left_out = detail.job, dict[str, Any](), list[str]()
    for wire, (attribute, name) in FIELDS.items():
        stored: str | None = getattr(row, attribute)
        if wire in detail.cut:
            stored = await _large(detail, connection, wire)
        if stored is None:
            left_out.append(name)
        values[name] = await masked_value(stored or "")
    reason = row.failed_reason
    left_out += [name for name, wire in (("failed_reason", "failedReason"), ("stacktrace", "stacktrace"))
                 if wire in detail.cut]  # fmt: skip
    (said,) = await masked_texts([reason])
    return Payload(**values, failed_reason=said or None, stacktrace=await masked_texts(row.stacks), left_out=left_out)


async def _large(detail: JobDetail, connection: str, wire: str) -> str | None:
    if detail.sizes[wire] > get_options().api.field_kb * 1024:
        return None
    row = detail.job
    stored = await job_payload(connection, row.queue, row.job_id, wire, None if detail.is_live else row.timestamp_ms)
    return text(stored) if stored is not None else None
