"""One operation for a page: its words and figures, its jobs and their outcomes, and what may be done to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import links
from dashboard.grants import Grants
from dashboard.moments import now_ms
from dashboard.pages.listing.confirmation import whole
from dashboard.pages.operation import reach, words
from dashboard.request import Request
from queues.lookups import operations as lookup
from queues.lookups.mirror_state import leads
from queues.models import Operation, OperationItem
from queues.operations import Kind, Target, stored

Outcome = OperationItem.Outcome
#: The address's `outcome` → what it shows.
OUTCOMES = {"left": Outcome.PENDING, "done": Outcome.DONE, "moved": Outcome.MOVED, "stayed": Outcome.STAYED}
LABELS = {
    "left": gettext_lazy("Not come to"),
    "done": gettext_lazy("Done"),
    "moved": gettext_lazy("Had moved on"),
    "stayed": gettext_lazy("Stayed"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """An operation as a list or its page shows it."""

    row: Operation
    title: str
    places: str
    meant: str
    standing: str
    outlook: str
    pace: str
    url: str

    @property
    def shares(self) -> list[tuple[str, float, float]]:
        """For the bar, in hundredths: (`done`, from, width) and so on."""
        whole_of = max(self.row.total, self.row.expected if not self.row.is_collected else 0, 1)
        if self.row.is_collecting:
            return [("noted", 0.0, round(100 * self.row.total / whole_of, 3))]
        at, found = 0.0, []
        for name in ("done", "moved", "stayed"):
            width = 100 * getattr(self.row, name) / whole_of
            found.append((name, round(at, 3), round(width, 3)))
            at += width
        return found

    @property
    def group_url(self) -> str:
        """Of the group of failures whose jobs are meant."""
        target = Target.from_json(self.row.target)
        return links.failure_url(target.connection, target.of) if target.kind is Kind.GROUP else ""

    @property
    def percent(self) -> int:
        through = self.row.done + self.row.moved + self.row.stayed
        if self.row.is_over and not self.row.left:
            return 100
        return int(100 * through / self.row.total) if self.row.is_collected and self.row.total else 0

    @property
    def failing_percent(self) -> float | None:
        return 100 * self.row.failed_again / self.row.judged if self.row.judged else None


def line(row: Operation, grants: Grants, leading: bool) -> Line:
    target = Target.from_json(row.target)
    queues = reach.queues_of(row)
    return Line(
        row,
        words.title(row, reach.parameters_of(grants, row)),
        words.places(queues) if queues else "",
        words.meant(target, reach.reads(grants, row)),
        words.standing(row, leading),
        words.outlook(row, now_ms()),
        words.pace(row),
        links.operation_url(row.connection, row.pk),
    )


async def shown(request: Request, row: Operation) -> dict[str, Any]:
    """Everything operation/one.html draws."""
    grants, asked = request.grants, request.GET.get("outcome", "")
    asked = asked if asked in OUTCOMES else ""
    found = await lookup.items(row.pk, [OUTCOMES[asked]] if asked else [], whole(request.GET.get("after")) or 0)
    leading, is_open = await leads(), not row.is_over
    kept = await stored.count(row.pk) if row.kept_jobs or row.keeps else 0
    told = line(row, grants, leading)
    return {
        "line": told,
        "row": row,
        "leads": leading,
        "outcome": asked,
        "tabs": _tabs(row, asked),
        "items": found.items,
        "further": _here(row, outcome=asked or None, after=found.after) if found.after else "",
        "first": _here(row, outcome=asked or None) if "after" in request.GET else "",
        "poll": _here(row, fragment="one", outcome=asked or None, after=request.GET.get("after")) if is_open else "",
        "kept": kept,
        "kept_until": await stored.until(row.pk) if kept else None,
        "parameters": words.details(row.action, reach.parameters_of(grants, row)),
        "repeat": _repeat(row),
        "may_steer": reach.may_steer(grants, row),
        "may_restore": bool(kept) and reach.may_steer(grants, row, "restore"),
        "restorations": await _followed(grants, row.restorations.all()),
        "repetitions": await _followed(grants, row.repetitions.all()),
    }


async def _followed(grants: Grants, rows: QuerySet[Operation]) -> list[tuple[int, str]]:
    """Those that this person sees: somebody else's repetition may have reached further."""
    seen = [row async for row in rows.order_by("pk") if reach.sees(grants, row)]
    return [(row.pk, words.title(row, reach.parameters_of(grants, row))) for row in seen]


def _here(row: Operation, **query: object) -> str:
    return links.operation_url(row.connection, row.pk, **query)


def _tabs(row: Operation, asked: str) -> Sequence[tuple[str, str, int, bool]]:
    """(label, address, how many, whether it is shown)"""
    counts = {"left": row.left, "done": row.done, "moved": row.moved, "stayed": row.stayed}
    every = (_("All"), _here(row), row.total, not asked)
    return [every, *((str(LABELS[name]), _here(row, outcome=name), counts[name], asked == name) for name in OUTCOMES)]


def _repeat(row: Operation) -> str:
    """Where the same is asked for as of now; jobs that were named one by one were touched already."""
    target = Target.from_json(row.target)
    if not row.is_over or target.kind in (Kind.IDS, Kind.STORED):
        return ""
    return links.new_operation_url(row.connection, repeat=row.pk)
