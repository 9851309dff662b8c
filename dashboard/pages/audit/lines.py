"""A row of the audit as a person may read it, masked: on the page and in exports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.grants import Grants
from queues.lookups.audit_rows import UNDER_WAY
from queues.masking import mask_json, mask_text
from queues.models import AuditEntry, Outcome

SHOWN_CHARS = 400
LONGEST_EXPORTED = 20_000
#: Parameters that a form's choices make up; all others may hold what a job carries.
PLAIN = frozenset(
    "state grace_ms count field for force label scheduler verb delay_ms priority attempts reset lifo to max duration_ms"
    " concurrency release before_ms kept".split()
)
COLUMNS = (
    "at", "closed_at", "actor", "action", "connection", "queue", "job_id", "parameters", "outcome", "affected",
    "message",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    entry: AuditEntry
    parameters: str
    message: str

    @property
    def is_under_way(self) -> bool:
        return self.entry.outcome == Outcome.OPENED and timezone.now() - self.entry.at < UNDER_WAY

    @property
    def outcome(self) -> str:
        if self.is_under_way:
            return _("under way")
        words = {"opened": _("outcome unknown"), "done": _("done"), "refused": _("refused"), "failed": _("failed")}
        return words.get(self.entry.outcome, self.entry.outcome)


def line(entry: AuditEntry, grants: Grants, longest: int = SHOWN_CHARS) -> Line:
    may_read = grants.on(entry.queue, entry.connection).may("job.payload") if entry.queue else grants.may("job.payload")
    return Line(entry, _parameters(entry.parameters, may_read)[:longest], mask_text(entry.message)[:longest])


def _parameters(stored: str, may_read: bool) -> str:
    if may_read or not stored:
        return mask_json(stored)
    try:
        told = json.loads(stored)
    except (ValueError, RecursionError):
        return ""
    shown = {key: value for key, value in told.items() if key in PLAIN} if isinstance(told, dict) else {}
    return mask_json(json.dumps(shown, ensure_ascii=False)) if shown else ""


def values(entry: AuditEntry, grants: Grants) -> dict[str, Any]:
    told = line(entry, grants, LONGEST_EXPORTED)
    closed = entry.closed_at.isoformat() if entry.closed_at else ""
    return {
        **{name: getattr(entry, name) for name in ("actor", "action", "connection", "queue", "job_id", "affected")},
        "at": entry.at.isoformat(),
        "closed_at": closed,
        "parameters": told.parameters,
        "message": told.message,
        "outcome": "unknown" if entry.outcome == Outcome.OPENED and not told.is_under_way else entry.outcome,
    }
