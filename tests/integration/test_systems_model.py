"""The AI platform's texts, asked of a real chat-completions server by a real worker on a real Redis."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from queues import queue
from queues.errors import ConfigurationError
from queues.options import get_options, reset_options
from queues.processors import registry
from queues.protocol import reads
from queues.states import State
from queues.systems import llm, records
from queues.systems.llm_options import llm_options
from queues.systems.records import Usage
from queues.systems.settings import QUEUES
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.eventually import eventually
from tests.model_server import ModelServer, Plan, model

__all__ = ["model"]

LATE = {"text": "My parcel is late. Refund me."}


class Notes:
    """What was written down."""

    def __init__(self) -> None:
        self.usage: list[tuple[str, int, Usage]] = []

    async def used(self, job: Any, usage: Usage) -> None:
        self.usage.append((job.id, job.attempt, usage))

    async def answered(self, job: Any, answer: str) -> None: ...

    async def found(self, job: Any, state: dict[str, Any]) -> None: ...


@pytest.fixture
def notes() -> Iterator[Notes]:
    kept = Notes()
    records.install(kept)
    yield kept
    records.install(None)


@pytest.fixture
async def asking(
    connection: str, settings: Any, model: ModelServer, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ModelServer]:
    """A worker of `ai-jobs` that asks the model; retries come at once."""
    import queues.systems.jobs  # noqa: F401 - registers the samples

    for name, value in (("LLM_BASE_URL", model.url), ("LLM_API_KEY", "sk-secret"), ("LLM_MODEL", "tiny"),
                        ("LLM_INPUT_CENTS_PER_MILLION", "15"), ("LLM_OUTPUT_CENTS_PER_MILLION", "60")):  # fmt: skip
        monkeypatch.setenv(name, value)
    settings.TORIL = {**settings.TORIL, "QUEUES": {"ai-jobs": {**QUEUES["ai-jobs"], "backoff": 1}}}
    settings.TORIL_SYSTEMS_PACE = 0
    reset_options()
    plan = QueuePlan("ai-jobs", registry.of("ai-jobs"), replace(get_options().queue("ai-jobs"), limiter=None))
    worker = Worker([plan], connection=connection, name="tests")
    worker.start()
    yield model
    await worker.stop(drain_timeout_s=5)
    reset_options()


async def ended(job_id: str) -> reads.JobSight:
    async def there() -> bool:
        (state,) = await reads.job_states("default", "ai-jobs", [job_id])
        return state.is_finished

    await eventually(there, timeout_s=30, what=f"{job_id} ends")
    return await reads.job("default", "ai-jobs", job_id)


async def run(kind: str = "summarize", **data: Any) -> Any:
    """The job's record when it has ended."""
    return (await ended((await queue("ai-jobs").add(kind, {**LATE, **data})).id)).record


async def test_each_kind_asks_the_model_and_its_usage_and_cost_are_written_down(
    asking: ModelServer, notes: Notes
) -> None:
    outputs = {}
    for kind in ("summarize", "classify", "sentiment", "translate", "extract"):
        result = json.loads((await run(kind)).return_value)
        outputs[kind] = result["output"]
        assert (result["tokenUsed"], result["costCents"], result["model"]) == (50, 0.0012, "tiny-1")
    assert outputs["summarize"] == {"summary": "Late.", "originalLength": len(LATE["text"]), "summaryLength": 5}
    assert outputs["sentiment"] == {"sentiment": "negative", "score": -0.8}
    assert outputs["extract"]["amounts"] == ["€4.90"]
    assert [usage for _id, _attempt, usage in notes.usage] == [Usage("tiny-1", 40, 10, Decimal("0.0012"))] * 5
    question = asking.asked[0]
    assert (question["model"], question["response_format"]) == ("tiny", {"type": "json_object"})
    assert question["messages"][1] == {"role": "user", "content": LATE["text"]}
    assert set(asking.keys) == {"Bearer sk-secret"}
    assert '"language": "pt-BR"' in await asked_in(asking, "pt-BR")


async def asked_in(asking: ModelServer, language: str) -> str:
    await run("translate", language=language)
    return str(asking.asked[-1]["messages"][0]["content"])


