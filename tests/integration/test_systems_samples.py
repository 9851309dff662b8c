"""The sample processors, run by a real worker on a real Redis, without their pauses."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from queues import queue
from queues.options import get_options, reset_options
from queues.processors import registry
from queues.protocol import reads, writes
from queues.states import State
from queues.systems.faults import FAILING, STUMBLING, share
from queues.systems.happenings import OFTEN, Offer
from queues.systems.settings import QUEUES
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.eventually import eventually

LOG_LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARN) .+")
KINDS = [(name, None) for name in QUEUES if name != "ai-jobs"] + [
    ("ai-jobs", kind) for kind in ("summarize", "classify", "sentiment", "translate", "extract")
]


@pytest.fixture
def systems(connection: str, settings: Any) -> Iterator[str]:
    settings.TORIL = {**settings.TORIL, "QUEUES": QUEUES}
    settings.TORIL_SYSTEMS_PACE = 0
    reset_options()
    yield connection
    reset_options()


@pytest.fixture
async def worker(systems: str) -> AsyncIterator[Worker]:
    """All sample queues, each with its settings but the rate limit, which the tests will not wait for."""
    import queues.systems.jobs  # noqa: F401 - registers the samples

    plans = [QueuePlan(name, registry.of(name), replace(get_options().queue(name), limiter=None)) for name in QUEUES]
    worker = Worker(plans, connection=systems, name="tests")
    worker.start()
    yield worker
    await worker.stop(drain_timeout_s=5)


def fated(queue_name: str, least: int, most: int) -> str:
    """A job id whose fate is between these, of 1,000."""
    ids = (f"job-{number}" for number in range(100_000))
    return next(job_id for job_id in ids if least <= share(queue_name, job_id) * 1_000 < most)


def offer_of(queue_name: str, name: str | None = None) -> Offer:
    random = Random(5)
    while True:
        for happening in OFTEN:
            for offer in happening(random):
                if offer.queue == queue_name and name in (None, offer.name):
                    return offer


async def finished(connection: str, queue_name: str, job_id: str, state: State) -> reads.JobSight:
    async def there() -> bool:
        return await reads.job_states(connection, queue_name, [job_id]) == [state]

    await eventually(there, timeout_s=10, what=f"{queue_name} {job_id} {state}")
    return await reads.job(connection, queue_name, job_id)


@pytest.mark.parametrize(("queue_name", "name"), KINDS)
async def test_a_sample_logs_reports_progress_and_returns_a_result(
    systems: str, worker: Worker, queue_name: str, name: str | None
) -> None:
    offer, job_id = offer_of(queue_name, name), fated(queue_name, FAILING + STUMBLING, 1_000)
    await queue(queue_name).add(offer.name, offer.data, job_id=job_id)
    record = (await finished(systems, queue_name, job_id, State.COMPLETED)).record
    assert json.loads(record.return_value)
    progress = json.loads(record.progress)
    assert 0 < progress["percent"] <= 100
    assert progress["stage"]
    lines = (await reads.job_logs(systems, queue_name, job_id, 0, 100)).lines
    assert len(lines) >= 2
    assert all(LOG_LINE.fullmatch(line) for line in lines)


@pytest.mark.parametrize("queue_name", QUEUES)
async def test_a_fated_job_fails_every_attempt_and_an_operators_retry_completes_it(
    systems: str, worker: Worker, queue_name: str
) -> None:
    job_id, offer = fated(queue_name, 0, FAILING), offer_of(queue_name)
    await queue(queue_name).add(offer.name, offer.data, job_id=job_id, attempts=2, backoff=1)
    failed = (await finished(systems, queue_name, job_id, State.FAILED)).record
    assert failed.failed_reason
    # Invalid data fails at once, and stays invalid for the attempt that was left.
    for _ in range(3 - failed.attempts_made):
        assert await settled(systems, queue_name, job_id) is State.FAILED
        await writes.retry_job(systems, queue_name, job_id, State.FAILED)
        await eventually(lambda: settled(systems, queue_name, job_id))
    assert await settled(systems, queue_name, job_id) is State.COMPLETED


async def settled(connection: str, queue_name: str, job_id: str) -> State | None:
    [state] = await reads.job_states(connection, queue_name, [job_id])
    return state if state.is_finished else None


async def test_a_stumbling_job_completes_at_its_second_attempt(systems: str, worker: Worker) -> None:
    offer, job_id = offer_of("chat"), fated("chat", FAILING, FAILING + STUMBLING)
    await queue("chat").add(offer.name, offer.data, job_id=job_id, backoff=1)
    record = (await finished(systems, "chat", job_id, State.COMPLETED)).record
    assert record.attempts_made == 2
    assert json.loads(record.stacktrace)


@pytest.mark.parametrize(
    ("queue_name", "change", "reason"),
    [
        ("institution-extraction", {"arxivId": "../etc"}, "'../etc' is not an arXiv id"),
        ("chat", {"message": " "}, "message is empty"),
        ("ai-jobs", {"text": ""}, "text is empty"),
        ("scan", {"url": "nowhere"}, "'nowhere' names no host"),
    ],
)
async def test_data_a_sample_cannot_use_is_answered_for_what_it_is(
    systems: str, worker: Worker, queue_name: str, change: dict[str, Any], reason: str
) -> None:
    offer, job_id = offer_of(queue_name), fated(queue_name, FAILING + STUMBLING, 1_000)
    await queue(queue_name).add(offer.name, {**offer.data, **change}, job_id=job_id)
    record = (await finished(systems, queue_name, job_id, State.FAILED)).record
    assert record.failed_reason == reason
    assert record.attempts_made == 1


async def test_a_missing_field_fails_every_attempt_with_its_name(systems: str, worker: Worker) -> None:
    await queue("chat").add("chat", {"hello": "world"}, job_id="odd", backoff=1)
    record = (await finished(systems, "chat", "odd", State.FAILED)).record
    assert record.failed_reason == "KeyError: 'message'"
    assert record.attempts_made == 3
