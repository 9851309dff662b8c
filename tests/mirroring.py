"""A mirror inside the test's own process, and jobs that go through BullMQ's scripts as a worker moves them."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from typing import Any

from queues.mirror.leader import Leader
from queues.mirror.service import Mirror
from queues.mirror.session import Session
from queues.mirror.thread import DatabaseThread
from queues.mirror.verify import verify
from queues.protocol.adding import NewJob, add_job
from queues.protocol.commands import call_script, command, pack
from queues.protocol.connections import keys, wire
from tests.eventually import Stopwatch, eventually


async def differences(connection: str = "default") -> list[str]:
    return [str(difference) async for difference in verify(connection)]


async def in_step(connection: str = "default", timeout_s: float = 15.0) -> None:
    """Wait until the differ finds nothing; it must find nothing twice, as facts may trail rows for a moment."""

    async def agree() -> bool:
        found.clear()
        found.extend(await differences(connection))
        return not found

    found: list[str] = []
    try:
        await eventually(agree, timeout_s)
    except AssertionError:
        raise AssertionError(f"not in step after {timeout_s} s:\n" + "\n".join(found[:20])) from None


@contextlib.asynccontextmanager
async def mirror_running(*connections: str) -> AsyncIterator[Mirror]:
    """The whole service, as `runmirror` runs it."""
    mirror = Mirror(connections or ["default"])
    task = asyncio.create_task(mirror.run())
    try:
        yield mirror
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def session(connection: str = "default", *, patrols: bool = False) -> AsyncIterator[Session]:
    """One session to be turned by hand; without patrols, what it knows it knows from events and sweeps."""
    leader, database = Leader(), DatabaseThread()
    await database.call(leader.try_take)
    one = Session(connection, leader, database)
    one._hot.every_s = 0.1
    if not patrols:
        one.mender._patrol_at = math.inf
    try:
        await one.begin()
        yield one
    finally:
        await one.end()
        await database.call(leader.give_back)
        await database.close()


async def turn_until_quiet(one: Session, quiet_s: float = 0.4, timeout_s: float = 30.0) -> None:
    """Turn until nothing was written and nothing is pressing for a while, with a fresh sweep of all queues."""
    one._sweep.wind(0)
    one._discover.wind(0)
    watch, still_since, before = Stopwatch(), time.monotonic(), -1
    while time.monotonic() - still_since < quiet_s:
        assert not watch.is_over(timeout_s), f"still turning: {one.followed}"
        await one.turn()
        if one.written != before or one.is_mending or one.ear.is_behind or one._heard():
            before, still_since = one.written, time.monotonic()


async def add(
    connection: str, queue: str, count: int = 1, *, data: str = "{}", name: str = "work", **options: Any
) -> list[str]:
    k, now = keys(connection, queue), int(time.time() * 1000)
    return await wire(connection).run(
        [add_job(k, NewJob(name, data, now, options, options.get("job_id", ""))) for _ in range(count)]
    )


async def start(connection: str, queue: str, count: int = 1) -> list[bytes]:
    """Move waiting jobs to active, as a worker does; their ids."""
    k = keys(connection, queue)
    names = "wait active prioritized events stalled limiter delayed paused meta pc marker"
    options = pack({"token": "t:1", "lockDuration": 30_000, "name": "tester"})
    asked = [
        call_script("moveToActive", k.many(names), [k.base, int(time.time() * 1000), options]) for _ in range(count)
    ]
    return [reply[1] for reply in await wire(connection).run(asked) if reply[1]]


async def finish(
    connection: str,
    queue: str,
    job_ids: list[bytes],
    result: str | bytes = '"done"',
    *,
    keep: dict[str, int] | None = None,
    is_failed: bool = False,
) -> None:
    """Complete or fail active jobs; `keep` {"count": 0} removes them at once."""
    k = keys(connection, queue)
    target, field = ("failed", "failedReason") if is_failed else ("completed", "returnvalue")
    names = "wait active prioritized events stalled limiter delayed paused meta pc"
    options = pack(
        {
            "token": "t:1",
            "keepJobs": keep or {"count": -1},
            "lockDuration": 30_000,
            "attempts": 1,
            "maxMetricsSize": "",
            "fpof": False,
        }
    )
    replies = await wire(connection).run(
        [
            call_script(
                "moveToFinished",
                [*k.many(names), k(target), k.base + job_id, k(f"metrics:{target}"), k("marker")],
                [job_id, int(time.time() * 1000), field, result, target, "", k.base, options, b""],
            )
            for job_id in job_ids
        ]
    )
    assert all(not (isinstance(reply, int) and reply < 0) for reply in replies), replies


async def redis(connection: str, *args: Any) -> Any:
    """A plain command, to do something behind everybody's back."""
    return await wire(connection).call(command(*args))


async def clean(connection: str, queue: str, suffix: str, limit: int) -> None:
    """As BullMQ's Queue.clean: at most `limit` jobs of any age, told by one event that names none of them."""
    k = keys(connection, queue)
    await wire(connection).call(
        call_script("cleanJobsInSet", k.many(f"{suffix} events repeat"), [k.base, 9_999_999_999_999, limit, suffix])
    )
