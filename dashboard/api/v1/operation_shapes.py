"""Bulk work as this API tells it and takes it: an operation, its jobs, which jobs are meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from pydantic import BaseModel, Field

from dashboard.api.v1.asking import Sent
from dashboard.api.v1.values import plain
from dashboard.grants import Grants
from dashboard.moments import now_ms
from dashboard.pages.operation import reach as operation_reach
from dashboard.pages.operation import words
from dashboard.pages.operation.target import USUAL
from queues.errors import InvalidInput
from queues.lookups import search
from queues.models import Operation as Row
from queues.models import OperationItem
from queues.operations import Preview as Counted
from queues.operations import Target
from queues.states import State

Action = Literal["retry", "promote", "remove", "clean", "move", "reprioritize"]
InState = Literal["waiting", "active", "prioritized", "delayed", "failed", "completed", "waiting-children"]
QueueText = Annotated[str, Field(min_length=1, max_length=512)]
OUTCOMES = {"left": 0, "done": 1, "moved": 2, "stayed": 3}
NAMES = {value: name for name, value in OUTCOMES.items()}


class Named(Sent):
    """One job by its name."""

    queue: QueueText
    id: str = Field(min_length=1, max_length=1024)


class Meant(Sent):
    """Which jobs: those named in `jobs`; or what `search` finds; or a `group` of failures; or all in `states` of
    `queues`. Exactly one of the four ways. What comes after `before_ms` (now, where it is absent) is not meant.
    """

    jobs: list[Named] | None = Field(default=None, min_length=1, max_length=10_000)
    search: str | None = Field(default=None, min_length=1, max_length=1_000)
    group: int | None = Field(default=None, ge=1, le=2**53)
    queues: list[QueueText] | None = Field(default=None, min_length=1, max_length=1_000)
    states: list[InState] = Field(default_factory=list, max_length=7)
    before_ms: int | None = Field(default=None, ge=1, le=2**41)

    def target(self, connection: str, action: str) -> Target:
        """Raises InvalidInput."""
        ways = [way for way in ("jobs", "search", "group", "queues") if getattr(self, way) is not None]
        if len(ways) != 1:
            raise InvalidInput(_("Say which jobs in one way: jobs, search, group, or queues with states."))
        states = tuple(dict.fromkeys(State(state) for state in self.states))
        before = min(self.before_ms or now_ms(), now_ms())
        if self.group is not None:
            return Target.of_group(connection, self.group, before)
        if self.search is not None:
            search.parse(self.search, before)
            found = Target.of_search(connection, self.search, before)
            return replace(found, states=states or USUAL.get(action, ()))
        if self.jobs is not None:
            only = states[0] if len(states) == 1 else None
            return Target.of_ids(connection, [(job.queue, job.id) for job in self.jobs], only, before)
        return Target.of_state(connection, self.queues or [], states, before)


class Wanted(Sent):
    """An action on many jobs."""

    action: Action
    target: Meant
    to: str | None = Field(default=None, max_length=512, description="Of a move: the other queue.")
    priority: int | None = Field(default=None, ge=0, le=2_097_151, description="Of a change of priority.")
    reset_attempts: bool = Field(default=False, description="Of a retry: count attempts anew.")

    def parameters(self) -> dict[str, Any]:
        if self.action == "move":
            return {"queue": self.to or ""}
        if self.action == "reprioritize":
            return {"priority": self.priority}
        return {"reset_attempts": True} if self.action == "retry" and self.reset_attempts else {}


class Begun(Wanted):
    """An action on many jobs, to be begun."""

    reason: str = Field(default="", max_length=1_000, description="Kept on record; a removal needs one.")
    rate_per_s: float | None = Field(default=None, ge=0.1, le=100_000, description="At most so many jobs per second.")
    stop_percent: float | None = Field(
        default=None, gt=0, lt=100, description="Of a retry: stop where more of a hundred fail again."
    )
    keeps: bool = Field(default=True, description="Keep what is removed, so that it can be restored.")
    confirm: str = Field(
        default="",
        max_length=512,
        description="Of a removal that keeps nothing: the queue's name, or `remove` where it is not one.",
    )


class Preview(BaseModel):
    """What an operation would touch; nothing was changed."""

    count: int
    is_least: bool = Field(description="There may be more.")
    queues: dict[str, int]
    left_out: list[str] = Field(description="Queues in which the caller may not do this.")
    restorable: bool
    why_not: str = Field(description="Why it cannot begin; empty where it can.")
    warnings: list[str]


class Operation(BaseModel):
    """Bulk work. Figures are numbers of jobs."""

    number: int
    action: str
    title: str
    phase: Literal["running", "paused", "done", "cancelled"]
    message: str = Field(description="Why it paused or ended early.")
    connection: str
    queues: list[str] | None = Field(description="Those it is about; null: every one.")
    reason: str
    actor: str
    rate_per_s: float | None
    stop_percent: float | None
    is_collected: bool = Field(description="All its jobs are found; until then none is touched.")
    expected: int
    total: int
    done: int
    moved: int = Field(description="Had moved on before they were come to.")
    stayed: int = Field(description="Were refused.")
    left: int
    speed_per_s: float
    kept_jobs: int
    restores: int | None = Field(description="The operation whose jobs it brings back.")
    created_at: datetime
    ended_at: datetime | None


class Item(BaseModel):
    """What became of one job of an operation."""

    seq: int
    queue: str
    id: str
    state: str = Field(description="As it was found.")
    outcome: Literal["left", "done", "moved", "stayed"]
    note: str = Field(description="Why it stayed; of a moved job its new id.")


_SAME = (
    "action message connection reason actor rate_per_s stop_percent is_collected expected total done moved stayed"
    " left kept_jobs created_at ended_at"
).split()


def shown(row: Row, grants: Grants) -> Operation:
    queues = operation_reach.queues_of(row)
    return Operation.model_validate(
        {name: getattr(row, name) for name in _SAME}
        | {
            "number": row.pk,
            "title": words.title(row, operation_reach.parameters_of(grants, row)),
            "phase": str(row.phase),
            "queues": None if queues is None else [plain(queue) for queue in queues],
            "speed_per_s": row.speed,
            "restores": row.restores_id,
        }
    )


def item(row: OperationItem) -> Item:
    return Item.model_validate(
        {
            "seq": row.seq,
            "queue": plain(row.queue),
            "id": plain(row.job_id),
            "state": row.state,
            "outcome": NAMES[row.outcome],
            "note": row.note,
        }
    )


def counted(found: Counted, left_out: tuple[str, ...]) -> Preview:
    return Preview(
        count=found.count,
        is_least=found.is_least,
        queues=dict(found.queues),
        left_out=list(left_out),
        restorable=found.restorable,
        why_not=found.why_not,
        warnings=list(found.warnings),
    )