@pytest.mark.parametrize("name", ["Retry-After", "retry-after-ms"])
async def test_too_many_requests_make_the_queue_wait_as_long_as_it_is_told_and_burn_no_attempt(
    asking: ModelServer, name: str
) -> None:
    asking.plans += [Plan(429, {name: "1" if name == "Retry-After" else "700"})] * 4
    jobs = [await queue("ai-jobs").add("summarize", LATE, attempts=1) for _ in range(4)]
    for job in jobs:
        record = (await ended(job.id)).record
        assert (record.failed_reason, record.attempts_made) == ("", 1)
        assert record.return_value
    first, last = asking.at[0], asking.at[-1]
    assert len(asking.asked) == 8
    # The least that must have passed; a slow machine only makes it more.
    assert last - first >= 0.6
    lines = (await reads.job_logs("default", "ai-jobs", jobs[0].id, 0, 100)).lines
    assert any("asks to wait" in line and "no attempt is counted" in line for line in lines)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (Plan(429), "HTTP 429 Too Many Requests from 127.0.0.1"),
        (Plan(500), "HTTP 500 Internal Server Error from 127.0.0.1"),
        (Plan(body=b"<html>"), "the answer of the model at 127.0.0.1 is not JSON"),
        (Plan(body=b'{"choices": []}'), "the answer of the model at 127.0.0.1 has no choices[0].message.content"),
        (Plan(text="Sure! It is late."), "the model's output is not the JSON that was asked for"),
        (Plan(text='{"summary": 5}'), "the model's output is not the JSON that was asked for"),
    ],
    ids=["429 without a time", "500", "no JSON", "no choice", "chatter", "another shape"],
)
async def test_what_may_pass_costs_an_attempt_and_the_next_one_does_it(
    asking: ModelServer, plan: Plan, reason: str
) -> None:
    asking.plans.append(plan)
    record = await run()
    assert record.attempts_made == 2
    assert reason in json.loads(record.stacktrace)[0]
    assert json.loads(record.return_value)["output"]["summary"] == "Late."


async def test_tokens_of_an_answer_that_could_not_be_used_are_counted_too(asking: ModelServer, notes: Notes) -> None:
    asking.plans += [Plan(text="Sure!"), Plan(text='```json\n{"summary": "Fenced."}\n```', usage=None)]
    record = await run()
    result = json.loads(record.return_value)
    assert result["output"]["summary"] == "Fenced."
    # This endpoint did not say what the second took: it is not known, and not nothing.
    assert (result["tokenUsed"], result["costCents"]) == (None, None)
    assert [(attempt, usage.tokens) for _id, attempt, usage in notes.usage] == [(1, 50), (2, None)]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [(401, b'{"error": {"message": "Incorrect API key"}}', ": Incorrect API key"), (404, b"nginx", "")],
)
async def test_a_question_that_the_endpoint_refuses_fails_at_once_in_its_words_and_without_the_key(
    asking: ModelServer, status: int, body: bytes, said: str
) -> None:
    asking.plans.append(Plan(status, body=body))
    record = await run()
    assert record.failed_reason == f"the model at 127.0.0.1 refused the question with HTTP {status}{said}"
    assert (record.attempts_made, len(asking.asked)) == (1, 1)
    assert "sk-secret" not in record.stacktrace


async def test_a_model_that_does_not_answer_in_time_is_given_up_and_asked_again(
    asking: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_TIMEOUT_S", "0.3")
    hold = threading.Event()
    asking.plans.append(Plan(hold=hold))
    job = await queue("ai-jobs").add("summarize", LATE)
    await eventually(lambda: len(asking.asked) >= 2, timeout_s=30)
    monkeypatch.delenv("LLM_TIMEOUT_S")
    hold.set()
    record = (await ended(job.id)).record
    assert record.attempts_made >= 2
    assert "the model at 127.0.0.1 did not answer within 0.3 s" in json.loads(record.stacktrace)[0]


async def test_an_endpoint_that_is_not_there_costs_attempts_until_none_is_left(
    asking: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    record = await run()
    assert (record.attempts_made, State.FAILED) == (3, (await reads.job_states("default", "ai-jobs", [record.id]))[0])
    assert record.failed_reason.startswith("the model at 127.0.0.1 cannot be asked: ")


async def test_an_answer_without_end_is_not_read_to_its_end(asking: ModelServer) -> None:
    asking.plans += [Plan(body=b" " * (llm.LARGEST_ANSWER + 1))]
    record = await run()
    assert "answered more than 4,000,000 bytes" in json.loads(record.stacktrace)[0]
    assert record.return_value


@pytest.mark.parametrize(
    ("given", "wait_ms"),
    [("7", 7_000), ("0.5", 500), ("0", 1), ("999999999", llm.LONGEST_WAIT_MS), ("soon", None), ("-1", None),
     ("nan", None), ("", None), ("Mon, 01 Jan 2001 00:00:00 GMT", 1)],
)  # fmt: skip
def test_how_long_an_endpoint_asks_to_wait(given: str, wait_ms: int | None) -> None:
    assert llm.wait_of(httpx.Headers({"Retry-After": given})) == wait_ms


def test_a_date_says_how_long_too() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    assert 0 < (llm.wait_of(httpx.Headers({"Retry-After": at})) or 0) <= 300_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_BASE_URL", "api.openai.com/v1"),
        ("LLM_TIMEOUT_S", "0"),
        ("LLM_TIMEOUT_S", "soon"),
        ("LLM_INPUT_CENTS_PER_MILLION", "-3"),
        ("LLM_OUTPUT_CENTS_PER_MILLION", "nan"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must"):
        llm_options({"LLM_BASE_URL": "https://api.example/v1", name: value})


def test_without_its_address_there_is_no_model_and_its_key_is_never_shown() -> None:
    assert llm_options({"LLM_MODEL": "x"}) is None
    assert "sk-1" not in repr(llm_options({"LLM_BASE_URL": "http://h/v1/", "LLM_API_KEY": "sk-1"}))
