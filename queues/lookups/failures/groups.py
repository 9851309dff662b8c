"""The list of groups: those that failed within a window, with their counts over the queues that somebody sees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import F, Max, Min, QuerySet, Sum

from queues.lookups.failures.windows import WINDOWS, Window
from queues.lookups.search.seen import Seen
from queues.models import FailureCause, FailureCount, FailureGroup, FailureSpot
from queues.models.failure import Status

#: What a tab shows; `new` are those that nobody had seen before the last deploy.
SHOWN = {
    "open": (Status.OPEN, Status.REGRESSED),
    "new": (Status.OPEN, Status.REGRESSED),
    "regressed": (Status.REGRESSED,),
    "resolved": (Status.RESOLVED,),
    "ignored": (Status.IGNORED,),
    "all": tuple(Status),
}
SORTS = ("count", "last", "first")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which groups, in which order. `deployed_ms`: the last deploy, None where none was marked."""

    window: Window = WINDOWS["24h"]
    show: str = "open"
    sort: str = "count"
    queue: str = ""
    text: str = ""
    deployed_ms: int | None = None
    offset: int = 0
    size: int = 50


@dataclass(slots=True)
class Line:
    """A group as somebody sees it: counts over the queues they see. `cause` is the one whose text may be read, None
    where none may; `columns` are the window's, oldest first.
    """

    group: FailureGroup
    total: int
    first_ms: int
    last_ms: int
    count: int = 0
    columns: Sequence[int] = ()
    queues: Sequence[str] = ()
    names: Sequence[str] = ()
    cause: FailureCause | None = None
    causes: int = 1

    @property
    def status(self) -> Status:
        return Status(self.group.status)


@dataclass(slots=True)
class Listing:
    """`counts`: how many groups each tab has; `matching` how many the shown one has under the filters."""

    lines: list[Line] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    matching: int = 0
    failures: int = 0
    #: The queues that have failed within the window.
    queues: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sight:
    """One connection's failures as far as they are seen: None for all queues."""

    connection: str
    seen: Seen
    queues: frozenset[str] | None

    def spots(self) -> QuerySet[FailureSpot]:
        found = FailureSpot.objects.filter(cause__connection=self.connection)
        return found if self.queues is None else found.filter(queue__in=self.queues)

    def counts(self, window: Window, now_s: float) -> QuerySet[FailureCount]:
        found = FailureCount.objects.filter(step_s=window.step_s, at__gte=window.start_s(now_s))
        found = found.filter(cause__connection=self.connection)
        return found if self.queues is None else found.filter(queue__in=self.queues)

    def reads(self, queue: str) -> bool:
        return self.seen.reads(self.connection, queue)


def sight(connection: str, seen: Seen, queue: str = "") -> Sight:
    """Synchronous: asks for the names of queues that ever failed, where not all are seen."""
    if queue:
        return Sight(connection, seen, frozenset([queue] if seen.sees(connection, queue) else []))
    if seen.queues is None:
        return Sight(connection, seen, None)
    names = FailureSpot.objects.filter(cause__connection=connection).values_list("queue", flat=True).distinct()
    return Sight(connection, seen, frozenset(name for name in names if seen.sees(connection, name)))


async def listing(connection: str, seen: Seen, asked: Asked, now_s: float) -> Listing:
    """In one hop to the database."""
    return await sync_to_async(_listing)(connection, seen, asked, now_s)


def _listing(connection: str, seen: Seen, asked: Asked, now_s: float) -> Listing:
    here = sight(connection, seen, asked.queue)
    start_ms = asked.window.start_s(now_s) * 1000
    rows = grouped(here.spots(), start_ms)
    if asked.text:
        fitting = _fitting(here, [row["group"] for row in rows], asked.text)
        rows = [row for row in rows if row["group"] in fitting]
    shown = [row for row in rows if _is_shown(row, asked.show, asked.deployed_ms)]
    counted = _counted(here, asked.window, now_s)
    found = Listing(
        counts={show: sum(_is_shown(row, show, asked.deployed_ms) for row in rows) for show in SHOWN},
        matching=len(shown),
        failures=sum(counted.get(row["group"], 0) for row in shown),
        queues=_failing(connection, seen, start_ms),
    )
    shown.sort(key=lambda row: _rank(row, asked.sort, counted), reverse=True)
    page = shown[asked.offset : asked.offset + asked.size]
    found.lines = lines(here, page, counted, asked.window, now_s)
    return found


