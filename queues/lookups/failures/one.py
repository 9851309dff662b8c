"""One group in full, and the groups that it could be merged with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db.models import Max, Min, Q, Sum

from queues.lookups.failures.groups import Line, Sight, grouped, is_readable, lines, seen_causes, sight
from queues.lookups.failures.windows import WINDOWS, Window
from queues.lookups.search.seen import Seen
from queues.models import FailureCause, FailureEvent, FailureGroup, FailureSpot

#: Groups that are offered for a merge; entries of a group's past.
MOST_ALIKE, MOST_EVENTS = 30, 50


@dataclass(frozen=True, slots=True)
class Spot:
    """A queue of the group."""

    queue: str
    total: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Detail:
    """`causes` are those that are seen, the most frequent first; `readable` those whose text may be read."""

    line: Line
    spots: Sequence[Spot]
    causes: Sequence[FailureCause]
    readable: frozenset[int]
    events: Sequence[FailureEvent]

    @property
    def queues(self) -> list[str]:
        return [spot.queue for spot in self.spots]


async def detail(connection: str, group: int, seen: Seen, window: Window, now_s: float) -> Detail | int | None:
    """None where there is no such group for whoever asks; the number of another where it was merged into that."""
    return await sync_to_async(_detail)(connection, group, seen, window, now_s)


def _detail(connection: str, key: int, seen: Seen, window: Window, now_s: float) -> Detail | int | None:
    group = FailureGroup.objects.filter(connection=connection, pk=key).first()
    if group is None:
        return None
    here = sight(connection, seen)
    target = _end(group)
    rows = grouped(here.spots().filter(cause__group=target))
    if not rows:
        return None
    if target != key:
        return target
    causes = seen_causes(here, [key])
    (line,) = lines(here, rows, _counted_of(here, key, window, now_s), window, now_s)
    return Detail(
        line,
        _spots(here, key),
        causes,
        frozenset(cause.pk for cause in causes if is_readable(here, cause)),
        list(group.events.all()[:MOST_EVENTS]),
    )


def _end(group: FailureGroup) -> int:
    """Where it was merged into, however often."""
    met = {group.pk}
    while group.merged_into is not None and group.merged_into_id not in met:
        group = group.merged_into
        met.add(group.pk)
    return group.pk


def _counted_of(here: Sight, key: int, window: Window, now_s: float) -> dict[int, int]:
    counted = here.counts(window, now_s).filter(cause__group=key).aggregate(n=Sum("failed"))
    return {key: counted["n"] or 0}


def _spots(here: Sight, key: int) -> list[Spot]:
    rows = here.spots().filter(cause__group=key).values_list("queue").order_by()
    found = rows.annotate(n=Sum("total"), first=Min("first_ms"), last=Max("last_ms"))
    return sorted((Spot(*row) for row in found), key=lambda spot: -spot.total)


async def alike(connection: str, group: int, seen: Seen) -> list[Line]:
    """Groups of the same name or type of error, the likeliest first: what a person may want to merge it with."""
    return await sync_to_async(_alike)(connection, group, seen)


def _alike(connection: str, key: int, seen: Seen) -> list[Line]:
    here = sight(connection, seen)
    causes = [cause for cause in seen_causes(here, [key]) if is_readable(here, cause)]
    wanted = Q(cause__name__in=[c.name for c in causes]) | Q(cause__kind__in=[c.kind for c in causes if c.kind])
    spots: list[FailureSpot] = list(
        here.spots().filter(wanted).exclude(cause__group=key).order_by("-last_ms").select_related("cause")[:200]
    )
    messages, kinds = {cause.message for cause in causes}, {cause.kind for cause in causes}
    # What says the same comes first, then what is of the same type; each the latest first.
    spots.sort(key=lambda spot: (spot.cause.message not in messages, spot.cause.kind not in kinds))
    ids = list(dict.fromkeys(spot.cause.group_id for spot in spots if here.reads(spot.queue)))[:MOST_ALIKE]
    rows = sorted(grouped(here.spots().filter(cause__group__in=ids)), key=lambda row: ids.index(row["group"]))
    return lines(here, rows, {}, WINDOWS["1h"], 0.0)
