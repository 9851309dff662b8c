"""Traces go from Node's producers to our processors, and from ours to Node's workers, in `opts.tm` as with BullMQ."""

from __future__ import annotations

import json

import pytest

from queues import queue, tracing
from queues.errors import ConfigurationError
from queues.options import reset_options
from queues.protocol.taken import TakenJob
from queues.runs.job import NOBODY, JobFacts
from tests.interop.nodes import Node
from tests.working import working

OURS = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"}
#: BullMQ's SpanKind.
PRODUCER, CONSUMER = 3, 4


@pytest.fixture
def node(redis_server, prefix) -> Node:
    return Node(redis_server.port, prefix)


def our_trace() -> dict[str, str]:
    return OURS


def broken_trace() -> dict[str, str]:
    raise RuntimeError("no exporter")


@pytest.fixture
def traced(connection, settings):
    settings.TORIL = {**settings.TORIL, "TRACE_CONTEXT": f"{__name__}.our_trace"}
    reset_options()


@pytest.mark.node
async def test_what_node_adds_in_a_trace_our_processor_finds_in_it(connection, node, sight):
    found = {}

    async def look(job):
        found[job.name] = job.trace_context

    jobs = [{"name": "traced", "data": {}}, {"name": "not", "data": {}, "opts": {"telemetry": {"omitContext": True}}}]
    spans = await node.run("trace.mjs", {"add": jobs})
    async with working(look):
        await sight.until_count("completed", 2)
    produced = [span["trace"] for span in spans if span["kind"] == PRODUCER]
    assert found == {"traced": {"traceparent": produced[0]}, "not": {}}


@pytest.mark.node
async def test_what_we_add_in_a_trace_nodes_worker_goes_on_with(traced, node, sight):
    await queue("chat").add("x")
    spans = await node.run("trace.mjs", {"work": 1})
    (consumer,) = [span for span in spans if span["kind"] == CONSUMER and span["parent"]]
    assert consumer["parent"] == OURS["traceparent"]


async def test_what_we_add_in_a_trace_we_find_in_it(traced, sight):
    async def look(job):
        return job.trace_context

    added = await queue("chat").add("x")
    async with working(look):
        await sight.until("completed", added.id)
    assert json.loads(sight.job(added.id)["returnvalue"]) == OURS


async def test_a_function_may_be_registered_instead_and_its_faults_harm_no_job(traced, sight, caplog):
    tracing.register(lambda: None)
    try:
        without = await queue("chat").add("x")
        tracing.register(broken_trace)
        broken = await queue("chat").add("x")
    finally:
        tracing.register(None)
    with_it = await queue("chat").add("x")
    carried = ["tm" in json.loads(sight.job(one.id)["opts"]) for one in (without, broken, with_it)]
    assert carried == [False, False, True]
    assert "no exporter" in caplog.text


@pytest.mark.parametrize("path", ["nowhere.at_all", "queues.tracing.nothing", "queues.tracing.json"])
async def test_a_path_that_names_no_function_is_a_mistake_in_the_settings(connection, settings, path):
    settings.TORIL = {**settings.TORIL, "TRACE_CONTEXT": path}
    reset_options()
    with pytest.raises(ConfigurationError, match=r"TORIL\['TRACE_CONTEXT'\] names"):
        tracing.outgoing()


@pytest.mark.parametrize(
    ("carried", "found"),
    [
        (json.dumps(OURS), OURS),
        ('{"traceparent": "a", "odd": 5}', {"traceparent": "a"}),
        ("no json", {}),
        ("[1]", {}),
        (7, {}),
        (None, {}),
        ({"traceparent": "a"}, {}),
    ],
)
def test_whatever_a_job_carries_its_trace_context_is_headers(carried, found):
    taken = TakenJob(b"1", {b"name": b"x", b"opts": json.dumps({"tm": carried}).encode()})
    assert JobFacts(taken, "chat", None, NOBODY).trace_context == found
