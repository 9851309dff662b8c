"""What becomes of a row when its job starts, is tried again, or ends. Synchronous; a later word replaces an earlier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import IntegrityError, transaction

from dashboard.systems.models import Scan, Status, Work
from queues.protocol.codec import parse_json
from queues.systems.settings import SCANS

Word = Literal["started", "retried", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Note:
    """What was heard of a job. `said` is its result as JSON, or why it failed; `data` the job's, where it started."""

    word: Word
    queue: str
    job_id: str
    at: datetime
    said: str = ""
    data: Mapping[str, Any] | None = None


def write(note: Note) -> None:
    """Bring the job's row to what the note says. A job without a row has none afterwards, but for scheduled scans."""
    rows = Work.objects.filter(queue=note.queue, job_id=note.job_id)
    if note.word in ("started", "retried"):
        # Notes of two workers may come in the wrong order: what has completed stays so.
        rows = rows.exclude(status=Status.COMPLETED)
    if not rows.update(**changes(note)) and note.word == "started" and note.queue in SCANS:
        _begin_scheduled(note)


def changes(note: Note) -> dict[str, Any]:
    if note.word == "started":
        return {"status": Status.PROCESSING, "started_at": note.at, "completed_at": None, "error_message": ""}
    if note.word == "retried":
        return {"status": Status.QUEUED, "error_message": storable(note.said)}
    if note.word == "completed":
        result = storable(parse_json(note.said)) if note.said else None
        return {"status": Status.COMPLETED, "completed_at": note.at, "error_message": "", "result": result}
    return {"status": Status.FAILED, "completed_at": note.at, "error_message": storable(note.said)}


def storable(value: Any) -> Any:
    """What every database takes: PostgreSQL has no NUL and no half of a character, neither in text nor in JSON."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [storable(one) for one in value]
    if isinstance(value, dict):
        return {storable(name): storable(one) for name, one in value.items()}
    return value


def _begin_scheduled(note: Note) -> None:
    """A scheduler's job has no row before it starts; who made the scheduler owns it."""
    data = note.data if isinstance(note.data, dict) else {}
    owner = data.get("scheduledBy")
    if not isinstance(owner, str) or Work.objects.filter(queue=note.queue, job_id=note.job_id).exists():
        return
    told = {name: storable(str(data.get(name, ""))) for name in ("url", "plan", "webhookUrl")}
    scan = Scan(
        queue=note.queue,
        job_id=note.job_id,
        owner=owner[:500],
        url=told["url"][:2_000],
        plan=told["plan"][:20],
        webhook_url=told["webhookUrl"][:2_000],
        owes_webhook=bool(told["webhookUrl"]),
        status=Status.PROCESSING,
        started_at=note.at,
    )
    try:
        with transaction.atomic():
            scan.save()
    except IntegrityError:
        # Its second attempt, on another worker.
        pass
