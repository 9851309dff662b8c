"""What ended and how long it took by the hour or the day, of some queues together, over any span: for programs.

From the tables, and the counts of the newest minutes from Redis. A bucket in which nobody recorded anything is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from asgiref.sync import sync_to_async
from django.db.models import Max, QuerySet, Sum

from queues import histogram
from queues.histogram import Histogram
from queues.lookups import minutes
from queues.models import Sample, SampleCursor, Series
from queues.models.local import is_in_process
from queues.models.sample import DAY_S, HOUR_S, MINUTE_S

STEPS = {"hour": HOUR_S, "day": DAY_S}
Sees = Callable[[str], bool]
#: Histograms that are added up for one answer; of more the newest.
MOST_ADDED = 20_000


@dataclass(slots=True)
class Bucket:
    """From `at` (seconds since the epoch) on; `oldest_ms` is how long the next to run had waited at most."""

    at: int
    completed: int = 0
    failed: int = 0
    oldest_ms: int | None = None


@dataclass(slots=True)
class Times:
    at: int
    counted: Histogram


@sync_to_async
def recorded_queues(connection: str, sees: Sees) -> list[str]:
    """Of which something is kept and that may be seen; queues that are gone, too."""
    names = Series.objects.filter(connection=connection, name="").values_list("queue", flat=True)
    return [name for name in names if sees(name)]


async def buckets(
    connection: str, queues: Sequence[str], step: Literal["hour", "day"], from_s: float, to_s: float
) -> list[Bucket]:
    """Oldest first: those that begin within the span, and the one in which it begins."""
    if is_in_process():
        return []
    step_s = STEPS[step]
    found, until = await sync_to_async(_stored)(connection, queues, step_s, from_s, to_s)
    wanted = frozenset(queues)
    for minute in await minutes.newest(connection, until // MINUTE_S):
        at = minute.minute * MINUTE_S // step_s * step_s
        if minute.queue in wanted and from_s - step_s < at <= to_s:
            bucket = found.setdefault(at, Bucket(at))
            bucket.completed += minute.whole.completed
            bucket.failed += minute.whole.failed
    return [found[at] for at in sorted(found)]


def _stored(
    connection: str, queues: Sequence[str], step_s: int, from_s: float, to_s: float
) -> tuple[dict[int, Bucket], int]:
    cursor = SampleCursor.objects.filter(connection=connection).first()
    rows = _rows(connection, queues, step_s, from_s, to_s).values("at")
    summed = rows.annotate(done=Sum("completed"), lost=Sum("failed"), oldest=Max("oldest_ms"))
    found = {row["at"]: Bucket(row["at"], row["done"], row["lost"], row["oldest"]) for row in summed}
    return found, cursor.until if cursor else int(from_s)


def _rows(connection: str, queues: Sequence[str], step_s: int, from_s: float, to_s: float) -> QuerySet[Sample]:
    wanted = Sample.objects.filter(series__connection=connection, series__name="", series__queue__in=queues)
    return wanted.filter(step_s=step_s, at__gt=from_s - step_s, at__lte=to_s).order_by()


@sync_to_async
def times(
    connection: str, queues: Sequence[str], kind: Literal["run", "wait"], step: str, from_s: float, to_s: float
) -> list[Times]:
    """How long jobs ran, or first attempts had waited, bucket by bucket, oldest first; `step` “range”: all as one."""
    if is_in_process():
        return []
    step_s = STEPS.get(step, DAY_S if to_s - from_s > 2 * DAY_S else HOUR_S)
    rows = _rows(connection, queues, step_s, from_s, to_s).exclude(**{kind: b""}).order_by("-at")
    found: dict[int, Histogram] = {}
    for at, packed in rows.values_list("at", kind)[:MOST_ADDED]:
        histogram.merge(found.setdefault(at if step in STEPS else int(from_s), {}), histogram.unpack(packed))
    return [Times(at, found[at]) for at in sorted(found)]
