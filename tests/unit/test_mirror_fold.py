"""Events folded, and what rows come of them. However events are cut, repeated or lost, the truth in Redis wins."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from queues.mirror import told_runs
from queues.mirror.fold import Fold, fold, slices
from queues.mirror.incarnations import OF_REDIS, UNREAD, Told, rows
from queues.models import Job
from queues.protocol.codec import JobRecord
from queues.protocol.events import Event
from queues.protocol.reads import JobSight
from queues.protocol.reads.bulk import whole_characters
from queues.states import State

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(at_ms: int, kind: str, job_id: str = "1", **fields: str) -> Event:
    return Event("chat", f"{at_ms}-0", kind, job_id, {name.encode(): text.encode() for name, text in fields.items()})


def life(start_ms: int, final: str = "completed") -> list[Event]:
    if final == "retried":
        again = [event(start_ms + 2_000, "waiting", prev="failed"), event(start_ms + 2_001, "active")]
        return [*life(start_ms, "failed"), *again, event(start_ms + 2_009, "completed", returnvalue=str(start_ms))]
    field = {"completed": "returnvalue", "failed": "failedReason"}[final]
    return [
        event(start_ms, "added", name="work"),
        event(start_ms + 1, "waiting"),
        event(start_ms + 2, "active"),
        event(start_ms + 9, final, **{field: str(start_ms)}),
    ]


def seen(state: State, timestamp_ms: int, **fields: object) -> JobSight:
    return JobSight(JobRecord("1", timestamp_ms=timestamp_ms, **fields), state)  # type: ignore[arg-type]


def apply(known: list[Job], lives: Fold | None, sight: JobSight | None = None) -> list[Job]:
    """The table after it, for job 1."""
    told = Told("1", sight, lives.lives.get("1", []) if lives else [])
    table = {job.timestamp_ms: copy(job) for job in known}
    for job in rows("default", "chat", [copy(job) for job in known], told, NOW):
        table[job.timestamp_ms] = job
    return [table[ms] for ms in sorted(table)]


def values(table: list[Job]) -> list[tuple[object, ...]]:
    return [tuple(getattr(job, name) for name in OF_REDIS) for job in table]


def test_what_is_removed_after_it_failed_keeps_its_error():
    failed = apply([], None, seen(State.FAILED, 1000, finished_on_ms=1009, failed_reason="no answer"))
    (row,) = apply(failed, fold([event(5000, "removed", prev="failed")], 99))
    assert (row.state, row.failed_reason, row.finished_on_ms) == ("failed", "no answer", 1009)
    assert row.removed_at == datetime.fromtimestamp(5, UTC)


def test_a_job_never_read_becomes_a_closed_row_with_what_events_told():
    (row,) = apply([], fold(life(1000), 99))
    assert (row.name, row.state, row.return_value, row.problems) == ("work", "completed", "1000", UNREAD)
    assert (row.timestamp_ms, row.processed_on_ms, row.finished_on_ms) == (1000, 1002, 1009)
    assert row.removed_at == datetime.fromtimestamp(1.009, UTC)


def test_a_job_in_redis_is_what_redis_says_whatever_events_tell():
    (row,) = apply([], fold(life(1000), 99), seen(State.ACTIVE, 990, attempts_started=2))
    assert (row.state, row.timestamp_ms, row.removed_at, row.return_value) == ("active", 990, None, "")


def test_a_row_known_from_before_is_closed_by_its_final_event():
    known = apply([], None, seen(State.ACTIVE, 990, data="{}"))
    (row,) = apply(known, fold(life(1000)[3:], 99))
    assert (row.state, row.return_value, row.data, row.finished_on_ms) == ("completed", "1000", "{}", 1009)
    assert row.removed_at is not None


def test_an_end_that_comes_in_a_later_batch_finds_its_row():
    table = apply([], fold(life(1000)[:2], 99))
    table = apply(table, fold(life(1000)[2:3], 99))
    table = apply(table, fold(life(1000)[3:], 99))
    table = apply(table, fold([event(1010, "retries-exhausted", attemptsMade="3")], 99))
    assert [(row.timestamp_ms, row.state, row.attempts_made) for row in table] == [(1000, "completed", 3)]


def test_a_retried_job_is_not_ended():
    events = [*life(1000, "failed"), event(1020, "waiting", prev="failed"), event(1021, "active")]
    assert fold(events, 99).lives["1"][-1].final is None


def test_a_new_timestamp_is_a_new_row_and_closes_the_old_one():
    known = apply([], None, seen(State.COMPLETED, 500, finished_on_ms=600))
    old, new = apply(known, None, seen(State.WAITING, 5_000))
    assert (old.removed_at, old.state) == (NOW, "completed")
    assert (new.removed_at, new.state) == (None, "waiting")


def test_a_job_that_vanished_is_closed_as_it_last_was():
    known = apply([], None, seen(State.WAITING, 500))
    (row,) = apply(known, None)
    assert (row.state, row.removed_at) == ("waiting", NOW)


def test_a_job_that_came_back_with_the_same_timestamp_is_open_again():
    closed = apply(apply([], None, seen(State.WAITING, 500)), None)
    (row,) = apply(closed, None, seen(State.WAITING, 500))
    assert row.removed_at is None


def test_an_older_event_makes_no_ended_job_unfinished():
    table = apply([], fold(life(1000), 99))
    (row,) = apply(table, fold([event(1002, "active"), event(1003, "stalled")], 99))
    assert row.state == "completed"


def test_a_life_told_again_after_the_hash_was_read_is_the_same_life():
    known = apply([], None, seen(State.COMPLETED, 998, finished_on_ms=1007, return_value='"1"'))
    closed = apply(known, None)
    table = apply(closed, fold(life(1000), 99))
    assert [(row.timestamp_ms, row.finished_on_ms) for row in table] == [(998, 1007)]


def test_a_life_told_again_is_the_same_life_however_far_the_workers_clock_stood():
    (read,) = apply([], None, seen(State.COMPLETED, 990, finished_on_ms=4_009))
    (closed,) = apply([read], None)
    assert len(apply([closed], fold(life(1000)[2:], 99))) == 1
    assert len(apply([closed], fold(life(1000), 99))) == 1
    assert len(apply([closed], fold(life(5000), 99))) == 2


def test_a_hash_newer_than_the_events_leaves_the_past_its_own_row():
    old, new = apply([], fold(life(1000), 99), seen(State.WAITING, 3_000))
    assert (old.timestamp_ms, old.state, old.removed_at is None) == (1000, "completed", False)
    assert (new.timestamp_ms, new.state, new.removed_at) == (3000, "waiting", None)


def test_all_that_was_told_told_again_makes_no_row_twice():
    known = apply([], None, seen(State.WAITING, 999))
    events = [*life(1_000)[:1], event(1_009, "removed"), event(21_000, "added"), event(21_009, "removed")]
    once = apply(known, fold(events, 99))
    assert [row.timestamp_ms for row in once] == [999, 21_000]
    assert values(apply(once, fold(events, 99))) == values(once)
    # The table gives the newest row alone.
    assert [row.timestamp_ms for row in apply(once[1:], fold(events, 99))] == [21_000]


def test_deduplicated_ids_are_looked_at_too():
    folded = fold([event(1, "deduplicated", "7", deduplicatedJobId="6", deduplicationId="x")], 99)
    assert set(folded.lives) == {"6", "7"}
    assert apply([], fold([event(1, "deduplicated", "2", deduplicatedJobId="1")], 99)) == []


def test_results_are_cut_at_whole_characters():
    folded = fold([event(1, "completed", returnvalue="ééé")], 5)
    assert folded.lives["1"][0].result == "éé"
    (row,) = apply([], folded)
    assert len(row.problem_list) == 2


@given(st.text(), st.integers(0, 50))
def test_a_cut_text_is_a_beginning_of_the_whole(text, at):
    cut = whole_characters(text.encode()[:at])
    assert text.startswith(cut.decode())
    assert at - len(cut) < 4 or cut == text.encode()


@given(st.lists(st.integers(0, 8), max_size=60), st.integers(1, 9))
def test_slices_hold_every_event_once_and_few_ids(ids, most):
    events = [event(n, "waiting", str(job_id)) for n, job_id in enumerate(ids)]
    parts = list(slices(events, most))
    assert [e for part in parts for e in part] == events
    assert all(len({e.job_id for e in part}) <= most for part in parts)


LIVES = st.lists(st.sampled_from(["completed", "failed", "retried"]), min_size=1, max_size=4)


@settings(max_examples=300)
@given(LIVES, st.data())
def test_lives_without_a_hash_give_the_same_rows_however_the_events_are_cut(finals, data):
    events = [e for n, final in enumerate(finals) for e in life(1_000 + n * 20_000, final)]
    whole = apply([], fold(events, 99))
    assert [row.state for row in whole] == [final.replace("retried", "completed") for final in finals]
    table: list[Job] = []
    at = 0
    while at < len(events):
        step = data.draw(st.integers(1, len(events)))
        table = apply(table, fold(events[at : at + step], 99))
        at += step
    assert [(row.key, row.state, row.finished_on_ms, row.return_value, row.removed_at) for row in table] == [
        (row.key, row.state, row.finished_on_ms, row.return_value, row.removed_at) for row in whole
    ]


@settings(max_examples=300)
@given(LIVES, st.data())
def test_events_lost_repeated_or_shuffled_never_change_what_redis_says(finals, data):
    """Whatever was told before, once the hash is read its row is exactly Redis's, and every other one is closed."""
    events = [e for n, final in enumerate(finals) for e in life(1_000 + n * 20_000, final)]
    heard = data.draw(st.lists(st.sampled_from(events), max_size=30))
    last = 1_000 + (len(finals) - 1) * 20_000
    truth = seen(State.COMPLETED, last - 3, finished_on_ms=last + 9, return_value="7")
    table = apply(apply([], fold(heard, 99)), fold(heard[::-1], 99), truth)
    live = [row for row in table if row.removed_at is None]
    assert values(live) == values([Job.from_record("default", "chat", State.COMPLETED, truth.record)])
    again = apply(table, fold(heard, 99), truth)
    assert values([row for row in again if row.removed_at is None]) == values(live)


