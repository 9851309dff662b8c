"""Bytes become text and back without loss, and nothing odd raises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.protocol import codec


@given(st.binary())
def test_any_bytes_survive_the_way_to_text_and_back(value: bytes) -> None:
    assert codec.raw(codec.text(value)) == value


@given(st.binary())
def test_text_holds_nothing_a_database_refuses(value: bytes) -> None:
    stored = codec.text(value)
    assert "\x00" not in stored
    stored.encode("utf-8")


def test_ordinary_text_is_left_as_it_is() -> None:
    assert codec.text("naïve 😀 </b>".encode()) == "naïve 😀 </b>"


def test_odd_bytes_are_shown_as_hex() -> None:
    assert codec.text(b"a\xff\x00b") == "a\ufffdff\ufffd00b"


@given(st.dictionaries(st.sampled_from([*codec.ALL_FIELDS, b"other"]), st.binary(max_size=40)))
def test_no_job_hash_raises(fields: dict[bytes, bytes]) -> None:
    record = codec.job_record("1", fields)
    assert record.exists == bool(fields)
    assert abs(record.timestamp_ms) <= codec.LARGEST


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (b"timestamp", b"x", "timestamp is not a number: x"),
        (b"timestamp", b"1e999", "timestamp is not a number: 1e999"),
        (b"finishedOn", b"99999999999999999999999", "finishedOn is out of range: 99999999999999999999999"),
        (b"data", b"{broken", "data is not JSON"),
        (b"opts", b"[" * 100_000, "opts is not JSON"),
    ],
)
def test_a_wrong_field_is_named(field: bytes, value: bytes, sentence: str) -> None:
    assert sentence in codec.job_record("1", {b"name": b"n", field: value}).problems


def test_a_fractional_time_from_another_writer_is_rounded_down() -> None:
    assert codec.job_record("1", {b"timestamp": b"1700000000000.7"}).timestamp_ms == 1_700_000_000_000


def test_the_names_of_older_versions_win_over_new_ones() -> None:
    record = codec.job_record("1", {b"atm": b"2", b"attemptsMade": b"5", b"stalledCounter": b"3"})
    assert (record.attempts_made, record.stalled_count) == (5, 3)


def test_a_gone_hash_says_so() -> None:
    record = codec.job_record("7", {})
    assert not record.exists
    assert record.problems


def test_json_is_written_as_node_writes_it() -> None:
    assert codec.to_json({"a": "é😀", "b": [1, None, True]}) == '{"a":"é😀","b":[1,null,true]}'


def test_a_lone_surrogate_is_escaped_in_json() -> None:
    assert json.loads(codec.to_json("\ud800x")) == "\ud800x"
    codec.to_json("\ud800x").encode("utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes", object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        codec.to_json(value)
