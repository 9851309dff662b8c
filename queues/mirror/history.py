"""Samples forgotten when no view reads them any more, and how much there is of them.

Duties: 1. series by series, delete each step's rows that are older than it is kept, 2. count the rest on the way,
3. after a round, forget series that say nothing any more and write down the size.
"""

from __future__ import annotations

import time

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from queues.lookups.sizes import table_bytes
from queues.mirror.leader import Leader
from queues.mirror.thread import DatabaseThread
from queues.models import MirrorSize, Sample, Series
from queues.models.sample import DAY_S, KEPT_S, STEPS
from queues.options import get_options

#: Series per commit, and between two commits; at this pace 4,000 series take seven minutes.
TOGETHER, REST_S = 20, 2.0
ROUND_EVERY_S = 1_800.0
#: What a row takes up in SQLite, indexes included (`bin/bench history`). Asked itself, SQLite would read them all.
SQLITE_ROW_BYTES = 250


class PruneSamples:
    name = "history"

    def __init__(self, leader: Leader) -> None:
        self.leader, self.database = leader, DatabaseThread("mirror-history")
        self._after = self._rows = 0

    async def turn(self) -> float:
        self._after = await self.database.call(self._some, self._after)
        return REST_S if self._after else ROUND_EVERY_S

    def _some(self, after: int) -> int:
        """The last series that was looked at, 0 after the last of all."""
        found = list(Series.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:TOGETHER])
        if not found:
            self._finish()
            return 0
        with transaction.atomic():
            self.leader.check()
            for series in found:
                forget(series)
        self._rows += Sample.objects.filter(series__in=found).count()
        return found[-1]

    def _finish(self) -> None:
        is_postgresql = connection.vendor == "postgresql"
        size = table_bytes("toril_sample", "toril_series") if is_postgresql else self._rows * SQLITE_ROW_BYTES
        said = {"rows": self._rows, "bytes": size, "measured_at": timezone.now()}
        with transaction.atomic():
            self.leader.check()
            # A join would read every one of a year's rows to find the few series that have none.
            Series.objects.filter(~Exists(Sample.objects.filter(series=OuterRef("pk")))).delete()
            MirrorSize.objects.update_or_create(name="samples", defaults=said)
        self._rows = 0


def forget(series: int, now_s: float | None = None) -> int:
    """Rows of a series that are older than each step is kept; how many there were. Synchronous."""
    now_s = time.time() if now_s is None else now_s
    kept_s = {**KEPT_S, DAY_S: get_options().mirror.history_days * DAY_S}
    gone = 0
    for step_s in STEPS:
        old = Sample.objects.filter(series=series, step_s=step_s, at__lt=now_s - kept_s[step_s] - step_s)
        gone += old._raw_delete(old.db)
    return gone
