"""What workers record by the minute: real jobs, real Redis."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from queues.histogram import percentiles
from queues.lookups import metrics
from queues.options import reset_options
from queues.producer import queue
from queues.protocol.adding import NewJob, add_job
from queues.protocol.commands import command
from queues.protocol.connections import keys, wire
from queues.protocol.connections import prefix as prefix_of
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.samples import LONGEST_NAME, MOST_NAMES, Ended, figures_command, present_commands
from tests.conftest import RedisServer
from tests.eventually import Stopwatch, eventually
from tests.faults import frozen
from tests.working import Sight, operating


async def minutes_now() -> list[int]:
    now = await wire().call(time_command()) // 60_000
    return [now - 1, now]


async def recorded(queue_name: str = "chat", name: str = "work") -> Ended:
    """Of this minute and the one before."""
    on, total = SampleKeys(prefix_of("default")), Ended()
    for minute in await minutes_now():
        total.add(await wire().call(figures_command(on, minute, queue_name, name)))
    return total


async def until_recorded(completed: int, **where: Any) -> Ended:
    async def is_there() -> bool:
        return (await recorded(**where)).completed >= completed

    await eventually(is_there, 10.0, f"{completed} are recorded")
    return await recorded(**where)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queues.worker.recorder.DELIVER_EVERY_S", 0.05)


async def test_a_job_that_is_removed_as_it_completes_is_in_the_figures(connection: str) -> None:
    async def work(job: Any) -> None: ...

    async with operating(work):
        for _ in range(20):
            await queue("chat").add("work", {}, remove_on_complete=True)
        found = await until_recorded(20)
    assert (found.completed, found.failed, found.retried) == (20, 0, 0)
    assert sum(found.run.values()) == sum(found.wait.values()) == 20


async def test_failed_for_good_and_to_be_tried_again_are_counted_apart(connection: str, sight: Sight) -> None:
    async def work(job: Any) -> None:
        raise ValueError("no")

    async with operating(work):
        await queue("chat").add("work", {}, attempts=3)
        await queue("chat").add("work", {})
        await sight.until_count("failed", 2)
    found = await recorded()
    assert (found.completed, found.failed, found.retried) == (0, 2, 2)
    # Each run has its time; how long it waited is known of first attempts only.
    assert (sum(found.run.values()), sum(found.wait.values())) == (4, 2)


async def test_a_delayed_job_waits_from_when_it_is_due(connection: str, sight: Sight, watch: Stopwatch) -> None:
    async def work(job: Any) -> None:
        await asyncio.sleep(0.2)

    async with operating(work):
        await queue("chat").add("work", {}, delay_ms=1_000)
        await sight.until_count("completed", 1)
    found = await recorded()
    (ran_ms,), (waited_ms,) = percentiles(found.run, [0.5]), percentiles(found.wait, [0.5])
    assert 150 < ran_ms < 800 * watch.slowness
    assert waited_ms < 700 * watch.slowness


async def test_names_beyond_the_bound_are_counted_together_over_all_processes(
    connection: str, sight: Sight, client_of_redis: Any, prefix: str
) -> None:
    async def work(job: Any) -> None: ...

    names = [f"name-{n}" for n in range(80)] + ["x" * 900, "", "with\x00nul", "a:b"]
    for _ in range(2):
        async with operating(work, concurrency=5):
            for name in names:
                await add_as_others_may(connection, name)
            await eventually(lambda: len(sight.ids("wait")) + len(sight.ids("active")) == 0, 10.0)
    kept = client_of_redis.zrange(SampleKeys(prefix).names("chat"), 0, -1)
    assert len(kept) == MOST_NAMES + 1
    assert max(map(len, kept)) <= LONGEST_NAME + 3
    counted = 0
    for name in kept:
        counted += (await recorded(name=name.decode())).completed
    assert counted == 2 * len(names)


async def add_as_others_may(connection: str, name: str) -> None:
    """Under a name that our own producer would refuse, too."""
    await wire().call(add_job(keys(connection, "chat"), NewJob(name, "{}", int(time.time() * 1000), {})))


async def test_a_delivery_whose_answer_was_lost_counts_once(
    own_redis: RedisServer, prefix: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis freezes with a delivery on its way: it is given up, sent again on another connection, and heard twice."""
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    monkeypatch.setattr("queues.worker.recorder.DELIVER_EVERY_S", 0.4)
    monkeypatch.setattr("queues.worker.aside.ANSWER_S", 0.5)

    async def work(job: Any) -> None: ...

    try:
        async with operating(work, concurrency=5) as worker:
            await queue("chat").add("work", {})
            await until_recorded(1)
            for _ in range(9):
                await queue("chat").add("work", {})
            await eventually(lambda: worker.finished == 10)
            dials = worker.aside.dials
            with frozen(own_redis):
                await eventually(lambda: worker.aside.wire._backoff.failures > 0, 8.0)
            await eventually(lambda: worker.aside.dials > dials, 8.0)
            await until_recorded(10)
            await queue("chat").add("work", {})
            found = await until_recorded(11)
        assert (await recorded()).completed == 11
        assert sum(found.run.values()) == sum(found.wait.values()) == 11
    finally:
        reset_options()


async def test_a_worker_whose_figures_are_refused_says_so_once_and_runs_jobs(
    connection: str, sight: Sight, prefix: str, client_of_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client_of_redis.set(SampleKeys(prefix).names("chat"), "somebody else's", ex=60)

    async def work(job: Any) -> None: ...

    async with operating(work):
        await queue("chat").add("work", {})
        await sight.until_count("completed", 1)
        await eventually(lambda: "figures by the minute are refused" in caplog.text)
        await queue("chat").add("work", {})
        await sight.until_count("completed", 2)
    assert caplog.text.count("are refused") == 1


@pytest.mark.django_db(transaction=True)
async def test_the_last_hour_of_many_queues_is_one_round_trip_and_then_few_minutes(
    connection: str, prefix: str, record_property: Any
) -> None:
    on, now = SampleKeys(prefix), (await minutes_now())[1]
    names = [f"queue-{n}" for n in range(500)]
    asked = [c for minute in range(now - 60, now) for c in present_commands(on, minute, names)]
    asked += [command("HINCRBY", on.minute(now - 5), f"cqueue-{n}", n) for n in range(500)]
    asked += [command("HINCRBY", on.minute(now - 5), "fqueue-9", 3), command("HDEL", on.minute(now - 7), "pqueue-9")]
    await wire().run(asked)
    began = time.perf_counter()
    found = await metrics.pulses(connection)
    took_ms = (time.perf_counter() - began) * 1000
    record_property("figures", f"pulses of 500 queues, the first time in a process: {took_ms:.0f} ms")
    assert len(found) == 500
    nine = found["queue-9"]
    assert (nine.completed[-5], nine.failed[-5], nine.completed[-7], nine.completed[-6]) == (9, 3, None, 0)
    assert nine.failure_rate == 0.25
    assert await metrics.pulses(connection) is found
