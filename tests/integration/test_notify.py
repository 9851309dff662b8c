"""`job.notify`: what a processor tells of its own arrives as an event of its queue, wherever the processor runs."""

from __future__ import annotations

from typing import Any

import pytest

from queues import queue
from queues.errors import InvalidInput, JobNotFound
from queues.inprocess.stream import Stream, stream
from queues.processors import Registry
from queues.runs.notice import notice
from tests import heavy, inprocess
from tests.eventually import eventually
from tests.inprocess import in_process  # noqa: F401
from tests.working import working

TOLD = {"event": "message:updated", "messageId": "m1", "parts": "[1,2]", "toril:json": "parts"}


async def in_loop(job: Any) -> None:
    await job.notify("message:updated", messageId="m1", parts=[1, 2])


def in_thread(job: Any) -> None:
    job.notify("message:updated", messageId="m1", parts=[1, 2])


@pytest.mark.parametrize("function", [in_loop, in_thread])
async def test_an_event_of_a_jobs_own_is_told_on_its_queues_stream(connection, sight, function):
    async with working(function):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id)
    assert sight.events("message:updated") == [{**TOLD, "jobId": added.id}]


async def test_a_child_process_tells_too(connection, sight):
    registry = Registry()
    registry.processor("chat", executor="process")(heavy.notify)
    async with working(registry=registry):
        added = await queue("chat").add("x", {"n": 3})
        await sight.until("completed", added.id, timeout_s=20)
    assert sight.events("step:done") == [{"event": "step:done", "jobId": added.id, "step": "3", "toril:json": "step"}]


async def test_the_stream_keeps_its_length_and_a_job_that_is_gone_tells_nothing(connection, sight):
    refused = []

    async def function(job: Any) -> None:
        sight.client.delete(sight.keys.job(job.id))
        try:
            await job.notify("message:updated")
        except JobNotFound as error:
            refused.append(error)
            raise

    # Whole nodes of a stream are trimmed, of 100 entries each.
    sight.client.hset(sight.keys("meta"), "opts.maxLenEvents", 5_000)
    for n in range(2_000):
        sight.client.xadd(sight.keys("events"), {"event": "drained", "n": n})
    async with working(in_loop):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id)
    assert sight.client.xlen(sight.keys("events")) > 2_000
    async with working(function):
        await queue("chat").add("x")
        await eventually(lambda: refused)
    assert len(sight.events("message:updated")) == 1


@pytest.mark.usefixtures("in_process")
async def test_in_process_the_process_itself_keeps_what_was_told():
    begun = stream.position
    async with inprocess.running(in_loop):
        added = await queue("chat").add("x", {"conversationId": "c1"})
        await inprocess.until(added.id, "completed")
    is_lost, events = await eventually(
        lambda: (found := stream.after(begun, 100)) and len(found[1]) >= 4 and found, what="all of it is told"
    )
    assert not is_lost
    assert [event.type for event in events] == ["added", "active", "message:updated", "completed"]
    assert {event.job_id for event in events} == {added.id}
    assert events[2].fields[b"messageId"] == b"m1"


def test_a_stream_in_memory_forgets_the_oldest_and_says_so(transactional_db):
    short = Stream(most=2)
    began = short.position
    for job_id in "abc":
        short.tell("chat", "active", job_id)
    is_lost, events = short.after(began, 100)
    assert is_lost
    assert [event.job_id for event in events] == ["b", "c"]
    ms, number = map(int, events[0].id.split("-"))
    assert short.after((ms, number), 100) == (False, events[1:])
    assert short.after(began, 1)[1] == events[:1]
    assert short.after(short.position, 100) == (False, [])


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("completed", {}),
        ("job:completed", {}),
        ("gap", {}),
        ("", {}),
        ("with space", {}),
        ("é", {}),
        ("x" * 65, {}),
        ("fine", {"jobId": "7"}),
        ("fine", {"toril:json": "x"}),
        ("fine", {"text": "x" * 9_000}),
    ],
)
def test_what_would_be_taken_for_another_event_is_refused(name, fields):
    with pytest.raises(InvalidInput):
        notice(name, fields)


def test_what_redis_cannot_be_sent_is_written_as_its_escape():
    assert notice("fine", {"text": "\ud800"}) == ["fine", "text", "\\ud800"]
