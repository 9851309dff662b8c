"""Rows of jobs that Redis no longer has are kept for a time and up to a size, then pruned in batches.

Duties: 1. measure now and then how much there is, 2. delete what is older than it is kept, 3. where all rows together
are too large, delete the oldest. Rows of jobs that Redis still has are never pruned.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db import connection, models, transaction
from django.utils import timezone

from queues.mirror.leader import Leader
from queues.mirror.thread import DatabaseThread
from queues.models import Job, LogLine, MirrorSize
from queues.options import get_options

log = logging.getLogger(__name__)

#: Called with the primary keys of rows that go, in the transaction in which they go: who keeps something of a row
#: (its words, its attempts) forgets it here.
FORGET: list[Callable[[Sequence[int]], None]] = []
#: Called with the primary keys of some rows: about how many bytes it keeps of one, on average, its indexes included.
WEIGH: list[Callable[[Sequence[int]], float]] = []

#: Rows per commit; and the share of the time that others have between two.
BATCH = 250
REST = 2.0
EVERY_S = 30.0
MEASURE_EVERY_S = 300.0
#: Rows that are looked at to tell the size of all.
SAMPLE = 1_000
#: What a row takes beside its texts: columns, and its share of the indexes (measured: 220 to 420).
ROW_BYTES = 400
TEXTS = "name data opts progress return_value failed_reason stacktrace runs told_runs problems".split()
MB = 1024 * 1024


class Prune:
    name = "prune"

    def __init__(self, leader: Leader) -> None:
        self.leader, self.database = leader, DatabaseThread("mirror-prune")
        self._measured_at = float("-inf")
        #: Rows that are too many, by what was measured last.
        self._excess = 0
        self._is_said = False

    async def turn(self) -> float:
        began = time.monotonic()
        if began - self._measured_at >= MEASURE_EVERY_S:
            if not await self.database.call(self._measure):
                return EVERY_S  # at a first start the rows are just about to come
            self._measured_at = time.monotonic()
            return 0.0
        pruned = await self.database.call(self._some)
        return (time.monotonic() - began) * REST if pruned else EVERY_S

    def _measure(self) -> int:
        """How many rows there are."""
        size = measure()
        most = get_options().mirror.keep_mb
        each = size.bytes / size.rows if size.rows else 1.0
        over = 0 if most is None else max(0, int((size.bytes - most * MB) / each))
        self._excess = min(over, size.removed)
        if over > size.removed and not self._is_said:
            log.warning(
                "the rows of jobs that Redis still has take about %d MB by themselves, more than KEEP_MB allows;"
                " they are not pruned",
                size.bytes // MB,
            )
        self._is_said = over > size.removed
        said = {"rows": size.rows, "removed": size.removed, "bytes": size.bytes, "measured_at": timezone.now()}
        with transaction.atomic():
            self.leader.check()
            MirrorSize.objects.update_or_create(name=size.name, defaults=said)
        return size.rows

    def _some(self) -> int:
        if not (doomed := self._doomed()):
            return 0
        with transaction.atomic():
            self.leader.check()
            # Restored meanwhile, a job is in Redis again, and its row open.
            forget(list(Job.objects.filter(pk__in=doomed, removed_at__isnull=False).values_list("pk", flat=True)))
        return len(doomed)

    def _doomed(self) -> list[int]:
        removed = Job.objects.filter(removed_at__isnull=False).order_by("removed_at").values_list("pk", flat=True)
        days = get_options().mirror.keep_days
        if days is not None:
            old = list(removed.filter(removed_at__lt=timezone.now() - timedelta(days=days))[:BATCH])
            if old:
                self._excess = max(0, self._excess - len(old))
                return old
        if not self._excess:
            return []
        oldest = list(removed[: min(BATCH, self._excess)])
        self._excess = self._excess - len(oldest) if oldest else 0
        return oldest


def forget(rows: Sequence[int]) -> None:
    """Delete these rows and all that hangs on them. Inside a transaction."""
    for each in FORGET:
        each(rows)
    LogLine.objects.filter(job__in=rows).delete()
    Job.objects.filter(pk__in=rows).delete()


def measure() -> MirrorSize:
    """How many rows of jobs there are, and about how large they are; not stored. Reads whole indexes: not for pages."""
    jobs = Job.objects.order_by()
    size = MirrorSize(name="jobs", rows=jobs.count(), removed=jobs.filter(removed_at__isnull=False).count())
    if size.rows:
        picks = _picks()
        each = ROW_BYTES + text_bytes(Job._meta.db_table, "id", TEXTS, picks) + sum(weigh(picks) for weigh in WEIGH)
        size.bytes = int(size.rows * each)
    return size


def _picks() -> list[int]:
    """Rows old and new."""
    ends = Job.objects.aggregate(first=models.Min("pk"), last=models.Max("pk"))
    step = max(1, (ends["last"] - ends["first"]) // SAMPLE)
    return list(range(ends["first"], ends["last"] + 1, step))


def text_bytes(table: str, key: str, columns: Sequence[str], picks: Sequence[int]) -> float:
    """Of these columns of one row, on average of those picked that are there."""
    length = "pg_column_size({})" if connection.vendor == "postgresql" else "LENGTH(CAST({} AS BLOB))"
    total = " + ".join(length.format(name) for name in columns)
    marks = ", ".join(["%s"] * len(picks))
    asked = f"SELECT AVG({total}) FROM {table} WHERE {key} IN ({marks})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(asked, list(picks))
        (average,) = cursor.fetchone()
    return float(average or 0.0)
