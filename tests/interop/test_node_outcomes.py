"""Jobs as Node makes them come to the ends that Node's own worker would give them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from typing import Any

import pytest

from queues.errors import DelayedError, UnrecoverableError
from queues.options import Keep
from queues.processors import Registry
from tests.eventually import eventually
from tests.working import working

pytestmark = pytest.mark.node


async def fail(job):
    raise ValueError(f"attempt {job.attempt}")


async def nothing(job):
    return None


def job(name: str = "x", data: Any = None, **opts: Any) -> dict[str, Any]:
    return {"name": name, "data": {} if data is None else data, "opts": opts}


def pauses(caplog: pytest.LogCaptureFixture, job_id: str) -> list[int]:
    """How long each failed attempt was put off, in milliseconds."""
    told = [record.getMessage() for record in caplog.records if record.__dict__.get("job_id") == job_id]
    return [int(found[1]) for line in told if (found := re.search(r"next attempt in (\d+) ms", line))]


# --- attempts

BACKOFFS: list[tuple[Any, list[tuple[int, int]]]] = [
    (60, [(60, 60), (60, 60)]),
    ({"type": "fixed", "delay": 40}, [(40, 40), (40, 40)]),
    ({"type": "exponential", "delay": 30}, [(30, 30), (60, 60)]),
    ({"type": "fixed", "delay": 100, "jitter": 0.5}, [(50, 100), (50, 100)]),
    ({"type": "exponential", "delay": 50, "jitter": 1}, [(0, 50), (0, 100)]),
]


async def test_attempts_and_backoffs_of_node_jobs(connection, node, sight, caplog):
    """The PyPI Worker ignores jitter: every pause is the whole one."""
    ids = await node("add", [job(attempts=3, backoff=backoff) for backoff, _ in BACKOFFS for _ in range(8)])
    async with working(fail, concurrency=10):
        await sight.until("failed", *ids, timeout_s=10)
    for number, job_id in enumerate(ids):
        bounds = BACKOFFS[number // 8][1]
        found = sight.job(job_id)
        assert (found["atm"], found["ats"], found["failedReason"]) == ("3", "3", "attempt 3")
        for pause, (least, most) in zip(pauses(caplog, job_id), bounds, strict=False):
            assert least <= pause <= most, (BACKOFFS[number // 8][0], pause)
    assert len({pause for job_id in ids[24:32] for pause in pauses(caplog, job_id)}) > 3


def custom(answer: Any) -> Registry:
    registry = Registry()
    registry.processor("chat", backoff=answer)(fail)
    return registry


async def test_a_custom_backoff_may_be_async(connection, node, sight, caplog):
    """The PyPI Worker writes the coroutine into the script: DataError, and the job stays active for ever."""
    asked = []

    async def lunar(attempts_made, error, job):
        await asyncio.sleep(0.001)
        asked.append((attempts_made, str(error), job.id))
        return 30 * attempts_made

    (added,) = await node("add", [job(attempts=3, backoff={"type": "lunar"})])
    async with working(registry=custom(lunar)):
        await sight.until("failed", added)
    assert asked == [(1, "attempt 1", added), (2, "attempt 2", added)]
    assert pauses(caplog, added) == [30, 60]


async def test_a_custom_backoff_that_says_no_ends_the_attempts(connection, node, sight):
    (added,) = await node("add", [job(attempts=9, backoff={"type": "mine"})])
    async with working(registry=custom(lambda made, error, job: -1 if made == 2 else 0)):
        await sight.until("failed", added)
    assert (sight.job(added)["atm"], sight.job(added)["failedReason"]) == ("2", "attempt 2")


@pytest.mark.parametrize(
    ("answer", "words"),
    [(lambda *_: 1 / 0, "ZeroDivisionError"), (lambda *_: "soon", "'soon'"), (None, "“lunar”|'lunar'")],
)
async def test_a_backoff_that_does_not_answer_fails_the_job_and_frees_the_slot(connection, node, sight, answer, words):
    """With the PyPI Worker, and with Node's, such a job stays active until it stalls."""
    bad, good = await node("add", [job(attempts=3, backoff={"type": "lunar"}), job()])
    async with working(registry=custom(answer)):
        await sight.until("failed", bad, good)
    assert sight.job(bad)["failedReason"].startswith("attempt 1 (not tried again: ")
    assert any(word in sight.job(bad)["failedReason"] for word in words.split("|"))
    sight.assert_all_over()


