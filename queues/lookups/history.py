"""A queue's figures over hours, days or weeks, in steps that fit: from the tables, and from Redis what they lack yet.

Percentiles are of histograms that were added up. A step in which nobody recorded anything is a gap.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asgiref.sync import sync_to_async
from django.db.models import Count, Max, Q, QuerySet, Sum

from queues import histogram
from queues.lookups import minutes
from queues.models import Deploy, MirrorSize, Sample, SampleCursor
from queues.models.sample import DAY_S, EVENTS, HOUR_S, LISTS, MINUTE_S, QUARTER_S, TEN_MINUTES_S, WORKERS
from queues.protocol.samples import Ended

BY_WORKERS = Q(source=WORKERS, recorded__gt=0)
SHARES = (0.5, 0.95, 0.99)
MOST_DEPLOYS = 50
#: Of so many queues of a list the times are told, the busiest: each costs as many histograms as there are steps.
MOST_TIMED = 40


@dataclass(frozen=True, slots=True)
class Range:
    """So far back, drawn in steps of `step_s`, read from rows of `row_s`; sums for a list from those of `sum_s`."""

    name: str
    span_s: int
    step_s: int
    row_s: int
    sum_s: int


RANGES = {
    found.name: found
    for found in (
        Range("1h", 3_600, MINUTE_S, MINUTE_S, TEN_MINUTES_S),
        Range("24h", 86_400, TEN_MINUTES_S, TEN_MINUTES_S, HOUR_S),
        Range("7d", 604_800, HOUR_S, HOUR_S, HOUR_S),
        Range("30d", 2_592_000, QUARTER_S, QUARTER_S, QUARTER_S),
        Range("1y", 31_536_000, DAY_S, DAY_S, DAY_S),
    )
}


@dataclass(slots=True)
class Point:
    """One step, from `at` (seconds since the epoch); `recorded` of its minutes were."""

    at: int
    recorded: int = 0
    ended: Ended = field(default_factory=Ended)
    #: Whether somebody told how many were retried: our workers do, event streams and BullMQ's lists do not.
    has_retries: bool = False
    waiting: int | None = None
    delayed: int | None = None
    oldest_ms: int | None = None

    def per_minute(self, count: int) -> float | None:
        return count / self.recorded if self.recorded else None

    def retried_per_minute(self) -> float | None:
        return self.per_minute(self.ended.retried) if self.has_retries else None

    def run_ms(self) -> list[float | None]:
        return histogram.percentiles(self.ended.run, SHARES)

    def wait_ms(self) -> list[float | None]:
        return histogram.percentiles(self.ended.wait, SHARES)

    def raise_backlog(self, waiting: int | None, delayed: int | None, oldest_ms: int | None) -> None:
        self.waiting = _larger(self.waiting, waiting)
        self.delayed = _larger(self.delayed, delayed)
        self.oldest_ms = _larger(self.oldest_ms, oldest_ms)


@dataclass(slots=True)
class Total:
    """Of one queue or one job name over the whole range. `run_ms` and `wait_ms` are p50, p95, p99."""

    name: str
    completed: int = 0
    failed: int = 0
    retried: int = 0
    recorded: int = 0
    has_retries: bool = False
    run_ms: Sequence[float | None] = (None, None, None)
    wait_ms: Sequence[float | None] = (None, None, None)

    @property
    def ended(self) -> int:
        return self.completed + self.failed

    @property
    def failure_rate(self) -> float | None:
        return self.failed / self.ended if self.ended else None


@dataclass(slots=True)
class History:
    """`points` oldest first, every step of the range. `until_s` is how far the tables reach; None where no mirror has
    ever taken samples. `has_lists`: some of it comes from BullMQ's own lists, which know neither times nor names.
    """

    range: Range
    points: list[Point]
    totals: list[Total]
    until_s: int | None
    deploys: list[Deploy]
    now_s: int
    has_lists: bool = False
    #: Some of it the mirror saw in the queue's event stream, which does not tell retries.
    has_events: bool = False
    #: All that is kept of all queues; None before it was measured.
    size: MirrorSize | None = None

    @property
    def is_empty(self) -> bool:
        return not any(point.recorded or point.waiting is not None for point in self.points)

    @property
    def behind_s(self) -> int | None:
        return None if self.until_s is None else max(0, self.now_s - self.until_s)


async def history(
    connection: str, asked: Range, queues: Sequence[str] | None = None, queue: str | None = None, name: str = ""
) -> History:
    """Of one queue (or of one job name of it), with its names in `totals`; or of all `queues` together, with them in
    `totals` (None stands for all there are). Raises what the database raises; while Redis is away, without the newest.
    """
    now_s = int(time.time())
    # A minute is drawn when it is over, a longer step while it goes on.
    end = now_s // asked.step_s * asked.step_s + (asked.step_s if asked.step_s > MINUTE_S else 0)
    begin = end - asked.span_s
    found = History(asked, [Point(at) for at in range(begin, end, asked.step_s)], [], None, [], now_s)
    only = [queue] if queue is not None else queues
    await sync_to_async(_from_tables)(found, connection, begin, only, queue, name)
    since = begin if found.until_s is None else max(begin, found.until_s)
    newest = await minutes.newest(connection, since // MINUTE_S, queue)
    _add_newest(found, newest, None if only is None else frozenset(only), name if queue is not None else "")
    found.totals.sort(key=lambda total: -total.ended)
    return found


def _from_tables(
    found: History, connection: str, begin: int, only: Sequence[str] | None, queue: str | None, name: str
) -> None:
    cursor = SampleCursor.objects.filter(connection=connection).first()
    found.until_s = cursor.until if cursor else None
    found.size = MirrorSize.objects.filter(name="samples").first()
    at = datetime.fromtimestamp(begin, UTC)
    found.deploys = list(Deploy.objects.filter(at__gte=at).order_by("-at")[:MOST_DEPLOYS])[::-1]
    rows = Sample.objects.filter(series__connection=connection, at__gte=begin).order_by()
    if only is not None:
        rows = rows.filter(series__queue__in=only)
    if queue is None:
        wholes = rows.filter(series__name="")
        _sum_up(found, wholes.filter(step_s=found.range.row_s))
        found.totals = _totals(wholes.filter(step_s=found.range.sum_s), "series__queue", with_waits=True)
    else:
        _read(found, rows.filter(series__name=name, step_s=found.range.row_s), rows if name else None)
        names = rows.exclude(series__name="").filter(step_s=found.range.sum_s)
        found.totals = _totals(names, "series__name", with_waits=False)


def _sum_up(found: History, rows: QuerySet[Sample]) -> None:
    """Of many queues the database adds up; their histograms stay where they are."""
    summed = rows.values("at").annotate(
        minutes=Max("recorded"),
        done=Sum("completed"),
        lost=Sum("failed"),
        again=Sum("retried"),
        waits=Sum("waiting"),
        later=Sum("delayed"),
        oldest=Max("oldest_ms"),
        by_workers=Count("pk", filter=BY_WORKERS),
    )
    for row in summed:
        point = _point(found, row["at"])
        point.recorded += row["minutes"]
        point.ended.add(Ended(row["done"], row["lost"], row["again"]))
        point.has_retries |= row["by_workers"] > 0
        point.raise_backlog(row["waits"], row["later"], row["oldest"])
    found.has_lists = rows.filter(source=LISTS).exists()


FIELDS = (
    "at",
    "source",
    "recorded",
    "completed",
    "failed",
    "retried",
    "run",
    "wait",
    "waiting",
    "delayed",
    "oldest_ms",
)


def _read(found: History, rows: QuerySet[Sample], of_queue: QuerySet[Sample] | None) -> None:
    """`of_queue`: where the rows are a name's, those of its queue say which minutes were recorded."""
    for at, source, recorded, completed, failed, retried, run, wait, *backlog in rows.values_list(*FIELDS):
        point = _point(found, at)
        point.recorded += recorded if of_queue is None else 0
        point.has_retries |= source == WORKERS
        point.ended.add(Ended(completed, failed, retried, histogram.unpack(run), histogram.unpack(wait)))
        point.raise_backlog(*backlog)
    if of_queue is None:
        found.has_lists = rows.filter(source=LISTS).exists()
        found.has_events = rows.filter(source=EVENTS, completed__gt=0).exists()
        return
    for at, source, recorded in of_queue.filter(series__name="", step_s=found.range.row_s).values_list(*FIELDS[:3]):
        _point(found, at).recorded += recorded
        _point(found, at).has_retries |= source == WORKERS


