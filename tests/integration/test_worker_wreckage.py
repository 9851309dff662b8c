"""What others leave behind, and faults at every turn: a worker passes them, and its slots are all there afterwards."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from queues import queue
from queues.errors import DelayedError, RateLimitError, RedisRefused, RedisUnavailable, WaitingChildrenError
from queues.worker import worker as worker_module
from queues.worker.engine import Engine
from tests.eventually import eventually
from tests.working import Sight, working

# --- a job's hash is gone, its id is left (THREATS.md A3.17)

PLACES = ["wait", "prioritized", "delayed", "active", "completed", "failed"]


@pytest.mark.parametrize("place", PLACES)
async def test_an_id_whose_job_is_gone_is_passed_and_cleared_away(connection, sight, place):
    ran = []

    async def note(job):
        ran.append(job.id)

    options: dict[str, Any] = {"prioritized": {"priority": 1}, "delayed": {"delay_ms": 60}}.get(place, {})
    if place in ("wait", "prioritized", "delayed"):
        await queue("chat").add("x", job_id="ghost", **options)
        sight.client.delete(sight.keys.job("ghost"))
    elif place == "active":
        sight.client.lpush(sight.keys("active"), "ghost")
    else:
        sight.client.zadd(sight.keys(place), {"ghost": 1})
    await queue("chat").add("x", job_id="good", remove_on_complete={"count": 1, "age": 3600}, **options)
    async with working(note, stalled_interval_ms=150, lock_duration_ms=300):
        await sight.until("completed", "good", timeout_s=2)
        if place == "failed":
            # Nobody keeps fewer of these; what is finished is no worker's affair.
            return
        await eventually(lambda: "ghost" not in _ids(sight), timeout_s=3)
    assert ran == ["good"]
    assert sight.job("ghost") == {}
    sight.assert_all_over()


def _ids(sight: Sight) -> list[str]:
    return [job_id for place in PLACES for job_id in sight.ids(place)]


async def test_a_delayed_job_that_never_falls_due_is_not_asked_for_without_pause(connection, sight, monkeypatch):
    asked = []
    monkeypatch.setattr(Engine, "_fetch", _counted(Engine._fetch, asked))
    sight.client.zadd(sight.keys("delayed"), {"never": float("-inf"), "ever": float("inf")})
    async with working(lambda job: None):
        await eventually(lambda: asked)
        await asyncio.sleep(1)
        assert len(asked) < 10
        added = await queue("chat").add("x")
        await sight.until("completed", added.id, timeout_s=4)


def _counted(function, calls):
    async def call(*arguments):
        calls.append(arguments)
        return await function(*arguments)

    return call


async def test_ghosts_of_jobs_that_stalled_too_often_are_cleared_away_too(connection, sight):
    async def nothing(job):
        return None

    sight.client.lpush(sight.keys("active"), "ghost")
    sight.client.sadd(sight.keys("stalled"), "ghost")
    async with working(nothing, stalled_interval_ms=150, lock_duration_ms=300, max_stalled_count=0):
        await eventually(lambda: not _ids(sight), timeout_s=3)
        added = await queue("chat").add("x")
        await sight.until("completed", added.id)
    assert sight.job("ghost") == {}
    assert sight.events("failed") == []


# --- faults at every await (THREATS.md A2.11)

ERRORS: list[BaseException] = [
    ValueError("boom"),
    asyncio.CancelledError(),
    SystemExit(1),
    KeyboardInterrupt(),
    GeneratorExit(),
    DelayedError(1),
    WaitingChildrenError(),
    RateLimitError(1),
]


class Faults:
    """Makes a worker's wire fail now and then: before a command is sent, after it was carried out, by a refusal, or
    with an error that nobody expects.
    """

    def __init__(self, seed: int) -> None:
        self.random, self.share, self.count = random.Random(seed), 0.03, 0

    def into(self, wire: Any) -> Any:
        call, submit = wire.call, wire.submit

        async def faulty_call(asked: Any, timeout_s: float | None = None) -> Any:
            error = self._error()
            if isinstance(error, RedisUnavailable) and self.random.random() < 0.5:
                await call(asked, timeout_s)
            if error is not None:
                raise error
            return await call(asked, timeout_s)

        def faulty_submit(asked: Any) -> Any:
            error = self._error()
            if error is None:
                return submit(asked)
            failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

        wire.call, wire.submit = faulty_call, faulty_submit
        return wire

    def _error(self) -> Exception | None:
        if self.random.random() >= self.share:
            return None
        self.count += 1
        return self.random.choice([RedisUnavailable("injected"), RedisRefused("ERR injected")])


async def test_after_hundreds_of_failures_all_slots_are_there(connection, sight, monkeypatch):
    faults, chance = Faults(seed=11), random.Random(12)
    running, most = 0, 0
    open_wire = worker_module.open_wire
    monkeypatch.setattr(worker_module, "open_wire", lambda *args, **kwargs: faults.into(open_wire(*args, **kwargs)))

    end = asyncio.Event()

    async def misbehave(job):
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            if job.name == "hold":
                await end.wait()
                return None
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
            if chance.random() < 0.02:
                sight.client.delete(sight.keys.job(job.id))
            if chance.random() < 0.02:
                sight.client.delete(sight.keys.lock(job.id))
            if chance.random() < 0.5:
                raise chance.choice(ERRORS)
            return chance.choice([None, {1}, float("nan"), "x" * 1000])
        finally:
            running -= 1

    many = 400
    await asyncio.gather(*(queue("chat").add("x", attempts=3, remove_on_complete=True) for _ in range(many)))
    options = {"concurrency": 8, "lock_duration_ms": 2000, "stalled_interval_ms": 500, "max_stalled_count": 100}
    async with working(misbehave, **options) as worker:
        (engine,) = worker.engines
        await eventually(lambda: len(sight.ids("wait")) < many // 10, timeout_s=40, what="most of them are run")
        faults.share = 0.0
        await eventually(lambda: engine.free == 8 and not _unfinished(sight), timeout_s=25, what="all are over")
        assert faults.count > 30
        assert most <= 8
        await eventually(lambda: not engine.running)
        await asyncio.gather(*(queue("chat").add("hold") for _ in range(9)))
        await eventually(lambda: running == 8, what="all slots are in use")
        end.set()
    sight.assert_all_over()
    assert not _left_behind(sight)


def _unfinished(sight: Sight) -> int:
    """Counted at one moment: what a lost answer left behind comes back from active to waiting, and runs again."""
    with sight.client.pipeline() as pipe:
        pipe.llen(sight.keys("wait")).llen(sight.keys("active")).zcard(sight.keys("delayed"))
        return sum(pipe.execute())


def _left_behind(sight: Sight) -> set[str]:
    """Jobs whose hash is in no place at all: lost."""
    keys: Any = sight.client.scan_iter(sight.keys.base + b"*", count=5000)
    jobs = {key.rpartition(b":")[2].decode() for key in keys if key.rpartition(b":")[2].isdigit()}
    return jobs - set(_ids(sight)) - set(sight.ids("waiting-children"))
