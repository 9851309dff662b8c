"""What pages say of jobs and queues, without a server: payloads, attempts, timelines, troubles."""

from __future__ import annotations

import json
import re
import time
from html import unescape

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from dashboard.pages import rows
from dashboard.pages.attempts import failures, headline
from dashboard.pages.listing import Listing
from dashboard.pages.payloads import laid_out, readable
from dashboard.pages.sentences import in_words, rate, segments, troubles
from dashboard.pages.timeline import ran_ms, timeline, waited_ms
from queues.models import Job, Queue
from queues.states import State


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


# --- payloads

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=values, is_compact=st.booleans())
def test_laid_out_json_is_the_same_json(value, is_compact):
    stored = json.dumps(value, separators=(",", ":") if is_compact else None)
    assert json.loads(plain(laid_out(stored))) == value


@given(stored=st.text(alphabet="{}[]\":,\\ab<&'0 \n"))
def test_laying_out_never_fails_and_never_lets_markup_through(stored):
    assert not re.search(r"<(?!span class=\"(?:key|no)\">|/span>)", laid_out(stored))


def test_numbers_keep_every_digit():
    exact = ["12345678901234567890", "1.10", "1E+400", "-0.0", "0.30000000000000004"]
    assert re.findall(r'class="no">([^<]*)', laid_out(f"[{','.join(exact)}]")) == exact


def test_short_lists_stay_on_one_line_and_long_ones_do_not():
    assert plain(laid_out('{"a":[1,2],"b":{}}')) == '{\n  "a": [1, 2],\n  "b": {}\n}'
    assert plain(laid_out(json.dumps(["x" * 40, "y" * 40]))).count("\n") == 3


@pytest.mark.parametrize("stored", ["[" * 65_536, '{"a":' * 13_000, "[1," * 20_000, '"' + "\\" * 60_000])
def test_hostile_nesting_costs_neither_time_nor_space(stored):
    began = time.process_time()
    html = laid_out(stored)
    assert time.process_time() - began < 1
    assert len(html) < 80 * len(stored)


def test_escaped_letters_are_read_as_letters_unless_they_would_deceive():
    assert readable('"caf\\u00e9 \\ud83d\\udc02"') == '"café 🐂"'
    for kept in ('"\\u202e"', '"\\ud83d"', '"\\u0000"', '"\\u00e'):
        assert readable(kept) == kept


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
    told = [(moment.label, moment.note) for moment in timeline(job, 7_000)]
    assert told[:3] == [
        ("Attempt 1 failed", "Error: first"),
        ("Attempt 2 failed", "Error: second"),
        ("Attempt 3 started", "ran 1.0 s"),
    ]


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
