"""The short way to a row says what the long way says, wherever it says anything."""

from __future__ import annotations

from copy import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from queues.mirror import swift
from queues.mirror.fold import fold
from queues.mirror.incarnations import COMPARED, Told, rows
from queues.models import Job
from queues.models.job import RECORD_FIELDS
from queues.protocol.codec import JobRecord
from queues.protocol.reads import JobSight
from queues.states import State
from tests.unit.test_mirror_fold import LIVES, NOW, event, life

MOMENTS = st.sampled_from([980, 998, 1_000, 1_005, 1_009, 2_009, 20_990, 21_000])
SIGHTS = st.builds(
    lambda state, ms, end, name: JobSight(
        JobRecord("1", timestamp_ms=ms, processed_on_ms=end, finished_on_ms=end, name=name, problems=("odd",)), state
    ),
    st.sampled_from([State.WAITING, State.ACTIVE, State.COMPLETED, State.FAILED]),
    MOMENTS,
    st.none() | MOMENTS,
    st.sampled_from(["work", ""]),
)
GONE = JobSight(JobRecord("1", exists=False), State.WAITING)


def test_a_rows_columns_are_those_that_the_short_way_fills() -> None:
    assert (*RECORD_FIELDS, *swift.BESIDE) == COMPARED


@settings(max_examples=300)
@given(LIVES, st.lists(st.tuples(SIGHTS, st.integers(0, 20)), max_size=3), SIGHTS, st.data())
def test_whatever_is_stored_and_told_both_ways_come_to_the_same_row(finals, before, sight, data):
    events = [e for n, final in enumerate(finals) for e in life(1_000 + n * 20_000, final)]
    events.append(event(90_000, "removed"))
    table: dict[int, Job] = {}
    for seen, upto in before:
        told = Told("1", seen, fold(events[:upto], 99).lives.get("1", ()))
        for job in rows("default", "chat", _known(table), told, NOW):
            table[job.timestamp_ms] = job
    start, length = data.draw(st.integers(0, len(events))), data.draw(st.integers(0, 6))
    told = Told("1", sight, fold(events[start : start + length], 99).lives.get("1", ()))
    known = _known(table)
    quick = swift.values(told, values(known)) if swift.is_plain(told) else None
    if quick is None:
        return
    slow = {job.timestamp_ms: job for job in known}
    changed = {job.timestamp_ms: job for job in rows("default", "chat", known, told, NOW)}
    slow |= changed
    assert values([slow[sight.record.timestamp_ms]]) == [quick]
    assert set(changed) <= {sight.record.timestamp_ms}


def test_the_short_way_is_taken_for_what_is_plain() -> None:
    sight = JobSight(JobRecord("1", timestamp_ms=998, finished_on_ms=1_009), State.COMPLETED)
    whole = Told("1", sight, fold(life(1_000), 99).lives["1"])
    assert swift.is_plain(Told("1", sight))
    assert swift.is_plain(whole)
    assert swift.values(whole, []) is not None
    assert not swift.is_plain(Told("1", GONE))
    assert not swift.is_plain(Told("1", None))


def values(jobs: list[Job]) -> list[tuple[object, ...]]:
    return [tuple(getattr(job, name) for name in COMPARED) for job in jobs]


def _known(table: dict[int, Job]) -> list[Job]:
    """As the store reads them: the open rows, else the latest."""
    found = [copy(table[ms]) for ms in sorted(table)]
    return [job for job in found if job.removed_at is None] or found[-1:]
