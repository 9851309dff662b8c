"""docs/monitoring.md: its OpenTelemetry and Sentry examples, run as they are written by a worker on a real Redis."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from queues import signals, tracing
from queues.producer import queue
from tests.eventually import eventually
from tests.working import working

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "monitoring.md").read_text()
Example = Callable[[str], dict[str, Any]]


@pytest.fixture
def example() -> Iterator[Example]:
    """Runs one by the file's name that it begins with; what it connected is put back."""
    every = [value for value in vars(signals).values() if isinstance(value, signals.JobSignal)]
    before = [(each, list(each.receivers)) for each in every]

    def run(name: str) -> dict[str, Any]:
        (source,) = [code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if f"# shop/{name}" in code]
        names: dict[str, Any] = {}
        exec(compile(source, name, "exec"), names)  # noqa: S102
        tracing.register(names["current_trace"])
        return names

    yield run
    tracing.register(None)
    for each, receivers in before:
        each.receivers = receivers
        each.sender_receivers_cache.clear()


async def fails_once(job: Any) -> str:
    if job.name == "bad" and job.attempt == 1:
        raise ValueError("no such address")
    return "sent"


async def run_jobs(names: dict[str, Any]) -> None:
    """One that is done at once, one in its second attempt, one that fails for good."""
    await queue("chat").add("good", {})
    await queue("chat").add("bad", {}, attempts=2)
    await queue("chat").add("bad", {}, attempts=1)
    ended: list[str] = []
    told = lambda sender, **_: ended.append(str(sender))  # noqa: E731
    for signal in (signals.job_completed, signals.job_failed):
        signal.connect(told)
    async with working(fails_once):
        await eventually(lambda: len(ended) == 3)
    assert names["running"] == {}


@pytest.fixture(scope="module")
def telemetry() -> tuple[InMemorySpanExporter, InMemoryMetricReader]:
    """OpenTelemetry takes one provider of each per process."""
    spans, read = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([read], shutdown_on_exit=False))
    return spans, read


async def test_opentelemetry_joins_who_adds_and_who_runs_and_counts_in_bullmqs_names(connection, example, telemetry):
    spans, read = telemetry
    names = example("telemetry.py")
    with trace.get_tracer("test").start_as_current_span("request") as request:
        await run_jobs(names)
    found = [span for span in spans.get_finished_spans() if span.name == "process chat"]
    assert len(found) == 4
    assert {span.context.trace_id for span in found} == {request.get_span_context().trace_id}
    assert {span.parent.span_id for span in found} == {request.get_span_context().span_id}
    told = sorted((span.attributes["bullmq.job.name"], span.status.is_ok, len(span.events)) for span in found)
    assert told == [("bad", False, 1), ("bad", False, 1), ("bad", True, 0), ("good", True, 0)]
    points = {
        metric.name: sum(getattr(point, "value", 0) or getattr(point, "count", 0) for point in metric.data.data_points)
        for resource in read.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert points == {
        "bullmq.jobs.completed": 2,
        "bullmq.jobs.failed": 1,
        "bullmq.jobs.retried": 1,
        "bullmq.job.duration": 4,
    }


class Kept(Transport):
    """What would be sent."""

    sent: list[Any]

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent += [item.payload.json for item in envelope.items if item.payload.json]


@pytest.fixture
def sentry() -> Iterator[list[Any]]:
    transport = Kept()
    transport.sent = []
    # Without integrations: they would patch Django in this process for good.
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:1/1", transport=transport, traces_sample_rate=1.0, default_integrations=False,
        auto_enabling_integrations=False, auto_session_tracking=False,
    )  # fmt: skip
    yield transport.sent
    sentry_sdk.get_client().close(0)
    sentry_sdk.get_global_scope().set_client(None)


async def test_sentry_hears_of_the_last_attempt_and_joins_publish_and_process(connection, example, sentry):
    names = example("sentry.py")
    with sentry_sdk.start_transaction(op="http.server", name="request") as request:
        await run_jobs(names)
    errors = [item for item in sentry if item.get("exception")]
    assert [item["exception"]["values"][0]["value"] for item in errors] == ["no such address"]
    assert errors[0]["contexts"]["job"] | {"id": ""} == {"id": "", "name": "bad", "attempt": 1, "of": 1}
    assert errors[0]["tags"]["queue"] == "chat"
    runs = [item for item in sentry if item.get("type") == "transaction" and item["transaction"].startswith("chat/")]
    traces = [item["contexts"]["trace"] for item in runs]
    assert {told["trace_id"] for told in traces} == {request.trace_id}
    assert sorted(told["status"] for told in traces) == ["internal_error", "internal_error", "ok", "ok"]
    assert {told["op"] for told in traces} == {"queue.process"}
    assert sorted(told["data"]["messaging.message.retry.count"] for told in traces) == [0, 0, 0, 1]
    assert all(told["data"]["messaging.destination.name"] == "chat" for told in traces)
    (whole,) = [item for item in sentry if item.get("transaction") == "request"]
    published = [span["data"] for span in whole["spans"] if span["op"] == "queue.publish"]
    assert {data["messaging.message.id"] for data in published} == {
        told["data"]["messaging.message.id"] for told in traces
    }