async def test_unrecoverable_by_type_and_by_name(connection, node, sight):
    """The PyPI Worker goes by the type alone: a team's own class of that name is tried again."""
    namesake = type("UnrecoverableError", (Exception,), {})

    async def give_up(job):
        raise (UnrecoverableError if job.name == "type" else namesake)("never")

    ids = await node("add", [job("type", attempts=5), job("name", attempts=5)])
    async with working(give_up):
        await sight.until("failed", *ids)
    assert [sight.job(job_id)["atm"] for job_id in ids] == ["1", "1"]


async def test_a_job_is_started_no_more_than_allowed(connection, node, sight):
    """Node's maxStartedAttempts; the PyPI Worker has none."""
    started = []

    async def put_off(job):
        started.append(job.id)
        if job.name == "fail":
            raise ValueError("boom")
        raise DelayedError(1)

    later, failing = await node("add", [job("later", attempts=9), job("fail", attempts=9)])
    async with working(put_off, max_started_attempts=3):
        await sight.until("failed", later, failing)
    assert Counter(started) == {later: 3, failing: 3}
    assert sight.job(later)["failedReason"] == "job started more than allowable limit"
    assert (sight.job(failing)["failedReason"], sight.job(failing)["atm"]) == ("boom", "3")


async def test_logs_stacks_and_progress_within_the_limits_that_node_set(connection, node, sight):
    async def report(job):
        for number in range(5):
            await job.log(f"{job.attempt}.{number}")
        await job.progress({"stage": "work", "done": [1, {"of": 2}]})
        raise ValueError("no")

    (added,) = await node("add", [job(attempts=4, keepLogs=2, stackTraceLimit=1)])
    async with working(report):
        await sight.until("failed", added)
    (seen,) = await node("look", [added])
    assert seen["logs"] == ["4.3", "4.4"]
    assert len(seen["stacktrace"]) == 1
    assert seen["progress"] == {"stage": "work", "done": [1, {"of": 2}]}


# --- whose turn it is


async def test_jobs_run_in_the_order_that_node_gave_them(connection, node, sight):
    ran = []

    async def note(job):
        ran.append(job.name)

    await node(
        "add",
        [
            job("later", delay=120),
            job("low", priority=9),
            job("high", priority=1),
            job("first"),
            job("second"),
            job("last in", lifo=True),
        ],
    )
    async with working(note):
        await eventually(lambda: len(ran) == 6)
    # When the delayed one is due depends on how soon the others are run.
    assert [name for name in ran if name != "later"] == ["last in", "first", "second", "high", "low"]


async def test_a_job_that_lost_its_workers_too_often_fails_unrun(connection, node, sight):
    """As Node has it since 5.49: the check only marks it, and the worker that takes it next fails it."""
    ran = []

    async def note(job):
        ran.append(job.id)

    lost, good = await node("add", [job("lost", attempts=5), job("good", attempts=5)])
    for job_id, stalled in ((lost, 2), (good, 1)):
        # As a worker leaves them that was killed: active, with no lock.
        sight.client.lrem(sight.keys("wait"), 1, job_id)
        sight.client.lpush(sight.keys("active"), job_id)
        sight.client.hset(sight.keys.job(job_id), mapping={"stc": stalled, "ats": stalled})
    async with working(note, stalled_interval_ms=150, max_stalled_count=2):
        await sight.until("failed", lost)
        await sight.until("completed", good)
    assert ran == [good]
    (seen,) = await node("look", [lost])
    assert seen["failedReason"] == "job stalled more than allowable limit"
    assert (seen["stalledCounter"], seen["attemptsMade"]) == (3, 1)
    assert "defa" not in sight.job(lost)


# --- what stays


@pytest.mark.parametrize(
    ("own", "of_worker", "kept"),
    [
        ({"removeOnComplete": True}, None, 0),
        ({"removeOnComplete": {"count": 2}}, None, 2),
        ({"removeOnComplete": {"age": 3600, "count": 3, "limit": 100}}, None, 3),
        ({}, Keep(count=1), 1),
        ({"removeOnComplete": False}, Keep(count=1), 5),
        ({"removeOnComplete": 4}, Keep(count=0), 4),
    ],
)
async def test_how_many_completed_jobs_stay(connection, node, sight, own, of_worker, kept):
    await node("add", [job(**own) for _ in range(5)])
    async with working(nothing, remove_on_complete=of_worker):
        await eventually(lambda: len(sight.events("completed")) == 5)
    (counts,) = await node("ask", [["getJobCounts"]])
    assert counts["completed"] == kept


