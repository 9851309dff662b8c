"""What the five systems promise of time: their rate limits over several workers, and research longer than any lock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from queues import queue
from queues.options import Limiter, get_options, reset_options
from queues.processors import Registry, registry
from queues.protocol import reads
from queues.states import State
from queues.systems import research, steps
from queues.systems.settings import QUEUES
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.eventually import eventually

LIMITED = [name for name, options in QUEUES.items() if "limiter" in options]
#: Instead of seconds and minutes.
WINDOW_MS = 300
WINDOWS = 3


@pytest.fixture
def systems(connection: str, settings: Any) -> Iterator[str]:
    settings.TORIL = {**settings.TORIL, "QUEUES": QUEUES}
    reset_options()
    yield connection
    reset_options()


async def nothing(job: Any) -> None: ...


def starts_ms(client: redis.Redis, prefix: str, name: str) -> list[int]:
    """When each job was started, by Redis's own clock."""
    events = client.xrange(f"{prefix}:{name}:events")
    return [int(event_id.split(b"-")[0]) for event_id, fields in events if fields[b"event"] == b"active"]


async def test_rate_limits_hold_over_all_workers_while_more_waits_than_they_let_through(
    systems: str, client_of_redis: redis.Redis, prefix: str
) -> None:
    assert {name: QUEUES[name]["limiter"]["max"] for name in LIMITED} == {
        "curl-generation": 5,
        "embeddings-generation": 10,
        "institution-extraction": 10,
        "llm-processing": 5,
        "auto-tagging": 20,
        "chat": 10,
        "deep-research": 3,
        "scan": 5,
    }
    processors = Registry()
    for name in LIMITED:
        processors.processor(name)(nothing)
    options = {name: get_options().queue(name) for name in LIMITED}
    plans = [
        QueuePlan(name, processors.of(name), replace(told, limiter=Limiter(told.limiter.max, WINDOW_MS)))
        for name, told in options.items()
        if told.limiter is not None
    ]
    counts = {plan.name: WINDOWS * plan.options.limiter.max + 1 for plan in plans}
    for name, count in counts.items():
        await queue(name).add_bulk({"name": "x"} for _ in range(count))
    workers = [Worker(plans, connection=systems, name=name) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    try:

        async def all_ran() -> bool:
            facts = await reads.queue_facts(systems, LIMITED)
            return all(found.counts.get("completed") == counts[found.name] for found in facts)

        await eventually(all_ran, timeout_s=60)
    finally:
        for worker in workers:
            await worker.stop(drain_timeout_s=5)
    for plan in plans:
        began, most = starts_ms(client_of_redis, prefix, plan.name), plan.options.limiter.max
        assert len(began) == counts[plan.name]
        # A slow machine only starts them later; the millisecond is Redis's rounding.
        early = [
            number for number, at in enumerate(began) if at < began[0] + number // most * WINDOW_MS - number // most
        ]
        assert early == [], plan.name


async def test_research_runs_longer_than_its_lock_and_nobody_takes_it_for_stalled(
    systems: str, settings: Any, client_of_redis: redis.Redis, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import queues.systems.jobs  # noqa: F401 - registers the samples

    settings.TORIL_SYSTEMS_PACE = 0
    may_write = asyncio.Event()

    async def held(job: Any, stage: str, *told: Any) -> None:
        await steps.step(job, stage, *told)
        if stage == "writing":
            await may_write.wait()

    monkeypatch.setattr(research, "step", held)
    told = replace(get_options().queue("deep-research"), lock_duration_ms=4_000, stalled_interval_ms=500)
    plan = QueuePlan("deep-research", registry.of("deep-research"), told)
    assert all(processor.timeout_s is None for processor in plan.processors.values())
    workers = [Worker([plan], connection=systems, name=name) for name in ("one", "two")]
    for worker in workers:
        worker.start()
    try:
        data = {"message": "Sleep?", "messageId": "m1", "conversationId": "c1"}
        job = await queue("deep-research").add("deep-research", data, job_id="long")

        async def outlived_its_lock() -> bool:
            """The lock that it began with has run out, by Redis's clock, and a stalled check came after that."""
            began_ms = (await job.refresh()).processed_on_ms
            checked = client_of_redis.get(f"{prefix}:deep-research:stalled-check")
            return bool(began_ms and checked and int(checked) > began_ms + told.lock_duration_ms)

        async def ended() -> bool:
            return (await job.state()) is State.COMPLETED

        await eventually(outlived_its_lock, timeout_s=60)
        assert client_of_redis.exists(f"{prefix}:deep-research:long:lock")
        may_write.set()
        await eventually(ended, timeout_s=60)
        found = await job.refresh()
    finally:
        may_write.set()
        for worker in workers:
            await worker.stop(drain_timeout_s=5)
    assert (found.attempts_made, found.attempts_started, found.stalled_count) == (1, 1, 0)
    assert found.return_value["report"].startswith("# Sleep?")
    assert found.progress["stage"] == "writing"
