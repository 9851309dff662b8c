"""What pages say of jobs and queues, without a server: payloads, attempts, timelines, troubles."""

from __future__ import annotations

import json

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from dashboard.drawing import render_to_string
from dashboard.pages.job.attempts import failures, headline, verdict
from dashboard.pages.job.timeline import ran_ms, timeline, waited_ms
from dashboard.pages.listing.state import Listing
from dashboard.pages.queue import rows
from dashboard.pages.queue.sentences import in_words, rate, segments, troubles
from queues.models import Job, Queue
from queues.protocol.attempts import Run
from queues.states import State

# --- attempts


def test_node_names_the_error_first_and_python_last():
    assert headline("TypeError: x\n    at run (a.js:1)") == "TypeError: x"
    python = "Traceback (most recent call last):\n  File 'a.py'\nValueError: two\nlines\n"
    assert headline(python) == "lines"
    assert (
        headline("Traceback (most recent call last):\n  File 'a.py'\nValueError: one\n  indented\n")
        == "ValueError: one"
    )
    assert headline(" \n") == ""


def test_stacks_are_counted_back_from_the_last_attempt():
    job = Job(attempts_made=5, stacktrace=json.dumps(["a", "b"]))
    assert [(failure.number, failure.headline) for failure in failures(job)] == [(5, "b"), (4, "a")]
    job = Job(attempts_made=1, stacktrace=json.dumps(["a", "b"]))
    assert [failure.number for failure in failures(job)] == [None, None]


def test_the_reason_stands_in_where_no_stack_was_kept():
    (failure,) = failures(Job(failed_reason="Boom\nmore", stacktrace='["NoneType: None\\n"]', attempts_made=2))
    assert (failure.number, failure.headline, failure.stack) == (2, "Boom", "Boom\nmore")
    assert failures(Job(stacktrace="{corrupt")) == []


# --- the timeline


def labels(job: Job) -> list[str]:
    return [moment.label for moment in timeline(job, 10_000)]


def test_a_job_that_never_ran_has_been_added_and_waits():
    assert labels(Job(state="waiting", timestamp_ms=1)) == ["Added", "Waiting for a worker"]
    assert labels(Job(state="delayed", timestamp_ms=1)) == ["Added", "Due"]


def test_each_attempt_is_told_as_far_as_it_is_known():
    job = Job(state="active", timestamp_ms=1, attempts_made=2, attempts_started=3, processed_on_ms=5_000)
    assert labels(job) == ["Added", "Attempt 1 failed", "Attempt 2 failed", "Attempt 3 started"]
    job = Job(state="failed", timestamp_ms=1, attempts_made=3, processed_on_ms=5, finished_on_ms=9)
    assert labels(job) == ["Added", "Attempt 1 failed", "Attempt 2 failed", "Attempt 3 started", "Failed for good"]
    job = Job(state="delayed", timestamp_ms=1, attempts_made=1, processed_on_ms=5)
    assert labels(job) == ["Added", "Attempt 1 started", "Due again"]


def test_a_job_that_was_retried_and_completed_keeps_each_error_with_its_attempt():
    job = Job(state="completed", attempts_made=3, processed_on_ms=5_000, finished_on_ms=6_000)
    job.stacktrace = json.dumps(["Error: first", "Error: second"])
    assert [(failure.number, failure.headline) for failure in failures(job)] == [
        (2, "Error: second"),
        (1, "Error: first"),
    ]
    told = [(moment.label, moment.error or moment.note, moment.is_lost) for moment in timeline(job, 7_000)]
    assert told[:3] == [
        ("Attempt 1 failed", "Error: first", True),
        ("Attempt 2 failed", "Error: second", True),
        ("Attempt 3 started", "ran 1.0 s", False),
    ]


def test_recorded_attempts_tell_when_where_how_long_and_what_they_waited_for():
    job = Job(state="failed", timestamp_ms=1_000, attempts_made=3, processed_on_ms=40_000, finished_on_ms=41_000)
    runs = [Run(1, 3_000, 5_000, "web-1"), Run(2, 6_000, 16_000, "web-3")]
    told = [(moment.label, moment.at_ms, moment.note) for moment in timeline(job, 50_000, runs)]
    assert told[:4] == [
        ("Added", 1_000, "waited 2.0 s"),
        ("Attempt 1 failed on web-1", 3_000, "ran 2.0 s, then waited 1.0 s"),
        ("Attempt 2 failed on web-3", 6_000, "ran 10.0 s, then waited 24.0 s"),
        ("Attempt 3 started", 40_000, "ran 1.0 s"),
    ]


def test_the_wait_of_a_delayed_job_counts_from_its_due_time_even_after_backoffs_have_overwritten_the_delay():
    job = Job(state="failed", timestamp_ms=1_000, opts='{"delay":5000}', delay_ms=0, attempts_made=1)
    job.processed_on_ms, job.finished_on_ms, job.attempts_started = 7_500, 8_000, 1
    assert timeline(job, 9_000)[0].note == "to run after 5.0 s, waited 1.5 s"


