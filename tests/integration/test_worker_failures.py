"""What goes wrong in a job is that job's affair: it fails with the reason, and the slot goes on."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from typing import Any

import pytest

from queues import queue
from queues.processors import Registry
from tests.eventually import eventually
from tests.working import working


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


def _recurse(depth: int) -> None:
    if depth == 0:
        raise ValueError("deep")
    _recurse(depth - 1)


def _raise(error: BaseException) -> Any:
    raise error


#: name → what the processor does
MISHAPS: dict[str, Any] = {
    "plain": lambda: _raise(ValueError("boom")),
    "empty": lambda: _raise(ValueError()),
    "key": lambda: {}["user"],
    "surrogate": lambda: _raise(OSError(2, "gone", "caf\udce9.txt")),
    "nul": lambda: _raise(ValueError("a\x00b")),
    "huge": lambda: _raise(ValueError("x" * 10_000_000)),
    "unspeakable": lambda: _raise(Unspeakable()),
    "cancelled": lambda: _raise(asyncio.CancelledError()),
    "exit": lambda: _raise(SystemExit(3)),
    "interrupt": lambda: _raise(KeyboardInterrupt()),
    "generator": lambda: _raise(GeneratorExit()),
    "stop": lambda: _raise(StopIteration("over")),
    "deep": lambda: _recurse(900),
    "endless": lambda: _recurse(10**9),
    "memory": lambda: _raise(MemoryError()),
    "group": lambda: _raise(BaseExceptionGroup("two", [ValueError("a"), KeyboardInterrupt()])),
    # results
    "set": lambda: {1, 2},
    "object": lambda: object(),
    "nan": lambda: float("nan"),
    "bytes": lambda: b"x",
    "circular": lambda: (lambda a: a.append(a) or a)([]),
    "long integer": lambda: 10**5000,
    "coroutine": lambda: asyncio.sleep(0),
}
WORDS = {
    "plain": "boom",
    "empty": "ValueError",
    "key": "KeyError: 'user'",
    "surrogate": "[Errno 2] gone: 'caf\\udce9.txt'",
    "nul": "a\\x00b",
    "unspeakable": "Unspeakable (its message cannot be read)",
    "cancelled": "CancelledError",
    "exit": "3",
    "interrupt": "KeyboardInterrupt",
    "set": "JSON",
    "nan": "JSON",
    "bytes": "JSON",
    "circular": "JSON",
    "long integer": "JSON",
}


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_every_mishap_fails_its_job_with_the_reason_and_the_slot_goes_on(connection, sight, kind, caplog):
    caplog.set_level(logging.ERROR)

    async def on_loop(job):
        await asyncio.sleep(0)
        return MISHAPS[job.name]() if job.name in MISHAPS else "fine"

    def in_thread(job):
        return MISHAPS[job.name]() if job.name in MISHAPS else "fine"

    async with working(on_loop if kind == "async" else in_thread):
        for name in MISHAPS:
            await queue("chat").add(name, job_id=name)
        await queue("chat").add("good", job_id="good")
        await sight.until("completed", "good", timeout_s=30)
    failed = set(sight.ids("failed"))
    assert failed == set(MISHAPS)
    for name in MISHAPS:
        job = sight.job(name)
        assert WORDS.get(name, "") in job["failedReason"], (name, job["failedReason"][:200])
        assert len(job["failedReason"].encode()) < 32_000
        assert sum(len(value.encode("utf-8", "surrogateescape")) for value in job.values()) < 64_000
        (trace,) = json.loads(job["stacktrace"])
        assert "\x00" not in trace + job["failedReason"]
        assert json.loads(job["stacktrace"])[0].encode()
    sight.assert_all_over()
    assert caplog.records == []


async def test_a_processor_that_cancels_its_own_task_fails_its_job_only(connection, sight):
    async def cancel_self(job):
        if job.name == "bad":
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            return "never seen"
        return None

    async with working(cancel_self):
        bad = await queue("chat").add("bad")
        good = await queue("chat").add("good")
        await sight.until("completed", good.id)
    assert sight.ids("failed") == [bad.id]
    assert "cancelled its own task" in sight.job(bad.id)["failedReason"]


async def test_the_stack_begins_with_the_processor_not_with_the_worker(connection, sight):
    async def fail(job):
        _recurse(1)

    async with working(fail):
        added = await queue("chat").add("x")
        await sight.until("failed", added.id)
    (trace,) = json.loads(sight.job(added.id)["stacktrace"])
    assert "queues/runs" not in trace
    assert trace.startswith("Traceback (most recent call last):\n")
    assert trace.index("in fail") < trace.index("in _recurse")
    assert trace.endswith("ValueError: deep\n")


async def test_an_unknown_name_fails_at_once_and_says_what_is_known(connection, sight):
    async def nothing(job):
        return None

    registry = Registry()
    registry.processor("chat", name="summarize")(nothing)
    async with working(registry=registry):
        added = await queue("chat").add("nope", attempts=5)
        await sight.until("failed", added.id)
    assert sight.job(added.id)["failedReason"] == (
        "UnknownJob: this worker has no processor for “nope” in queue “chat”; it knows “summarize”."
    )


@pytest.mark.parametrize("data", ["{nope", "", "[" * 200_000, '"\\', "\xff\xfe", "1" * 5000])
async def test_data_that_is_not_json_fails_the_job(connection, sight, data):
    seen = []

    async def look(job):
        seen.append(job.data)

    added = await queue("chat").add("x", job_id="odd", attempts=3)
    sight.client.hset(sight.keys.job("odd"), "data", data.encode("latin-1"))
    async with working(look):
        await queue("chat").add("x", job_id="good")
        await sight.until("completed", "good")
        if data == "":
            # Node, too, takes a missing payload for {}.
            assert {} in seen
            return
        await sight.until("failed", added.id)
    assert sight.job("odd")["failedReason"].startswith("The job's data in Redis is not JSON")
    assert sight.job("odd")["atm"] == "1"


@pytest.mark.parametrize("opts", ["{nope", "[]", "null"])
async def test_options_that_are_not_an_object_fail_the_job(connection, sight, opts):
    async def nothing(job):
        return None

    await queue("chat").add("x", job_id="odd")
    sight.client.hset(sight.keys.job("odd"), "opts", opts)
    async with working(nothing):
        await sight.until("failed", "odd")
    assert "options" in sight.job("odd")["failedReason"]


@pytest.mark.parametrize("outcome", ["completed", "failed"])
@pytest.mark.parametrize(
    "fields",
    [
        {"parent": "{nope"},
        {"parent": "[]"},
        {"parent": "null"},
        {"parent": '{"id": 5}'},
        {"atm": "many"},
        {"atm": "1" * 30},
    ],
)
async def test_fields_that_would_break_a_script_in_the_middle_are_dropped(connection, sight, fields, outcome):
    """Half of moveToFinished would have run: such a job would be in no list, with nothing to bring it back."""

    async def end(job):
        if outcome == "failed":
            raise ValueError("no")

    await queue("chat").add("x", job_id="odd")
    sight.client.hset(sight.keys.job("odd"), mapping=fields)
    async with working(end):
        await sight.until(outcome, "odd", timeout_s=2)
    assert sight.job("odd")["atm"] == "1"
    sight.assert_all_over()


async def test_odd_values_in_options_count_as_absent(connection, sight):
    async def nothing(job):
        return None

    odd = {"attempts": "many", "removeOnComplete": "yes", "removeOnFail": {"age": "x"}, "kl": [], "backoff": "soon"}
    await queue("chat").add("x", job_id="odd")
    sight.client.hset(sight.keys.job("odd"), "opts", json.dumps(odd))
    async with working(nothing):
        await sight.until("completed", "odd")
    sight.assert_all_over()


async def test_an_id_without_a_job_is_skipped_and_gone(connection, sight):
    ran = []

    async def note(job):
        ran.append(job.id)

    for job_id in ("a", "ghost", "b"):
        await queue("chat").add("x", job_id=job_id)
    sight.client.delete(sight.keys.job("ghost"))
    async with working(note):
        await sight.until("completed", "a", "b")
    assert ran == ["a", "b"]
    sight.assert_all_over()
    assert sight.job("ghost") == {}
    assert (await queue("chat").add("x", job_id="ghost")).id == "ghost"
    assert sight.ids("wait") == ["ghost"]


async def test_failed_jobs_leave_no_memory_behind(connection, sight):
    class Payload:
        alive = 0

        def __init__(self) -> None:
            Payload.alive += 1

        def __del__(self) -> None:
            Payload.alive -= 1

    async def fail(job):
        payload = Payload()
        raise ValueError(f"with {payload!r:.9}")

    async with working(fail, concurrency=5):
        await asyncio.gather(*(queue("chat").add("x") for _ in range(50)))
        await sight.until_count("failed", 50)
        # The last one's outcome may be on its way back from Redis.
        await eventually(lambda: gc.collect() >= 0 and Payload.alive == 0)