MOVES = st.lists(
    st.sampled_from(["add", "start", "complete", "fail", "back off", "retry", "remove", "stall", "look", "lose"]),
    max_size=40,
)


class World:
    """One job id as Redis holds it, with the events that tell of it, and a mirror that looks at any moments."""

    def __init__(self) -> None:
        self.now, self.sight, self.told, self.unread = 1_000, None, [], []
        self.table: list[Job] = []

    def say(self, kind: str, **fields: str) -> None:
        self.told.append(event(self.now, kind, **fields))
        self.unread.append(self.told[-1])

    def set(self, state: State, **fields: object) -> None:
        record = replace(self.sight.record, **fields) if self.sight else JobRecord("1", timestamp_ms=self.now - 1)
        self.sight = JobSight(record, state)

    def move(self, kind: str) -> None:
        self.now += 20_000
        state = self.sight.state if self.sight else None
        match kind, state:
            case "add", None:
                self.set(State.WAITING)
                self.say("added", name="work")
                self.say("waiting")
            case "start", State.WAITING | State.DELAYED:
                self.set(
                    State.ACTIVE, processed_on_ms=self.now, attempts_started=self.sight.record.attempts_started + 1
                )
                self.say("active", prev="waiting")
            case "complete" | "fail", State.ACTIVE:
                made = self.sight.record.attempts_made + 1
                final = {"complete": State.COMPLETED, "fail": State.FAILED}[kind]
                text = {"complete": "return_value", "fail": "failed_reason"}[kind]
                self.set(final, finished_on_ms=self.now, attempts_made=made, **{text: "x"})
                self.say(final.value, **{"complete": {"returnvalue": "x"}, "fail": {"failedReason": "x"}}[kind])
            case "back off", State.ACTIVE:
                self.set(State.DELAYED, attempts_made=self.sight.record.attempts_made + 1)
                self.say("delayed", delay="1")
            case "stall", State.ACTIVE:
                self.set(State.WAITING, stalled_count=self.sight.record.stalled_count + 1)
                self.say("waiting", prev="active")
                self.say("stalled")
            case "retry", State.FAILED | State.COMPLETED:
                was = state.value
                self.set(State.WAITING, finished_on_ms=None, processed_on_ms=None, failed_reason="", return_value="")
                self.say("waiting", prev=was)
            case "remove", State():
                self.say("removed", prev="unknown")
                self.sight = None
            case "look", _:
                self.look()
            case "lose", _:
                self.unread.clear()

    def look(self) -> None:
        self.table = apply(self.table, fold(self.unread, 99), self.sight)
        self.unread = []

    @property
    def live(self) -> list[Job]:
        return [row for row in self.table if row.removed_at is None]


