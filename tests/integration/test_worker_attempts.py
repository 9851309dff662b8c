"""Attempts, backoff and retention, as BullMQ does them."""

from __future__ import annotations

import itertools
import json

import pytest

from queues import queue
from queues.errors import UnrecoverableError
from queues.options import Keep
from queues.processors import Registry
from tests.eventually import Stopwatch, eventually
from tests.working import now_ms, working


class Poisoned(UnrecoverableError):
    pass


async def test_attempts_with_fixed_backoff_keep_every_stack(connection, sight, watch):
    runs = []

    async def fail(job):
        runs.append((job.attempt, now_ms()))
        raise ValueError(f"attempt {job.attempt}")

    async with working(fail):
        added = await queue("chat").add("x", attempts=3, backoff=120)
        await sight.until("failed", added.id)
    assert [attempt for attempt, _ in runs] == [1, 2, 3]
    gaps = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(runs)]
    assert all(115 <= gap <= 900 * watch.slowness for gap in gaps), gaps
    job = sight.job(added.id)
    assert job["failedReason"] == "attempt 3"
    assert ["attempt 1" in trace for trace in json.loads(job["stacktrace"])] == [True, False, False]
    assert (job["atm"], job["ats"]) == ("3", "3")
    assert len(sight.events("failed")) == len(sight.events("retries-exhausted")) == 1


async def test_exponential_backoff_doubles(connection, sight, watch):
    runs = []

    async def fail(job):
        runs.append(now_ms())
        raise ValueError("no")

    async with working(fail):
        added = await queue("chat").add("x", attempts=4, backoff={"type": "exponential", "delay": 50})
        await sight.until("failed", added.id)
    gaps = [later - earlier for earlier, later in itertools.pairwise(runs)]
    for gap, wanted in zip(gaps, (50, 100, 200), strict=True):
        assert wanted - 3 <= gap <= wanted + 900 * watch.slowness


async def test_without_backoff_the_next_attempt_is_at_once(connection, sight):
    attempts = []

    async def fail_twice(job):
        attempts.append(job.attempt)
        if job.attempt < 3:
            raise ValueError("not yet")
        return "done"

    watch = Stopwatch()
    async with working(fail_twice):
        added = await queue("chat").add("x", attempts=5)
        await sight.until("completed", added.id)
    assert attempts == [1, 2, 3]
    assert watch.calm_s < 1
    assert sight.job(added.id)["returnvalue"] == '"done"'


async def test_jitter_shortens_a_backoff_at_random(connection, sight):
    runs: dict[str, list[int]] = {}

    async def fail(job):
        runs.setdefault(job.id, []).append(now_ms())
        raise ValueError("no")

    async with working(fail, concurrency=20):
        for n in range(20):
            await queue("chat").add("x", {"n": n}, attempts=2, backoff={"type": "fixed", "delay": 400, "jitter": 1})
        await sight.until_count("failed", 20)
    gaps = sorted(second - first for first, second in runs.values())
    assert gaps[0] < 300, gaps
    assert gaps[-1] - gaps[0] > 100, gaps


@pytest.mark.parametrize("own", [{}, {"backoff": {"type": "custom"}}, {"backoff": {"type": "lunar"}}])
async def test_a_processor_may_have_a_backoff_of_its_own(connection, sight, own):
    asked = []

    def wait_longer(attempts_made, error, job):
        asked.append((attempts_made, type(error), job.data))
        return 10 * attempts_made

    registry = Registry()

    @registry.processor("chat", backoff=wait_longer)
    def fail(job):
        raise LookupError("no")

    async with working(registry=registry):
        added = await queue("chat").add("x", "the data", attempts=3, **own)
        await sight.until("failed", added.id)
    assert asked == [(1, LookupError, "the data"), (2, LookupError, "the data")]


async def test_a_kind_of_backoff_this_worker_lacks_fails_the_job_and_says_so(connection, sight):
    async def fail(job):
        raise ValueError("boom")

    async with working(fail):
        added = await queue("chat").add("x", attempts=3, backoff={"type": "lunar", "delay": 1})
        await sight.until("failed", added.id)
    assert sight.job(added.id)["failedReason"].startswith("boom (not tried again")


@pytest.mark.parametrize("error", [UnrecoverableError("never"), Poisoned("never")])
async def test_an_unrecoverable_error_ends_the_attempts(connection, sight, error):
    async def fail(job):
        raise error

    async with working(fail):
        added = await queue("chat").add("x", attempts=5)
        await sight.until("failed", added.id)
    assert sight.job(added.id)["atm"] == "1"
    assert sight.events("retries-exhausted") == []


async def test_half_a_character_in_an_earlier_stack_stays_escaped(connection, sight):
    async def fail(job):
        raise ValueError("again")

    added = await queue("chat").add("x", attempts=2)
    sight.client.hset(sight.keys.job(added.id), "stacktrace", r'["half \ud800"]')
    async with working(fail):
        await sight.until("failed", added.id)
    stored = sight.client.hget(sight.keys.job(added.id), "stacktrace")
    assert json.loads(stored.decode())[0] == "half \ud800"


@pytest.mark.parametrize(("limit", "kept"), [(0, []), (2, ["attempt 3", "attempt 4"]), (None, 4)])
async def test_the_stack_trace_limit_keeps_the_last_ones(connection, sight, limit, kept):
    async def fail(job):
        raise ValueError(f"attempt {job.attempt}")

    async with working(fail):
        added = await queue("chat").add("x", attempts=4, stack_trace_limit=limit)
        await sight.until("failed", added.id)
    traces = json.loads(sight.job(added.id)["stacktrace"])
    if isinstance(kept, int):
        assert len(traces) == kept
    else:
        assert [trace.rstrip().rpartition(": ")[2] for trace in traces] == kept


async def test_many_long_stacks_stay_below_a_bound(connection, sight):
    async def fail(job):
        raise ValueError("y" * 100_000)

    async with working(fail):
        added = await queue("chat").add("x", attempts=12)
        await sight.until("failed", added.id)
    assert sum(map(len, sight.job(added.id).values())) < 64_000


async def test_a_deferred_failure_fails_without_being_run(connection, sight):
    ran = []

    async def note(job):
        ran.append(job.id)

    await queue("chat").add("x", job_id="doomed", attempts=3)
    sight.client.hset(sight.keys.job("doomed"), "defa", "job stalled more than allowable limit")
    async with working(note):
        await sight.until("failed", "doomed")
    assert ran == []
    job = sight.job("doomed")
    assert job["failedReason"] == "job stalled more than allowable limit"
    assert "defa" not in job


@pytest.mark.parametrize(
    ("own", "of_queue", "left"),
    [
        ({}, {}, 5),
        ({"remove_on_complete": True}, {}, 0),
        ({"remove_on_complete": 2}, {}, 2),
        ({"remove_on_complete": {"count": 3}}, {}, 3),
        ({}, {"remove_on_complete": Keep(count=2)}, 2),
        ({"remove_on_complete": False}, {"remove_on_complete": Keep(count=0)}, 5),
        ({"remove_on_complete": {"age": 3600}}, {}, 5),
    ],
)
async def test_retention_of_the_job_goes_before_the_queues(connection, sight, own, of_queue, left):
    async def nothing(job):
        return None

    async with working(nothing, **of_queue):
        for _ in range(5):
            await queue("chat").add("x", **own)
        await eventually(lambda: len(sight.events("completed")) == 5)
    assert len(sight.ids("completed")) == left
    kept = [key for key in sight.client.scan_iter(sight.keys.base + b"*") if key.rpartition(b":")[2].isdigit()]
    assert len(kept) == left
