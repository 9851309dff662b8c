"""The samples' rows: a minute's figures written once, and added to the longer steps that it lies in. Synchronous.

Idempotent: a minute that is written again adds only by how much it grew, in the same transaction as its own row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from queues import histogram
from queues.mirror.leader import Leader
from queues.models import Sample, SampleCursor, Series
from queues.models.sample import MINUTE_S, STEPS
from queues.protocol.samples import Count, Ended

KEY = ["series", "step_s", "at"]
FIGURES = ["source", "recorded", "completed", "failed", "retried", "run", "wait", "waiting", "delayed", "oldest_ms"]
#: A series and a moment.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Backlog:
    waiting: int
    delayed: int
    oldest_ms: int | None


@dataclass(slots=True)
class Minute:
    """What is known of one queue in one minute. `source` is empty where nobody recorded it."""

    queue: str
    minute: int
    source: str = ""
    names: dict[str, Ended] = field(default_factory=dict)
    whole: Ended = field(default_factory=Ended)
    backlog: Backlog | None = None


class SampleRows:
    """Of one connection."""

    def __init__(self, connection: str, leader: Leader) -> None:
        self.connection, self.leader = connection, leader
        #: Queue and name → series, of what is being written.
        self._series: dict[tuple[str, str], int] = {}

    def known(self, minutes: Sequence[int]) -> dict[tuple[str, int], Count]:
        """By queue and minute, of those that have a recorded row."""
        wholes = Sample.objects.filter(series__connection=self.connection, series__name="", step_s=MINUTE_S, recorded=1)
        rows = wholes.filter(at__in=[m * MINUTE_S for m in minutes]).values_list(
            "series__queue", "at", "completed", "failed", "retried"
        )
        return {(queue, at // MINUTE_S): Count(*counts) for queue, at, *counts in rows}

    def save(self, minutes: Sequence[Minute], until: int | None = None) -> None:
        """All of it or nothing; `until` is the minute before which nothing is left to take."""
        with transaction.atomic():
            self.leader.check()
            self._know({(minute.queue, name) for minute in minutes for name in ("", *minute.names)})
            grown = self._minutes([row for minute in minutes for row in self._rows(minute)])
            for step_s in STEPS[1:]:
                self._add(step_s, grown)
            if until is not None:
                self._move(until * MINUTE_S)

    def _move(self, until: int) -> None:
        """Forwards only: a new session looks at the last hours again, from their beginning."""
        cursor, _ = SampleCursor.objects.get_or_create(connection=self.connection, defaults={"until": until})
        if cursor.until < until:
            cursor.until = until
            cursor.save(update_fields=["until"])

    def _know(self, wanted: set[tuple[str, str]]) -> None:
        # Looked up each time: those that say nothing any more are pruned.
        self._find({queue for queue, _ in wanted})
        if missing := wanted - self._series.keys():
            Series.objects.bulk_create(
                [Series(connection=self.connection, queue=queue, name=name) for queue, name in missing],
                ignore_conflicts=True,
            )
            self._find({queue for queue, _ in wanted})

    def _find(self, queues: set[str]) -> None:
        found = Series.objects.filter(connection=self.connection, queue__in=queues).values_list("queue", "name", "pk")
        self._series = {(queue, name): key for queue, name, key in found}

    def _rows(self, minute: Minute) -> Iterable[Sample]:
        whole = self._row(minute, "", minute.whole)
        whole.recorded = 1 if minute.source else 0
        if minute.backlog is not None:
            told = minute.backlog
            whole.waiting, whole.delayed, whole.oldest_ms = told.waiting, told.delayed, told.oldest_ms
        yield whole
        for name, ended in minute.names.items():
            yield self._row(minute, name, ended)

    def _row(self, minute: Minute, name: str, ended: Ended) -> Sample:
        return Sample(
            series_id=self._series[minute.queue, name],
            step_s=MINUTE_S,
            at=minute.minute * MINUTE_S,
            source=minute.source,
            completed=ended.completed,
            failed=ended.failed,
            retried=ended.retried,
            run=histogram.pack(ended.run),
            wait=histogram.pack(ended.wait),
        )

    def _minutes(self, rows: Sequence[Sample]) -> list[Sample]:
        """Write these; returns by how much each grew, as rows."""
        stored = self._stored(MINUTE_S, [_place(row) for row in rows])
        grown = []
        for row in rows:
            before = stored.get(_place(row), Sample())
            if _total(row) < _total(before) or (before.recorded and not row.recorded):
                # Redis forgot what it had told: a restart, or the end of the time that it keeps it.
                _take(row, before)
            if row.waiting is None:
                row.waiting, row.delayed, row.oldest_ms = before.waiting, before.delayed, before.oldest_ms
            grown.append(_difference(row, before))
        _write(rows)
        return grown

    def _add(self, step_s: int, grown: Sequence[Sample]) -> None:
        added: dict[Place, Sample] = {}
        for row in grown:
            place = (row.series_id, row.at // step_s * step_s)
            if place not in added:
                added[place] = Sample(series_id=row.series_id, step_s=step_s, at=place[1])
            _sum(added[place], row)
        for place, before in self._stored(step_s, list(added)).items():
            _sum(added[place], before)
        _write(list(added.values()))

    def _stored(self, step_s: int, places: Sequence[Place]) -> dict[Place, Sample]:
        wanted = set(places)
        rows = Sample.objects.filter(
            step_s=step_s, series__in={series for series, _ in wanted}, at__in={at for _, at in wanted}
        )
        return {place: row for row in rows if (place := _place(row)) in wanted}


def _place(row: Sample) -> Place:
    return (row.series_id, row.at)


def _total(row: Sample) -> int:
    return row.completed + row.failed + row.retried


def _take(row: Sample, from_: Sample) -> None:
    for name in ("source", "recorded", "completed", "failed", "retried", "run", "wait"):
        setattr(row, name, getattr(from_, name))


def _difference(row: Sample, before: Sample) -> Sample:
    return Sample(
        series_id=row.series_id,
        at=row.at,
        source=row.source,
        recorded=row.recorded - before.recorded,
        completed=row.completed - before.completed,
        failed=row.failed - before.failed,
        retried=row.retried - before.retried,
        run=_less(row.run, before.run),
        wait=_less(row.wait, before.wait),
        waiting=row.waiting,
        delayed=row.delayed,
        oldest_ms=row.oldest_ms,
    )


def _less(packed: Iterable[int], before: Iterable[int]) -> bytes:
    left = histogram.unpack(packed)
    for index, count in histogram.unpack(before).items():
        left[index] = max(0, left.get(index, 0) - count)
    return histogram.pack(left)


def _sum(into: Sample, more: Sample) -> None:
    into.source = max(into.source, more.source)
    for name in ("recorded", "completed", "failed", "retried"):
        setattr(into, name, getattr(into, name) + getattr(more, name))
    for name in ("run", "wait"):
        if added := getattr(more, name):
            there = histogram.unpack(getattr(into, name))
            setattr(into, name, histogram.pack(histogram.merge(there, histogram.unpack(added))))
    for name in ("waiting", "delayed", "oldest_ms"):
        known = [value for value in (getattr(into, name), getattr(more, name)) if value is not None]
        setattr(into, name, max(known, default=None))


def _write(rows: Sequence[Sample]) -> None:
    Sample.objects.bulk_create(rows, update_conflicts=True, unique_fields=KEY, update_fields=FIGURES)