def _point(found: History, at: int) -> Point:
    """The step in which it lies; the newest for what a clock ahead of ours wrote."""
    place = (at - found.points[0].at) // found.range.step_s
    return found.points[min(max(place, 0), len(found.points) - 1)]


def _totals(rows: QuerySet[Sample], by: str, *, with_waits: bool) -> list[Total]:
    summed = (
        rows.values(by)
        .annotate(completed=Sum("completed"), failed=Sum("failed"), retried=Sum("retried"), recorded=Sum("recorded"))
        .annotate(has_retries=Count("pk", filter=Q(source=WORKERS)))
    )
    totals = [Total(row.pop(by), **row | {"has_retries": row["has_retries"] > 0}) for row in summed]
    timed = sorted(totals, key=lambda total: -total.ended)[:MOST_TIMED]
    kinds = ("run", "wait") if with_waits else ("run",)
    added: dict[str, list[histogram.Histogram]] = {total.name: [{}, {}] for total in timed}
    for one, *packed in rows.filter(**{f"{by}__in": list(added)}).exclude(run=b"").values_list(by, *kinds):
        for into, more in zip(added[one], packed, strict=False):
            histogram.merge(into, histogram.unpack(more))
    for total in timed:
        total.run_ms, total.wait_ms = (histogram.percentiles(counted, SHARES) for counted in added[total.name])
    return totals


def _add_newest(found: History, newest: Iterable[minutes.Minute], only: frozenset[str] | None, name: str) -> None:
    totals = {total.name: total for total in found.totals}
    recorded: dict[int, int] = {}
    for minute in newest:
        if only is not None and minute.queue not in only:
            continue
        point = _point(found, minute.minute * MINUTE_S)
        point.ended.add(minute.whole if not name else minute.names.get(name, Ended()))
        recorded[minute.minute] = 1
        point.has_retries |= not minute.is_listed
        found.has_lists = found.has_lists or minute.is_listed
        counts = minute.names if minute.has_names else {minute.queue: minute.whole}
        for key, ended in counts.items():
            total = totals.setdefault(key, Total(key))
            total.completed, total.failed = total.completed + ended.completed, total.failed + ended.failed
            total.retried += ended.retried
            total.has_retries |= not minute.is_listed
    for at in recorded:
        _point(found, at * MINUTE_S).recorded += 1
    found.totals = list(totals.values())


def _larger(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)
