"""What a run's result or error becomes: text that every store takes."""

from __future__ import annotations

import json

import bullmq.custom_errors as bullmq
import pytest

from queues.errors import DelayedError, RateLimitError, WaitingChildrenError
from queues.runs import outcome
from queues.runs.outcome import Completed, Delayed, Failed, RateLimited, WaitsForChildren


def test_a_result_becomes_nodes_json():
    assert outcome.of_result({"a": [1, None, "é"]}) == Completed('{"a":[1,null,"é"]}')


def test_half_a_surrogate_pair_in_a_result_is_escaped():
    assert outcome.of_result("\ud800") == Completed('"\\ud800"')


@pytest.mark.parametrize("result", [{1}, float("inf"), b"", object, lambda: 1])
def test_what_json_cannot_say_fails_for_good(result):
    failed = outcome.of_result(result)
    assert isinstance(failed, Failed)
    assert not failed.may_retry
    assert "JSON" in failed.reason


def test_a_reason_is_the_message_or_the_type_where_there_is_none():
    assert outcome.reason_of(ValueError("boom")) == "boom"
    assert outcome.reason_of(ValueError(" ")) == "ValueError"
    assert outcome.reason_of(KeyError("user")) == "KeyError: 'user'"


def test_text_is_cut_in_the_middle_and_says_how_long_it_was():
    text = outcome.safe("a" * 600 + "z" * 600, 100)
    assert text.startswith("aaa")
    assert text.endswith("zzz")
    assert "1,200 characters" in text
    assert len(text) < 150


def test_safe_text_has_no_nul_and_no_half_surrogate():
    assert outcome.safe("a\x00b\udcffc", 99) == "a\\x00b\\udcffc"


def test_a_stack_keeps_the_last_attempts_within_its_bound():
    assert outcome.stack(["a"], "b", None) == ["a", "b"]
    assert outcome.stack(["a", "b"], "c", 2) == ["b", "c"]
    assert outcome.stack(["a"], "b", 0) == []
    long = "x" * (outcome.MAX_STACK // 2)
    assert outcome.stack([long, long], "new", None) == [long, "new"]
    assert outcome.stack([], long * 3, None) == [long * 3]


def test_an_unrecoverable_error_is_known_by_its_class_or_its_name():
    class UnrecoverableError(Exception):
        pass

    class Mine(UnrecoverableError):
        pass

    from queues.errors import UnrecoverableError as Ours

    assert outcome.is_unrecoverable(Ours("x"))
    assert outcome.is_unrecoverable(Mine("x"))
    assert not outcome.is_unrecoverable(ValueError("x"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DelayedError(250), Delayed(250)),
        (DelayedError(), Delayed(0)),
        (DelayedError(-5), Delayed(0)),
        (DelayedError(float("nan")), Delayed(0)),
        (DelayedError(1e300), Delayed(outcome.YEAR_MS)),
        (WaitingChildrenError(), WaitsForChildren()),
        (RateLimitError(500.4), RateLimited(500)),
        (RateLimitError(0), RateLimited(1)),
        (bullmq.DelayedError("moved"), Delayed(0)),
        (bullmq.WaitingChildrenError("moved"), WaitsForChildren()),
    ],
)
def test_an_error_may_be_a_request(error, expected):
    assert outcome.of_error(error) == expected


@pytest.mark.parametrize(
    "error", [DelayedError("soon"), DelayedError(None), RateLimitError("429"), RateLimitError(True)]
)  # type: ignore[arg-type]
def test_a_request_that_says_no_time_is_an_error_and_does_not_run_the_job_for_ever(error):
    failed = outcome.of_error(error)
    assert isinstance(failed, Failed)
    assert failed.reason == str(error)
    assert failed.may_retry


def test_namesakes_of_those_errors_are_errors():
    for name in ("RateLimitError", "DelayedError", "WaitingChildrenError"):
        failed = outcome.of_error(type(name, (Exception,), {})("429"))
        assert isinstance(failed, Failed)
        assert failed.may_retry
        assert failed.reason == "429"


def test_a_trace_of_many_frames_shows_the_last():
    def dive(depth: int) -> None:
        if depth == 0:
            raise ValueError("deep")
        [dive, lambda d: dive(d)][depth % 2](depth - 1)

    try:
        dive(300)
    except ValueError as error:
        trace = outcome.trace_of(error)
    assert len(trace) <= outcome.MAX_TRACE + 100
    assert trace.endswith("ValueError: deep\n")


def test_an_error_that_cannot_be_drawn_is_still_an_outcome():
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    failed = outcome.of_error(Odd())
    assert "Odd" in failed.reason
    assert json.dumps(failed.trace)
