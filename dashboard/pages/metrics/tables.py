"""The tables below the charts: queues, or the job names of one, with their shares and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.pages.metrics.charts import text_of
from queues.lookups.history import History, Total

#: Queues that are listed; a site with more narrows by opening one.
MOST = 200
SORTS = ("busiest", "slowest", "failing", "name")
#: Fewer jobs than this say little of how often one fails.
LEAST_ENDED = 5


@dataclass(frozen=True, slots=True)
class Share:
    """A piece of a bar of 100."""

    state: str
    at: float
    width: float


@dataclass(frozen=True, slots=True)
class TotalLine:
    total: Total
    shares: Sequence[Share]
    failure: str
    run: Sequence[str]
    wait: Sequence[str]


def sort_of(asked: str) -> str:
    return asked if asked in SORTS else SORTS[0]


def lines(found: History, asked: str) -> list[TotalLine]:
    sort = sort_of(asked)
    ordered = sorted(found.totals, key=lambda total: (_rank(total, sort), total.name))
    return [_line(total) for total in ordered[:MOST]]


def extremes(found: History) -> tuple[Total | None, Total | None]:
    """The slowest name by its p95, and the one that fails most often; None where there is none."""
    slowest = max((t for t in found.totals if t.run_ms[1] is not None), key=lambda t: t.run_ms[1] or 0, default=None)
    judged = [t for t in found.totals if t.failed and t.ended >= LEAST_ENDED]
    return slowest, max(judged, key=lambda t: t.failure_rate or 0, default=None)


def _rank(total: Total, sort: str) -> float:
    if sort == "slowest":
        return -(total.run_ms[1] or 0)
    if sort == "failing":
        return -(total.failure_rate or 0)
    return 0 if sort == "name" else -total.ended


def _line(total: Total) -> TotalLine:
    shares, at, whole = [], 0.0, total.completed + total.failed + total.retried
    for state, count in (("completed", total.completed), ("delayed", total.retried), ("failed", total.failed)):
        if count:
            shares.append(Share(state, round(at, 2), round(max(100 * count / whole, 0.8), 2)))
            at += 100 * count / whole
    return TotalLine(total, shares, percent(total.failure_rate), _texts(total.run_ms), _texts(total.wait_ms))


def _texts(times: Sequence[float | None]) -> list[str]:
    return [text_of(value, "ms") for value in times]


def percent(share: float | None) -> str:
    """`0 %`, `0.04 %`, `12 %`; nothing where nothing ended."""
    if share is None:
        return ""
    return f"{100 * share:.0f} %" if share in (0, 1) or share >= 0.0995 else f"{100 * share:.2g} %"
