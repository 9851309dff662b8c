"""Whether what was retried fails again: each retried job is looked at until it has ended, a bounded number at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _

from queues.models import Operation
from queues.operations.books import Item
from queues.protocol.reads.held import held
from queues.states import State

#: So many retried jobs may be under way at once, and of few jobs this part of them: no more could fail before it stops.
MOST_AWAITED, PART_AWAITED = 200, 4
#: Fewer that have ended say nothing.
LEAST_JUDGED = 20
LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class Watch:
    """Of one operation with `stop_percent`. `awaited` are items that were retried and have not ended, by number."""

    percent: float
    awaited: dict[int, Item] = field(default_factory=dict)
    judged: int = 0
    failed_again: int = 0
    most: int = MOST_AWAITED

    @classmethod
    def of(cls, row: Operation) -> Watch | None:
        if row.stop_percent is None:
            return None
        items = [Item(seq, queue, job_id, "", mark) for seq, queue, job_id, mark in json.loads(row.awaited)]
        most = min(MOST_AWAITED, max(LEAST_JUDGED, row.total // PART_AWAITED))
        return cls(row.stop_percent, {item.seq: item for item in items}, row.judged, row.failed_again, most)

    @property
    def room(self) -> int:
        return max(0, self.most - len(self.awaited))

    def add(self, items: Iterable[Item]) -> None:
        self.awaited |= {item.seq: item for item in items}

    async def look(self, connection: str) -> None:
        """Raises RedisUnavailable, RedisRefused."""
        ordered = sorted(self.awaited.values(), key=lambda item: item.queue)
        for queue, group in groupby(ordered, key=lambda item: item.queue):
            items = list(group)
            found = await held(connection, queue, [item.job_id for item in items])
            for item, now in zip(items, found, strict=True):
                # Gone: it was completed, and its queue keeps none.
                if now.state is None or now.state is State.COMPLETED:
                    self._judge(item, failed=False)
                elif now.state is State.FAILED and now.mark != item.mark:
                    self._judge(item, failed=True)

    def _judge(self, item: Item, *, failed: bool) -> None:
        del self.awaited[item.seq]
        self.judged += 1
        self.failed_again += failed

    def why(self, total: int) -> str:
        """Why it should stop, or nothing."""
        if self.judged < min(LEAST_JUDGED, total) or self.failed_again * 100 <= self.percent * self.judged:
            return ""
        return _("%(failed)s of %(judged)s retried jobs failed again: more than %(percent)s %%.") % {
            "failed": f"{self.failed_again:,}",
            "judged": f"{self.judged:,}",
            "percent": f"{self.percent:g}",
        }

    @property
    def changes(self) -> dict[str, Any]:
        told = [[item.seq, item.queue, item.job_id, item.mark] for item in self.awaited.values()]
        return {"awaited": json.dumps(told), "judged": self.judged, "failed_again": self.failed_again}
