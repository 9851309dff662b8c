"""A pattern in words, or none: wrong words are worse than the pattern itself."""

from __future__ import annotations

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from dashboard.cron_words import cron_words, every_words


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 0 4 * * *", "At 04:00"),
        ("0 9 * * 1-5", "At 09:00, Monday through Friday"),
        ("0 0 L * ?", "At 00:00, on the last day of the month"),
        ("0 12 * * 5L", "At 12:00, on the last Friday of the month"),
        ("0 12 * * fri#2", "At 12:00, on the second Friday of the month"),
        ("0 0 13 * FRI", "At 00:00, on day 13 of the month, or on Friday"),
        ("0 0 * * 7", "At 00:00, only on Sunday"),
        ("*/20 * * * * *", "Every 20 seconds"),
        ("5/15 * * * *", "Every 15 minutes, starting at 5 minutes past the hour"),
        ("@weekdays", "At 00:00, Monday through Friday"),
    ],
)
def test_what_can_be_said_is_said(pattern, words):
    assert cron_words(pattern) == words


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        # Not “every 7 minutes”: it begins anew at the full hour.
        ("0 */7 * * * *", "At 0, 7, 14, 21, 28, 35, 42, 49, and 56 minutes past the hour"),
        ("*/45 * * * *", "At 0 and 45 minutes past the hour"),
        ("20/15 * * * *", "At 20, 35, and 50 minutes past the hour"),
        ("0 */5 * * *", "At 00:00, 05:00, 10:00, 15:00 and 20:00"),
    ],
)
def test_a_step_that_does_not_fill_its_round_is_said_value_by_value(pattern, words):
    assert cron_words(pattern) == words


@pytest.mark.parametrize("pattern", ["H H * * *", "0 0 15W * *", "99 * * * *", "0 0 */2 * *", "x", "* " * 600])
def test_what_could_be_said_wrongly_is_not_said(pattern):
    assert cron_words(pattern) == ""


def test_words_are_in_the_sites_language():
    with override("de"):
        assert cron_words("0 9 * * 1-5") == "Um 09:00, Montag bis Freitag"


@pytest.mark.parametrize(
    ("every_ms", "words"),
    [
        (1, "every millisecond"),
        (300_000, "every 5 minutes"),
        (90_000, "every 90 seconds"),
        (172_800_000, "every 2 days"),
    ],
)
def test_a_beat_is_said_in_the_largest_unit_that_says_it_whole(every_ms, words):
    assert every_words(every_ms) == words


@given(st.text(alphabet="0123456789*/-,?LH# @JANmonfri\\<%", max_size=40))
def test_no_pattern_raises(pattern):
    assert len(cron_words(pattern)) <= 200
