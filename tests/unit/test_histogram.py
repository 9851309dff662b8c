"""Times in fixed buckets: what was counted apart adds up, and no percentile is further off than is said."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from queues.histogram import ERROR, MOST_BUCKETS, bucket, merge, middle_s, pack, percentiles, unpack

#: From a hundredth of a millisecond to ten days.
TIMES = st.floats(min_value=1e-5, max_value=864_000)
SHARES = (0.5, 0.95, 0.99)


def counted(times: list[float]) -> dict[int, int]:
    found: dict[int, int] = {}
    for seconds in times:
        merge(found, {bucket(seconds): 1})
    return found


def true_percentile(times: list[float], share: float) -> float:
    return sorted(times)[max(math.ceil(share * len(times)), 1) - 1]


@given(st.lists(TIMES, min_size=1))
def test_a_percentile_is_within_the_bound_of_the_true_one(times):
    for share, found in zip(SHARES, percentiles(counted(times), SHARES), strict=True):
        true = true_percentile(times, share)
        assert abs(found / 1000 - true) <= max(true * ERROR, 1 / 32_000) * (1 + 1e-9)


@given(st.lists(st.lists(TIMES)))
def test_counted_apart_and_added_is_as_counted_together(parts):
    added: dict[int, int] = {}
    for part in parts:
        merge(added, unpack(pack(counted(part))))
    assert added == counted([seconds for part in parts for seconds in part])


@given(TIMES, TIMES)
def test_a_longer_time_is_in_no_lower_bucket(one, other):
    low, high = sorted((one, other))
    assert bucket(low) <= bucket(high) < MOST_BUCKETS


@given(st.dictionaries(st.integers(0, MOST_BUCKETS - 1), st.integers(1, 2**40)))
def test_what_is_packed_is_unpacked_and_small(histogram):
    packed = pack(histogram)
    assert unpack(packed) == histogram
    assert len(packed) <= 8 * len(histogram)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_some_histogram(stored):
    assert all(0 <= index < MOST_BUCKETS for index in unpack(stored))


def test_times_that_no_clock_should_give_are_counted_at_the_ends():
    assert bucket(-3.0) == bucket(0.0) == 0
    assert bucket(1e12) == MOST_BUCKETS - 1
    assert middle_s(bucket(0.000_1)) < 0.001


def test_nothing_has_no_percentile():
    assert percentiles({}, SHARES) == [None, None, None]