def _failing(connection: str, seen: Seen, start_ms: int) -> list[str]:
    spots = FailureSpot.objects.filter(cause__connection=connection, last_ms__gte=start_ms, total__gt=0)
    return sorted(name for name in set(spots.values_list("queue", flat=True)) if seen.sees(connection, name))


def grouped(spots: QuerySet[FailureSpot], since_ms: int = 0) -> list[dict[str, Any]]:
    """Group, status, total, first, last of each that failed since then."""
    rows = spots.values(group=F("cause__group_id"), status=F("cause__group__status"))
    told = rows.annotate(total=Sum("total"), first=Min("first_ms"), last=Max("last_ms")).order_by()
    # A group whose values were told apart has none left, and keeps its past.
    return [dict(row) for row in told if row["last"] >= since_ms and (row["total"] > 0 or not since_ms)]


def _is_shown(row: dict[str, Any], show: str, deployed_ms: int | None) -> bool:
    if show == "new" and (deployed_ms is None or row["first"] < deployed_ms):
        return False
    return row["status"] in SHOWN[show]


def _rank(row: dict[str, Any], sort: str, counted: dict[int, int]) -> tuple[int, ...]:
    if sort == "count":
        return counted.get(row["group"], 0), row["last"], row["group"]
    return row[sort], row["group"]


def _counted(here: Sight, window: Window, now_s: float) -> dict[int, int]:
    rows = here.counts(window, now_s).values_list("cause__group_id").annotate(n=Sum("failed")).order_by()
    return dict(rows)


def _fitting(here: Sight, groups: Collection[int], text: str) -> set[int]:
    """Those whose text holds it, as far as it may be read; a job's name may always be."""
    wanted = text.casefold()
    return {
        cause.group_id
        for cause in seen_causes(here, groups)
        if wanted in cause.name.casefold()
        or (is_readable(here, cause) and wanted in f"{cause.kind}: {cause.message} {cause.frame}".casefold())
    }


def seen_causes(here: Sight, groups: Iterable[int]) -> list[FailureCause]:
    """The causes of these groups that came in a queue that is seen; each with those spots, most first."""
    found: dict[int, FailureCause] = {}
    spots = here.spots().filter(cause__group__in=list(groups)).select_related("cause").order_by("-total", "pk")
    for spot in spots:
        cause = found.setdefault(spot.cause_id, spot.cause)
        cause.seen_spots = [*cause.seen_spots, spot]
    return list(found.values())


def is_readable(here: Sight, cause: FailureCause) -> bool:
    """Whether its text is an error's that this person may read somewhere."""
    return any(here.reads(spot.queue) for spot in cause.seen_spots)


def lines(
    here: Sight, rows: Sequence[dict[str, Any]], counted: dict[int, int], window: Window, now_s: float
) -> list[Line]:
    ids = [row["group"] for row in rows]
    groups = FailureGroup.objects.select_related("assignee").in_bulk(ids)
    causes: dict[int, list[FailureCause]] = {}
    for cause in seen_causes(here, ids):
        causes.setdefault(cause.group_id, []).append(cause)
    columns = _columns(here, ids, window, now_s)
    return [
        _line(here, groups[row["group"]], row, causes.get(row["group"], []), counted, columns)
        for row in rows
        if row["group"] in groups
    ]


def _line(
    here: Sight,
    group: FailureGroup,
    row: dict[str, Any],
    causes: list[FailureCause],
    counted: dict[int, int],
    columns: dict[int, list[int]],
) -> Line:
    queues = dict.fromkeys(spot.queue for cause in causes for spot in cause.seen_spots)
    return Line(
        group,
        total=row["total"],
        first_ms=row["first"],
        last_ms=row["last"],
        count=counted.get(group.pk, 0),
        columns=columns.get(group.pk, ()),
        queues=list(queues),
        names=list(dict.fromkeys(cause.name for cause in causes)),
        cause=next((cause for cause in causes if is_readable(here, cause)), None),
        causes=len(causes),
    )


def _columns(here: Sight, groups: Sequence[int], window: Window, now_s: float) -> dict[int, list[int]]:
    start, found = window.start_s(now_s), {group: [0] * window.columns for group in groups}
    rows = here.counts(window, now_s).filter(cause__group__in=groups).values_list("cause__group_id", "at")
    for group, at, n in rows.annotate(n=Sum("failed")).order_by():
        place = min((at - start) // window.column_s, window.columns - 1)
        found[group][place] += n
    return found