@settings(max_examples=150)
@given(MOVES, st.data())
def test_a_mirror_that_looks_loses_and_repeats_at_any_moments_ends_with_what_redis_holds(moves, data):
    world = World()
    for kind in moves:
        world.move(kind)
        if world.told and data.draw(st.integers(0, 9)) == 0:
            # Told again from anywhere: a mirror that was killed before it had committed its place.
            world.unread = world.told[data.draw(st.integers(0, len(world.told) - 1)) :]
    world.look()
    truth = world.sight and Job.from_record("default", "chat", world.sight.state, world.sight.record)
    assert values(world.live) == ([] if truth is None else values([truth]))
    world.unread = list(world.told)
    world.look()
    once = values(world.table), [row.told_runs for row in world.table]
    world.unread = list(world.told)
    world.look()
    assert (values(world.table), [row.told_runs for row in world.table]) == once
    assert values(world.live) == ([] if truth is None else values([truth]))


@settings(max_examples=100)
@given(MOVES)
def test_a_mirror_that_misses_nothing_keeps_every_run_that_was_put_back(moves):
    world = World()
    ends = []
    for kind in moves:
        before = len(world.told)
        world.move(kind)
        if kind == "back off" and len(world.told) > before:
            ends.append(world.now)
        world.look()
    kept = [run.ended_ms for row in world.table for run in told_runs.read(row.told_runs) if not run.was_final]
    assert sorted(kept) == ends[-30:] or len(world.table) > 1
    assert set(kept) <= set(ends)