@pytest.mark.parametrize(
    ("reason", "opts", "made", "said"),
    [
        ("job stalled more than allowable limit", '{"attempts":5}', 1, "lost its worker more often"),
        ("job started more than allowable limit", "{}", 1, "started more often"),
        ("child bull:q:7 failed", '{"attempts":5}', 1, "a child that it cannot do without"),
        (
            "UnrecoverableError: no such user",
            '{"attempts":5}',
            1,
            "though 4 of 5 attempts were left: the error was unr",
        ),
        ("Boom", '{"attempts":5}', 2, "though 3 of 5 attempts were left."),
        ("Boom", '{"attempts":2}', 2, ""),
    ],
)
def test_why_a_failed_job_is_not_tried_again_is_said(reason, opts, made, said):
    job = Job(state="failed", failed_reason=reason, opts=opts, attempts_made=made)
    assert said in verdict(job)
    assert bool(verdict(job)) == bool(said)
    job.state = "completed"
    assert verdict(job) == ""


def test_a_hundred_thousand_attempts_are_told_in_few_lines():
    job = Job(state="failed", timestamp_ms=1, attempts_made=100_000, processed_on_ms=5, finished_on_ms=9)
    assert labels(job)[1] == "99,994 earlier attempts failed"
    assert len(labels(job)) < 12


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("number", [0, -1, 2**53, -(2**53)])
def test_no_number_makes_a_timeline_fail(state, number):
    job = Job(
        state=state.value,
        timestamp_ms=number,
        delay_ms=number,
        priority=number,
        processed_on_ms=number,
        finished_on_ms=-number,
        attempts_made=min(number, 10**9),
        attempts_started=number,
        stalled_count=number,
    )
    assert timeline(job, 0) is not None
    assert (waited_ms(job) or 0) >= 0
    assert (ran_ms(job) or 0) >= 0


def test_waiting_is_not_told_where_a_later_attempt_has_overwritten_the_first_start():
    job = Job(timestamp_ms=1_000, processed_on_ms=4_000, attempts_started=1, delay_ms=500)
    assert waited_ms(job) == 2_500
    job.attempts_started = 2
    assert waited_ms(job) is None


# --- queues


def kinds(queue: Queue) -> list[str]:
    return [trouble.short for trouble in troubles(queue)]


def test_a_queue_in_order_has_no_trouble():
    queue = Queue(name="q", waiting=5, active=1)
    queue.workers = 2
    assert kinds(queue) == []
    queue.workers = None
    assert kinds(queue) == []


def test_what_somebody_wanted_hides_what_follows_from_it():
    queue = Queue(name="q", waiting=5, is_paused=True)
    queue.workers, queue.rate_limited_ms = 0, 500
    assert kinds(queue) == ["paused"]


def test_a_used_up_limit_matters_only_where_a_job_waits_for_it_and_is_told_without_moving_the_page():
    queue = Queue(connection="default", name="q", completed=5)
    queue.workers, queue.rate_limited_ms = 1, 17_900
    assert kinds(queue) == []
    queue.prioritized = 1
    assert kinds(queue) == ["limited"]
    facts = render_to_string("queue/facts.html", {"queue": queue})
    assert "for 17.9 s" in facts
    assert "notice" not in facts


def test_no_workers_matters_only_where_there_is_work():
    queue = Queue(name="q", completed=5)
    queue.workers = 0
    assert kinds(queue) == []
    queue.active = 1
    assert kinds(queue) == ["no workers"]
    assert "1 job started" in troubles(queue)[0].sentence


def test_a_limit_is_told_in_its_own_period():
    assert rate(Queue(rate_limit_max=10, rate_limit_duration_ms=60_000)) == "10 per minute"
    assert rate(Queue(rate_limit_max=1_000, rate_limit_duration_ms=300_000)) == "1,000 per 5 min"
    assert rate(Queue(rate_limit_max=10)) == ""


def test_the_bar_shows_every_state_that_has_jobs_and_is_filled():
    parts = segments(Queue(waiting=1, failed=1, completed=1_000_000))
    assert [part.state for part in parts] == [State.WAITING, State.FAILED, State.COMPLETED]
    assert sum(float(part.width) for part in parts) == pytest.approx(100, abs=0.2)
    assert all(float(part.width) > 2 for part in parts)
    assert segments(Queue()) == []
    assert in_words(Queue(waiting=1_200, failed=2)) == "1,200 waiting, 2 failed"


def test_a_drawn_row_is_kept_until_a_value_changes():
    queue = Queue(name="kept", waiting=1)
    first = rows.drawn("queue/row.html", queue)
    assert rows.drawn("queue/row.html", Queue(name="kept", waiting=1)) is first
    assert rows.drawn("queue/row.html", Queue(name="kept", waiting=2)) != first
    same, other = Queue(name="kept", waiting=2), Queue(name="kept", waiting=2, connection="other")
    assert rows.drawn("queue/row.html", same) != rows.drawn("queue/row.html", other)


# --- addresses


@given(st.dictionaries(st.sampled_from(["status", "page", "jobsPerPage", "per_page"]), st.text()))
def test_what_a_listing_reads_it_can_say_again(query):
    asked = QueryDict(mutable=True)
    asked.update(query)
    queue = Queue(name="q", failed=1)
    listing = Listing.read(asked, queue)
    again = Listing.read(QueryDict(listing.back), queue)
    assert (again.status, again.page, again.per_page) == (listing.status, listing.page, listing.per_page)
    assert again.complaints == ()
