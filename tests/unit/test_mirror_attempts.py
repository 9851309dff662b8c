"""Attempts told by a job's row at any moments of its life: each once, whatever was missed or told again."""

from __future__ import annotations

import json
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from queues.mirror import told_runs
from queues.mirror.attempt_rows import MOST, Told, has_attempts, joined, told_by
from queues.mirror.attempts import Attempts
from queues.mirror.told_runs import ToldRun
from queues.models import Attempt, Job
from queues.protocol.attempts import Run, runs_json


def job(state: str, made: int, **fields: object) -> Job:
    fields.setdefault("attempts_started", made + (state == "active"))
    return Job(queue="chat", job_id="1", timestamp_ms=1, state=state, attempts_made=made, **fields)


def kept(rows: list[Attempt], told: list[Told]) -> list[Attempt]:
    written = joined(rows, told, 7)
    return rows + [row for row in written if all(row is not known for known in rows)]


def shape(rows: list[Attempt]) -> list[tuple[object, ...]]:
    told = [(row.number, row.started_ms, row.ended_ms, row.worker, row.outcome, row.error) for row in rows]
    return sorted(told, key=str)


def test_a_job_that_completed_at_its_first_attempt_has_none():
    assert not has_attempts(job("completed", 1, processed_on_ms=5, finished_on_ms=9))
    assert not has_attempts(job("active", 0, processed_on_ms=5))
    assert not has_attempts(job("waiting", 0))


def test_our_workers_notes_and_the_jobs_own_fields_make_one_list():
    noted = runs_json(runs_json("", Run(1, 10, 20, "web-1")), Run(2, 30, 40, "web-2"))
    stacks = json.dumps(["Error: first\n    at x", "Error: second\n    at x"])
    ended = job("completed", 3, runs=noted, stacktrace=stacks, processed_on_ms=50, finished_on_ms=60, processed_by="w3")
    assert told_by(ended) == [
        Told(1, 10, 20, "web-1", "failed", "Error: first"),
        Told(2, 30, 40, "web-2", "failed", "Error: second"),
        Told(3, 50, 60, "w3", "completed"),
    ]


def test_events_tell_what_nobody_noted_and_only_where_every_start_was_an_attempt():
    heard = told_runs.joined("", [ToldRun(10, 20), ToldRun(30, 40)])
    assert [one.number for one in told_by(job("active", 2, told_runs=heard, processed_on_ms=50))] == [1, 2, 3]
    stalled = job("active", 2, attempts_started=4, told_runs=heard, processed_on_ms=50)
    assert [one.number for one in told_by(stalled)] == [3]


def test_attempts_counted_anew_are_other_attempts():
    first = told_by(job("failed", 1, processed_on_ms=1_000, finished_on_ms=1_100, failed_reason="boom"))
    again = told_by(job("failed", 1, processed_on_ms=9_000, finished_on_ms=9_100, failed_reason="bang"))
    rows = kept(kept([], first), again)
    assert [(row.number, row.started_ms, row.error) for row in rows] == [(1, 1_000, "boom"), (1, 9_000, "bang")]
    assert joined(rows, first, 7) == []
    assert joined(rows, again, 7) == []


def test_a_run_that_a_person_put_back_is_the_same_by_redis_clock_and_by_a_workers():
    stored = told_runs.joined("", [ToldRun(1_000, 2_000, was_final=True)])
    assert told_runs.joined(stored, [ToldRun(1_003, 2_004, was_final=True)]) == stored
    # Of events alone every end is another run, however near.
    assert len(told_runs.read(told_runs.joined(stored, [ToldRun(1_003, 2_004)]))) == 2
    assert len(told_runs.read(told_runs.joined(stored, [ToldRun(5_000, 6_000, was_final=True)]))) == 2


def test_an_end_without_a_start_is_a_runs_only_where_the_hash_told_of_one():
    stored = told_runs.joined("", [ToldRun(1_000, 2_000)])
    assert told_runs.joined("", [ToldRun(None, 9_000)]) == "[]"
    assert told_runs.read(told_runs.joined("", [ToldRun(None, 9_000)], (8_000,))) == [ToldRun(8_000, 9_000)]
    assert told_runs.joined(stored, [ToldRun(None, 9_000)], (1_000,)) == stored


@given(st.text() | st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=9).map(repr))
def test_whatever_stands_where_runs_are_kept_nothing_is_raised(stored):
    assert told_runs.read(told_runs.joined(stored, [ToldRun(1, 2)]))[-1:] != []
    assert isinstance(told_by(job("failed", 1, runs=stored, told_runs=stored, stacktrace=stored)), list)


def life(attempts: int, ends_well: bool, is_ours: bool) -> list[Job]:
    """The job's row at each moment of its life, as a mirror that misses nothing would write it."""
    seen, noted, heard, stacks = [job("waiting", 0)], "", "", []
    for number in range(1, attempts + 1):
        start, end = number * 10_000, number * 10_000 + 100
        common = {"runs": noted, "told_runs": heard, "processed_on_ms": start}
        seen.append(job("active", number - 1, stacktrace=json.dumps(stacks), **common))
        if number == attempts and ends_well:
            seen.append(job("completed", number, stacktrace=json.dumps(stacks), finished_on_ms=end, **common))
            break
        stacks = [*stacks, f"Error: number {number}\n    at x"]
        noted = runs_json(noted, Run(number, start, end, "w")) if is_ours else ""
        common |= {"runs": noted, "stacktrace": json.dumps(stacks)}
        if number == attempts:
            seen.append(job("failed", number, finished_on_ms=end, **common))
        else:
            heard = told_runs.joined(heard, [ToldRun(start, end)])
            seen.append(job("delayed", number, **(common | {"told_runs": heard})))
    return seen


@given(st.integers(1, 6), st.booleans(), st.booleans(), st.data())
def test_whatever_was_missed_or_told_again_the_last_look_gives_every_attempt_once(attempts, ends_well, is_ours, data):
    moments = life(attempts, ends_well, is_ours)
    looks = sorted(data.draw(st.lists(st.integers(0, len(moments) - 1), max_size=20)))
    rows: list[Attempt] = []
    for at in looks:
        for _ in range(data.draw(st.integers(1, 2))):
            rows = kept(rows, told_by(moments[at]))
    rows = kept(rows, told_by(moments[-1]))
    assert sorted(row.number for row in rows) == list(range(1, attempts + 1))
    assert all(row.started_ms == row.number * 10_000 for row in rows)
    assert all(row.ended_ms == row.number * 10_000 + 100 for row in rows)
    whole = kept([], told_by(moments[-1]))
    assert shape(rows) == shape(whole)


def test_of_a_job_that_is_tried_without_end_the_newest_are_kept(db):
    row = Job.objects.create(queue="chat", job_id="1", timestamp_ms=1, state="active")
    follower = SimpleNamespace()
    for number in range(2, MOST + 20):
        row.attempts_made, row.attempts_started, row.processed_on_ms = number - 1, number, number * 1_000
        Attempts.take(follower, [row])
    numbers = list(Attempt.objects.values_list("number", flat=True))
    assert len(numbers) == MOST
    assert max(numbers) == MOST + 19
