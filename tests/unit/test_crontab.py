"""When a pattern is due. (tests/interop/test_node_schedulers.py asks Node the same of 1,470 cases.)"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.errors import InvalidInput
from queues.protocol import cron, crontab


def after(pattern: str, moment: str, tz: str = "UTC", count: int = 3) -> list[str]:
    at, due = int(datetime.fromisoformat(moment).timestamp() * 1000), []
    for _ in range(count):
        at = cron.next_ms(pattern, at, tz=tz)
        due.append(datetime.fromtimestamp(at / 1000, ZoneInfo(tz)).strftime("%Y-%m-%d %H:%M %z"))
    return due


def test_a_time_that_the_clock_leaves_out_comes_as_much_later():
    assert after("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin") == [
        "2026-03-29 03:30 +0200",
        "2026-03-30 02:30 +0200",
        "2026-03-31 02:30 +0200",
    ]


def test_a_fixed_time_in_a_repeated_hour_comes_once():
    assert after("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin", 2) == [
        "2026-10-25 02:30 +0200",
        "2026-10-26 02:30 +0100",
    ]


def test_what_comes_in_every_hour_comes_in_the_repeated_one_too():
    assert after("30 * * * *", "2026-10-25T00:00:00Z", "Europe/Berlin") == [
        "2026-10-25 02:30 +0200",
        "2026-10-25 02:30 +0100",
        "2026-10-25 03:30 +0100",
    ]


def test_a_working_day_keeps_its_hour_when_the_clock_changes():
    # croniter has 21:00 and 22:00 for the Monday.
    assert after("0 22 * * 1-5", "2026-03-28T12:00:00Z", "Europe/Berlin", 2) == [
        "2026-03-30 22:00 +0200",
        "2026-03-31 22:00 +0200",
    ]


@pytest.mark.parametrize(
    ("pattern", "due"),
    [
        ("0 0 29 2 *", "2028-02-29 00:00 +0000"),
        ("0 0 L 2 *", "2027-02-28 00:00 +0000"),
        ("0 12 * * 5L", "2026-11-27 12:00 +0000"),
        ("0 12 * * 5#1", "2026-12-04 12:00 +0000"),
        ("0 0 13 * FRI", "2026-11-27 00:00 +0000"),
        ("@weekends", "2026-11-28 00:00 +0000"),
        ("", "2026-11-23 07:01 +0000"),
    ],
)
def test_days_that_are_not_just_numbers(pattern, due):
    assert after(pattern, "2026-11-23T07:00:30Z", count=1) == [due]


@pytest.mark.parametrize(
    "pattern",
    "60 * * * *|* 24 * * *|0 0 0 * *|0 0 32 * *|0 0 * 13 *|0 0 * * 8|5-1 * * * *|*/0 * * * *|1,,2 * * * *|1,1 * * * *"
    "|a * * * *|0 0 * XYZ *|0 0 * * L|0 0 * * 5#6|0 0 * * 1-5#2|0 0 30 2 *|1 2 3 4 5 6 7|@reboot|1/2/3 * * * *".split(
        "|"
    ),
)
def test_what_cannot_be_read_is_refused(pattern):
    with pytest.raises(InvalidInput):
        cron.next_ms(pattern, 1_795_000_000_000)


def test_an_endless_pattern_and_an_unknown_zone_are_refused():
    with pytest.raises(InvalidInput):
        cron.next_ms("* " * 600, 0)
    for zone in ("Nowhere/At_All", "../etc/passwd", "\0"):
        with pytest.raises(InvalidInput):
            cron.next_ms("* * * * *", 0, tz=zone)


@given(st.text(alphabet="0123456789*/-,?LH#() @JANmonfri", max_size=40))
def test_any_text_is_a_pattern_or_refused(pattern):
    try:
        due = cron.next_ms(pattern, 1_795_000_000_000)
    except InvalidInput:
        return
    assert due > 1_795_000_000_000


@given(
    st.integers(0, 4_000_000_000_000),
    st.sampled_from(["*/7 3 * * *", "30 2 * * *", "0 */5 * * 1-5", "15 1,2,3 L * *", "*/20 * * * * *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_the_next_moment_is_later_and_none_lies_between(at, pattern, tz):
    due = cron.next_ms(pattern, at, tz=tz)
    assert due > at
    assert due % 1000 == 0
    assert cron.next_ms(pattern, due - 1000, tz=tz) == due
    assert cron.next_ms(pattern, (at + due) // 2 if due - at > 2 else at, tz=tz) == due


def test_a_pattern_is_read_once_unless_it_draws():
    assert crontab.parse("* * * * *") is crontab.parse("* * * * *")
    assert len({crontab.parse("H H * * *").after(0, UTC) for _ in range(50)}) > 10


def told(pattern: str, moment: str, tz: str, count: int = 3) -> list[tuple[str, str]]:
    at = int(datetime.fromisoformat(moment).timestamp() * 1000)
    return [
        (datetime.fromtimestamp(m.at_ms / 1000, ZoneInfo(tz)).strftime("%m-%d %H:%M"), str(m.change or ""))
        for m in cron.upcoming(pattern, at, count, tz=tz)
    ]


def test_a_run_says_what_a_change_of_the_clock_does_to_it():
    assert told("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin", 2) == [
        ("03-29 03:30", "left out"),
        ("03-30 02:30", ""),
    ]
    assert told("30 1 * * *", "2026-10-31T12:00:00Z", "America/New_York", 2) == [
        ("11-01 01:30", "first"),
        ("11-02 01:30", ""),
    ]
    assert told("30 * * * *", "2026-10-25T00:00:00Z", "Europe/Berlin", 3) == [
        ("10-25 02:30", "both"),
        ("10-25 02:30", "both"),
        ("10-25 03:30", ""),
    ]
    # Half an hour forward, and where no clock ever changes.
    assert told("15 2 * * *", "2026-10-03T10:00:00Z", "Australia/Lord_Howe", 1) == [("10-04 02:45", "left out")]
    assert {change for _, change in told("*/30 * * * *", "2026-03-28T20:00:00Z", "Asia/Kolkata", 20)} == {""}


def test_the_runs_before_a_moment_are_those_that_led_to_it():
    at = int(datetime.fromisoformat("2026-11-23T09:00:00Z").timestamp() * 1000)
    for pattern, count in (("*/7 * * * *", 5), ("0 4 * * 1", 3), ("0 0 1 1 *", 1), ("* * * * * *", 4)):
        due = cron.next_ms(pattern, at)
        before = cron.previous(pattern, due, count)
        assert len(before) >= count
        assert before == sorted(before, reverse=True)
        for earlier, later in zip(before[1:], before[:-1], strict=True):
            assert cron.next_ms(pattern, earlier) == later
        assert cron.next_ms(pattern, before[0]) == due


def test_a_hostile_pattern_costs_little():
    began = time.process_time()
    for pattern in ("0 0 29 2 *", "59 59 23 31 12 ?", ",".join(map(str, range(60))) + " * * * *", "0 0 30 2 *"):
        with suppress(InvalidInput):
            cron.upcoming(pattern, 1_795_000_000_000, 5)
            cron.previous(pattern, 1_795_000_000_000, 10)
    assert time.process_time() - began < 1.0
