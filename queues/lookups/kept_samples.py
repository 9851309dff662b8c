"""How much of queues' figures is kept: rows by queue and step, and about how many bytes they take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asgiref.sync import sync_to_async
from django.db.models import Count, Max, Min, Q, Sum
from django.db.models.functions import Length

from queues.lookups.shared import shared
from queues.models import Sample
from queues.models.sample import DAY_S, HOUR_S, MINUTE_S, QUARTER_S, TEN_MINUTES_S

#: Which of our steps Bull Board calls what.
TIERS = {MINUTE_S: "minute", TEN_MINUTES_S: "minute", HOUR_S: "hour", QUARTER_S: "hour", DAY_S: "day"}
#: What a row takes beside its histograms, indexes included (measured).
ROW_BYTES = 110
EVERY_S = 60.0


@dataclass(slots=True)
class Tier:
    rows: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Kept:
    """Of one queue: `minutes` are those that somebody recorded, `first` and `last` the days (UTC) of its rows."""

    queue: str
    tiers: dict[str, Tier] = field(default_factory=lambda: {name: Tier() for name in ("minute", "hour", "day")})
    minutes: int = 0
    first: int | None = None
    last: int | None = None

    @property
    def rows(self) -> int:
        return sum(tier.rows for tier in self.tiers.values())

    @property
    def bytes(self) -> int:
        return sum(tier.bytes for tier in self.tiers.values())

    def add(self, step_s: int, rows: int, size: int, recorded: int, first: int, last: int) -> None:
        tier = self.tiers[TIERS[step_s]]
        tier.rows, tier.bytes = tier.rows + rows, tier.bytes + size + rows * ROW_BYTES
        # Days hold all that shorter steps held.
        self.minutes = recorded if step_s == DAY_S else max(self.minutes, recorded)
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)


async def kept_samples(connection: str) -> list[Kept]:
    """By queue; read no more often than once a minute, for all rows are looked at."""
    return await shared(("kept samples", connection), EVERY_S, lambda: _read(connection))


@sync_to_async
def _read(connection: str) -> list[Kept]:
    rows = Sample.objects.filter(series__connection=connection).order_by().values("series__queue", "step_s")
    summed = rows.annotate(
        rows=Count("pk"),
        run=Sum(Length("run")),
        wait=Sum(Length("wait")),
        minutes=Sum("recorded", filter=Q(series__name="")),
        first=Min("at"),
        last=Max("at"),
    )
    found: dict[str, Kept] = {}
    for row in summed:
        kept = found.setdefault(row["series__queue"], Kept(row["series__queue"]))
        size = (row["run"] or 0) + (row["wait"] or 0)
        kept.add(row["step_s"], row["rows"], size, row["minutes"] or 0, row["first"], row["last"])
    return sorted(found.values(), key=lambda kept: kept.queue)


def day_of(at_s: int | None) -> str | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).date().isoformat()


def all_of(found: Iterable[Kept]) -> Kept:
    """Summed up."""
    total = Kept("")
    for kept in found:
        for name, tier in kept.tiers.items():
            total.tiers[name].rows += tier.rows
            total.tiers[name].bytes += tier.bytes
        total.minutes += kept.minutes
        total.first = min((at for at in (total.first, kept.first) if at is not None), default=None)
        total.last = max((at for at in (total.last, kept.last) if at is not None), default=None)
    return total