async def test_failed_jobs_go_by_age(connection, node, sight):
    first, second = await node("add", [job(removeOnFail={"age": 1}), job(removeOnFail={"age": 1}, delay=1500)])
    async with working(fail):
        await sight.until("failed", first)
        await sight.until("failed", second)
    assert sight.ids("failed") == [second]
    assert sight.job(first) == {}


async def test_node_reads_our_metrics(connection, node, sight):
    ids = await node("add", [job("fail" if n % 3 == 0 else "x") for n in range(9)])

    async def work(job):
        if job.name == "fail":
            raise ValueError("no")

    # As if the counts had begun two minutes ago: what has gone by since is a list of numbers, newest first.
    at = int(time.time() * 1000) - 120_000
    sight.client.hset(sight.keys("metrics:completed"), mapping={"count": 7, "prevTS": at, "prevCount": 0})
    async with working(work, metrics=2):
        await eventually(lambda: len(sight.ids("completed")) + len(sight.ids("failed")) == len(ids))
    completed, failed = await node("ask", [["getMetrics", "completed"], ["getMetrics", "failed"]])
    assert (completed["meta"]["count"], failed["meta"]["count"]) == (13, 3)
    assert (completed["count"], len(completed["data"])) == (2, 2)
    async with working(work):
        (last,) = await node("add", [job()])
        await sight.until("completed", last)
    # A worker without the option adds nothing, as Node's.
    assert sight.client.hget(sight.keys("metrics:completed"), "count") == b"13"


# --- limits


async def test_the_global_rate_limit_is_used_to_the_full(connection, node, sight):
    """6 jobs at 2 a second; the PyPI Worker needs 10.1 s, for it waits a whole drain delay."""
    await node("ask", [["setGlobalRateLimit", 2, 500]])
    await node("add", [job() for _ in range(6)])
    async with working(nothing, concurrency=5):
        await sight.until_count("completed", 6, timeout_s=8)
    starts = sight.started_ms()
    assert 995 <= starts[-1] - starts[0] <= 3000
    assert starts[2] - starts[0] >= 499
    assert starts[4] - starts[2] >= 499


async def test_global_concurrency_leaves_no_slot_idle(connection, node, sight, watch):
    """10 jobs of 150 ms, two at once; the PyPI Worker needs 20.3 s instead of 0.8."""
    running, most = 0, 0

    async def hold(job):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.15)
        running -= 1

    await node("ask", [["setGlobalConcurrency", 2]])
    await node("add", [job() for _ in range(10)])
    async with working(hold, concurrency=5), working(hold, concurrency=5):
        await sight.until_count("completed", 10, timeout_s=8)
    assert most == 2
    starts = sight.started_ms()
    assert starts[-1] - starts[0] < 2500 * watch.slowness


# --- what the PyPI Worker leaves active for ever


async def test_an_error_with_half_a_character_fails_its_job(connection, node, sight):
    """The PyPI Worker raises UnicodeEncodeError while it writes the reason, and the job stays active."""

    async def odd(job):
        raise ValueError("caf\udce9.txt")

    (added,) = await node("add", [job()])
    async with working(odd):
        await sight.until("failed", added)
    (seen,) = await node("look", [added])
    assert seen["failedReason"] == "caf\\udce9.txt"


async def test_a_cancelled_error_that_leaks_fails_its_job_alone(connection, node, sight):
    """The PyPI Worker ends without a word: this job stays active, the next ones wait for ever."""

    async def leak(job):
        if job.name == "leak":
            raise asyncio.CancelledError

    leaked, good = await node("add", [job("leak"), job()])
    async with working(leak):
        await sight.until("completed", good)
    assert sight.job(leaked)["failedReason"] == "CancelledError"


async def test_a_plain_function_is_a_processor(connection, node, sight):
    """The PyPI Worker runs it and marks the job failed: it “can't be used in 'await' expression”."""

    def plain(job):
        return job.data

    (added,) = await node("add", [job(data={"a": 1})])
    async with working(plain):
        await sight.until("completed", added)
    assert json.loads(sight.job(added)["returnvalue"]) == {"a": 1}
