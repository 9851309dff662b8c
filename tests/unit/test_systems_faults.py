"""The samples' failures: believable, dealt by job id, and the same each time."""

from dataclasses import dataclass, field, replace

import pytest

from queues.errors import UnrecoverableError
from queues.systems.faults import FAILING, MADE_UP, STUMBLING, ValidationError, is_struck, strike, too_many_requests


@dataclass(frozen=True)
class Attempt:
    """The fields of a running job that decide its fate."""

    id: str
    queue: str = "chat"
    attempt: int = 1
    attempts: int = 3
    data: dict[str, bool] = field(default_factory=lambda: {MADE_UP: True}, hash=False)


JOBS = [Attempt(str(number)) for number in range(5_000)]


def outcome(job: Attempt, *causes: Exception) -> str:
    try:
        strike(job, *causes)
    except Exception as error:
        return type(error).__name__
    return "fine"


def test_the_share_that_is_struck_is_the_one_written_down() -> None:
    struck = sum(is_struck(job) for job in JOBS) / len(JOBS)
    assert struck == pytest.approx((FAILING + STUMBLING) / 1_000, rel=0.2)


def test_most_struck_jobs_only_stumble_and_some_fail_every_attempt() -> None:
    last = [job for job in JOBS if is_struck(replace(job, attempt=3))]
    assert len(last) / len(JOBS) == pytest.approx(FAILING / 1_000, rel=0.3)
    assert all(is_struck(replace(job, attempt=attempt)) for job in last for attempt in (1, 2))


def test_an_operators_retry_after_the_last_attempt_succeeds() -> None:
    assert not [job for job in JOBS if is_struck(replace(job, attempt=4))]


def test_the_same_job_meets_the_same_error_each_time() -> None:
    def all_outcomes() -> list[str]:
        return [outcome(job, TimeoutError("30 s"), too_many_requests("api.example"), KeyError("x")) for job in JOBS]

    assert all_outcomes() == all_outcomes()


def test_every_cause_occurs() -> None:
    causes = (TimeoutError("30 s"), too_many_requests("api.example"), KeyError("x"), ValidationError("no"))
    assert {outcome(job, *causes) for job in JOBS} == {
        "fine",
        "TimeoutError",
        "HTTPError",
        "KeyError",
        "ValidationError",
    }


def test_a_job_that_only_stumbles_never_meets_an_error_without_retry() -> None:
    stumbling = [job for job in JOBS if is_struck(job) and not is_struck(replace(job, attempt=2))]
    assert stumbling
    assert {outcome(job, TimeoutError("30 s"), ValidationError("no")) for job in stumbling} == {"TimeoutError"}


def test_another_queue_deals_other_fates_to_the_same_ids() -> None:
    assert [is_struck(job) for job in JOBS] != [is_struck(replace(job, queue="scan")) for job in JOBS]


def test_invalid_data_is_not_retried() -> None:
    assert issubclass(ValidationError, UnrecoverableError)


def test_a_throttled_call_says_status_and_host() -> None:
    assert str(too_many_requests("api.example")) == "HTTP 429 Too Many Requests from api.example"


def test_what_somebody_asked_for_is_not_struck() -> None:
    assert any(is_struck(job) for job in JOBS)
    assert not any(is_struck(replace(job, data={"text": "mine"})) for job in JOBS)
