"""A worker runs jobs: order, concurrency, what processors see, and what Redis holds afterwards."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import json
import threading
import time

import pytest
from django.utils import timezone

from queues import queue
from queues.errors import JobNotFound
from queues.processors import Registry
from tests.eventually import eventually
from tests.working import Sight, working


async def test_a_job_is_run_and_its_result_stored(connection, sight):
    async def double(job):
        return {"twice": job.data["n"] * 2}

    async with working(double, worker_name="anna"):
        added = await queue("chat").add("double", {"n": 21})
        await sight.until("completed", added.id)
    job = sight.job(added.id)
    assert job["returnvalue"] == '{"twice":42}'
    assert (job["atm"], job["ats"], job["pb"]) == ("1", "1", "anna")
    assert int(job["timestamp"]) <= int(job["processedOn"]) <= int(job["finishedOn"])
    assert [event["event"] for event in sight.events()] == ["added", "waiting", "active", "completed", "drained"]
    sight.assert_all_over()


async def test_a_plain_function_runs_in_a_thread(connection, sight):
    def name_the_thread(job):
        return threading.current_thread().name

    async with working(name_the_thread):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id)
    assert "job thread" in sight.job(added.id)["returnvalue"]


async def test_what_the_job_says_of_itself(connection, sight):
    seen = []

    async def look(job):
        seen.append((job.id, job.name, job.queue, job.data, job.attempt, job.attempts, job.priority))

    async with working(look):
        await queue("chat").add("greet", {"to": "Zoë"}, job_id="mine", attempts=4, priority=3)
        await sight.until("completed", "mine")
    assert seen == [("mine", "greet", "chat", {"to": "Zoë"}, 1, 4, 3)]
    assert sight.job("mine")["returnvalue"] == "null"


async def test_waiting_jobs_run_oldest_first_then_by_priority(connection, sight):
    order = []

    async def note(job):
        order.append(job.name)

    for name, options in [
        ("p9", {"priority": 9}),
        ("a", {}),
        ("p1", {"priority": 1}),
        ("b", {}),
        ("c", {"lifo": True}),
    ]:
        await queue("chat").add(name, **options)
    async with working(note):
        await sight.until_count("completed", 5)
    assert order == ["c", "a", "b", "p1", "p9"]


async def test_no_more_run_at_once_than_the_concurrency_says_and_no_fewer(connection, sight):
    running, most = 0, 0

    async def hold(job):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    await asyncio.gather(*(queue("chat").add("x") for _ in range(60)))
    async with working(hold, concurrency=7):
        await sight.until_count("completed", 60)
    assert most == 7


async def test_a_named_processor_goes_before_the_queues_own(connection, sight):
    registry, ran = Registry(), []

    @registry.processor("chat", name="special")
    async def special(job):
        ran.append(("special", job.name))

    @registry.processor("chat")
    async def other(job):
        ran.append(("other", job.name))

    async with working(registry=registry):
        await queue("chat").add("special")
        await queue("chat").add("plain")
        await sight.until_count("completed", 2)
    assert ran == [("special", "special"), ("other", "plain")]


async def test_an_idle_worker_picks_a_job_up_within_milliseconds(connection, sight, watch):
    started = asyncio.Queue()

    async def note(job):
        started.put_nowait(time.perf_counter())

    late = []
    async with working(note):
        await eventually(lambda: sight.client.client_list(_type="normal"), what="the worker is connected")
        for _ in range(20):
            before = time.perf_counter()
            await queue("chat").add("x")
            late.append(await started.get() - before)
            await sight.until_count("active", 0)
    assert sorted(late)[10] < 0.03 * watch.slowness


async def test_progress_and_logs_from_an_async_processor(connection, sight):
    async def report(job):
        await job.progress({"stage": "half", "percent": 50})
        for line in ("one", "two", "three"):
            await job.log(line)

    async with working(report):
        await queue("chat").add("x", job_id="kept", keep_logs=2)
        await queue("chat").add("x", job_id="all")
        await sight.until("completed", "kept", "all")
    assert json.loads(sight.job("kept")["progress"]) == {"stage": "half", "percent": 50}
    assert sight.logs("kept") == ["two", "three"]
    assert sight.logs("all") == ["one", "two", "three"]
    assert json.loads(sight.events("progress")[0]["data"]) == {"stage": "half", "percent": 50}


async def test_progress_and_logs_from_a_thread_need_no_await(connection, sight):
    def report(job):
        job.log("from a thread \ud800 \ufffd \x00")
        job.progress(75)

    async with working(report):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id)
    assert sight.job(added.id)["progress"] == "75"
    assert sight.logs(added.id) == ["from a thread \\ud800 \ufffd \x00"]


async def test_a_job_removed_while_it_runs_leaves_nothing_behind(connection, sight):
    raised = []

    async def remove_self(job):
        sight.client.delete(sight.keys.job(job.id))
        try:
            await job.progress(1)
        except JobNotFound as error:
            raised.append(error)

    async with working(remove_self):
        await asyncio.gather(*(queue("chat").add("x") for _ in range(3)))
        await eventually(lambda: len(raised) == 3)
    sight.assert_all_over()
    assert sight.ids("completed") == []
    assert sight.job("1") == {}


async def test_context_variables_and_time_zone_do_not_pass_from_job_to_job(connection, sight):
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")
    seen = []

    def look_in_thread(job):
        seen.append((user.get(), timezone.get_current_timezone_name()))
        user.set(job.id)
        timezone.activate("Asia/Tokyo")

    async def look(job):
        look_in_thread(job)

    for function in (look, look_in_thread):
        async with working(function):
            await asyncio.gather(*(queue("chat").add("x") for _ in range(5)))
            await sight.until_count("completed", 5)
        sight.client.delete(sight.keys("completed"))
    assert set(seen) == {("nobody", timezone.get_default_timezone_name())}
    assert len(seen) == 10


async def test_the_worker_is_named_as_nodes_get_workers_expects(connection, sight, prefix):
    async def nothing(job):
        return None

    expected = f"{prefix}:{base64.b64encode(b'chat').decode()}:w:my_worker_1"
    async with working(nothing, worker_name="my worker\n1"):
        await eventually(
            lambda: [c for c in sight.client.client_list() if c["name"] == expected], what="CLIENT LIST names it"
        )


async def test_a_delayed_job_starts_when_it_is_due(connection, sight, watch):
    late = []

    async def note(job):
        late.append(time.time() * 1000 - job.data["due"])

    async with working(note, concurrency=5):
        for delay_ms in (50, 333, 700, 1001, 1300, 1500, 1777):
            await queue("chat").add("x", {"due": time.time() * 1000 + delay_ms}, delay_ms=delay_ms)
        await sight.until_count("completed", 7)
    assert min(late) > -5
    assert sorted(late)[3] < 40 * watch.slowness, late


async def test_a_paused_queue_runs_nothing_until_it_is_resumed(connection, sight):
    from queues.protocol import writes

    async def nothing(job):
        return None

    await writes.pause(connection, "chat")
    async with working(nothing):
        await queue("chat").add("x", job_id="later")
        await asyncio.sleep(0.3)
        assert sight.ids("wait") == ["later"]
        await writes.resume(connection, "chat")
        await sight.until("completed", "later", timeout_s=1)


@pytest.mark.parametrize("name", ["a/b", "[q]*", "ü 🐂", "%2F", "x" * 300])
async def test_a_queue_of_any_name_is_worked_on(connection, client_of_redis, prefix, name):
    async def nothing(job):
        return job.queue

    async with working(nothing, name):
        added = await queue(name).add("x")
        await Sight(client_of_redis, prefix, name).until("completed", added.id)


async def test_an_id_of_odd_bytes_is_run_and_finished(connection, sight):
    async def report(job):
        await job.log(f"I am {job.id!a}")
        return "done"

    key = sight.keys.base + b"\xff\x00"
    sight.client.hset(key, mapping={"name": "x", "data": "{}", "opts": "{}", "timestamp": 1, "priority": 0, "delay": 0})
    sight.client.lpush(sight.keys("wait"), b"\xff\x00")
    async with working(report):
        await eventually(lambda: sight.client.zscore(sight.keys("completed"), b"\xff\x00"))
    assert sight.client.hget(key, "returnvalue") == b'"done"'
    assert sight.client.lrange(key + b":logs", 0, -1)
    sight.assert_all_over()
