"""`manage.py runmirror` as a process, through what happens to processes: kills, storms, outages, rivals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from queues.errors import TorilError
from queues.protocol import writes
from queues.protocol.connections import keys
from queues.protocol.reads import state_ids
from queues.states import State
from tests.eventually import Stopwatch, eventually, eventually_sync
from tests.mirroring import add, clean, finish, redis, start
from tests.postgresql import PostgresServer
from tests.procfs import cpu_s
from tests.stand import Stand

pytestmark = pytest.mark.acceptance

VERIFY = """
import asyncio
from queues.mirror.verify import verify
from queues.protocol.connections import close_wires
async def main():
    for wait in range(WAITS):
        found = [str(difference) async for difference in verify()]
        if not found:
            break
        await asyncio.sleep(0.3)
    await close_wires()
    print(len(found), *found[:20], sep="\\n")
asyncio.run(main())
"""
TWICE = """
from django.db.models import Count
from queues.models import Job
rows = Job.objects.exclude(job_id__startswith="again").order_by().values_list("queue", "job_id")
print(list(rows.annotate(n=Count("pk")).filter(n__gt=1)[:20]))
"""


@pytest.fixture
def stand(tmp_path: Path, redis_server, prefix, connection) -> Iterator[Stand]:
    stand = Stand(tmp_path, redis_server.url, prefix)
    yield stand
    stand.close()


def differences(stand: Stand) -> list[str]:
    """Those that do not go away within a few seconds."""
    return stand.manage("shell", "--verbosity", "0", "--command", VERIFY.replace("WAITS", "20")).splitlines()[1:]


def in_step(stand: Stand, timeout_s: float = 30.0) -> None:
    watch = Stopwatch()
    while found := differences(stand):
        assert not watch.is_over(timeout_s), "\n".join([*found, stand.log("mirror")[-3_000:]])


def said(stand: Stand, words: str, name: str = "mirror") -> bool:
    return words in stand.log(name)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> float:
    """Calm seconds to its end."""
    watch = Stopwatch()
    process.send_signal(number)
    process.wait(60)
    return watch.calm_s


async def test_it_mirrors_at_low_priority_and_stops_at_once(stand, connection):
    await add(connection, "chat", 300)
    process = stand.mirror()
    in_step(stand)
    assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
    await finish(connection, "chat", await start(connection, "chat", 20))
    in_step(stand)
    assert stop(process) < 10
    assert process.returncode == 0
    assert said(stand, "stopped")
    again = stand.mirror()
    eventually_sync(lambda: stand.log("mirror").count("this mirror leads") == 2)
    assert stop(again, signal.SIGINT) < 10
    assert again.returncode == 0


def test_with_queues_off_it_says_so(stand):
    stand.environ = {**stand.environ, "USE_JOB_QUEUE": "false"}
    with pytest.raises(AssertionError, match="USE_JOB_QUEUE is false: there are no queues to mirror"):
        stand.manage("runmirror")


@pytest.mark.parametrize("flushes", [False, True])
async def test_killed_at_random_moments_of_a_storm_it_loses_and_doubles_nothing(stand, connection, prefix, flushes):
    seed = int(os.environ.get("STORM_SEED", "0")) or random.randrange(10**6)
    sys.stdout.write(f"STORM_SEED={seed}\n")
    dice = random.Random(seed)
    async with storm(connection, prefix, dice, flushes):
        for n in range(int(os.environ.get("STORM_KILLS", "4"))):
            process = stand.mirror()
            await eventually(lambda n=n: stand.log("mirror").count("this mirror leads") > n, 30, "it leads")
            await asyncio.sleep(dice.random() * 2)
            process.kill()
            process.wait()
    stand.mirror()
    in_step(stand, 60)
    log = stand.log("mirror")
    assert "Traceback" not in log
    assert "is not mirrored" not in log
    if not flushes:
        assert eval(stand.manage("shell", "--verbosity", "0", "--command", TWICE)) == []  # noqa: S307


@contextlib.asynccontextmanager
async def storm(connection: str, prefix: str, dice: random.Random, flushes: bool) -> AsyncIterator[None]:
    """Traffic of every kind, and trouble, until the block ends."""
    over = asyncio.Event()
    queues = [f"q{n}" for n in range(4)]
    tasks = [asyncio.create_task(weather(connection, prefix, queue, dice, over, flushes)) for queue in queues]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def weather(
    connection: str, prefix: str, queue: str, dice: random.Random, over: asyncio.Event, flushes: bool
) -> None:
    while not over.is_set():
        await dice.choices([traffic, people, trouble], [20, 3, 1])[0](connection, prefix, queue, dice)
        if flushes and dice.random() < 0.01:
            await flush(connection, queue)
        await asyncio.sleep(dice.random() * 0.05)


async def traffic(connection: str, prefix: str, queue: str, dice: random.Random) -> None:
    await add(connection, queue, dice.randrange(30), data=str(dice.randrange(10**6)))
    await add(connection, queue, dice.randrange(5), delay_ms=100_000)
    await add(connection, queue, dice.randrange(5), priority=dice.randrange(1, 9))
    await add(connection, queue, job_id=f"again-{dice.randrange(3)}")
    active = await start(connection, queue, dice.randrange(40))
    keep = dice.choice([None, {"count": 0}, {"count": 50}])
    done = dice.randrange(len(active) + 1)
    with contextlib.suppress(AssertionError):
        # A job that somebody removed meanwhile cannot be finished.
        await finish(connection, queue, active[:done], keep=keep)
        await finish(connection, queue, active[done:], "boom", keep=keep, is_failed=True)


async def people(connection: str, prefix: str, queue: str, dice: random.Random) -> None:
    state = dice.choice([State.FAILED, State.COMPLETED, State.DELAYED, State.WAITING])
    ids = await state_ids(connection, queue, state, 0, 20)
    with contextlib.suppress(TorilError):
        if state is State.FAILED:
            await writes.retry_jobs(connection, queue, state, ids)
        elif state is State.DELAYED:
            await writes.promote_jobs(connection, queue, ids)
        elif dice.random() < 0.5:
            for job_id in ids:
                await writes.remove_job(connection, queue, job_id)
        else:
            await clean(connection, queue, "wait" if state is State.WAITING else state.value, 50)


async def trouble(connection: str, prefix: str, queue: str, dice: random.Random) -> None:
    base = f"{prefix}:{queue}:"
    match dice.randrange(3):
        case 0:
            await redis(connection, "XTRIM", f"{base}events", "MAXLEN", dice.randrange(5))
        case 1:
            await redis(connection, "DEL", f"{base}events")
        case 2:
            for job_id in await state_ids(connection, queue, State.FAILED, 0, 10):
                await redis(connection, "ZREM", f"{base}failed", job_id)
                await redis(connection, "DEL", base + job_id)


async def flush(connection: str, queue: str) -> None:
    """Every key of the queue, at once."""
    base = keys(connection, queue).base
    found = await redis(connection, "KEYS", base + b"*")
    if found:
        await redis(connection, "DEL", *found)


async def test_thousands_of_jobs_removed_on_completion_all_have_their_row(stand, connection, prefix):
    # A stream that is trimmed before it is read takes such jobs with it, and so does a mirror that falls a minute
    # behind and skips ahead: here the stream keeps them all, and there are no more than a slow machine manages.
    await redis(connection, "HSET", f"{prefix}:quick:meta", "opts.maxLenEvents", 1_000_000)
    stand.mirror()
    for _ in range(10):
        await add(connection, "quick", 500, data='{"n":1}')
        await finish(connection, "quick", await start(connection, "quick", 500), keep={"count": 0})
    eventually_sync(lambda: states(stand) == {"completed": 5_000}, 120)
    in_step(stand)


async def test_when_the_leader_is_killed_another_takes_over_within_ten_seconds(stand, connection):
    await add(connection, "chat", 10)
    leading = stand.start("first", sys.executable, "manage.py", "runmirror")
    eventually_sync(lambda: said(stand, "this mirror leads", "first"))
    stand.start("mirror", sys.executable, "manage.py", "runmirror")
    eventually_sync(lambda: said(stand, "another mirror leads"))
    leading.kill()
    watch = Stopwatch()
    eventually_sync(lambda: said(stand, "this mirror leads"))
    assert watch.calm_s < 10
    await add(connection, "chat", 10)
    in_step(stand)


def test_a_leader_that_hangs_is_shut_out_when_it_wakes(stand, connection):
    leading = stand.start("first", sys.executable, "manage.py", "runmirror")
    eventually_sync(lambda: said(stand, "this mirror leads", "first"))
    stand.mirror()
    eventually_sync(lambda: said(stand, "another mirror leads"))
    with nobody_writing(stand):
        leading.send_signal(signal.SIGSTOP)
    eventually_sync(lambda: said(stand, "this mirror leads"))
    leading.send_signal(signal.SIGCONT)
    eventually_sync(lambda: said(stand, "another mirror has taken over", "first"))


def states(stand: Stand) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(stand.folder / "db.sqlite3", 30)) as database:
        return dict(database.execute("SELECT state, count(*) FROM toril_job GROUP BY state"))


@contextlib.contextmanager
def nobody_writing(stand: Stand) -> Iterator[None]:
    """What hangs in the middle of a transaction keeps SQLite's one lock, and nobody can lead: no lease helps there."""
    with contextlib.closing(sqlite3.connect(stand.folder / "db.sqlite3", 30, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.rollback()


async def test_redis_away_is_waited_for_with_few_words(tmp_path, own_redis, prefix):
    own_redis.stop()
    stand = Stand(tmp_path / "stand", own_redis.url, prefix)
    try:
        process = stand.mirror()
        eventually_sync(lambda: said(stand, "Waiting."))
        cpu = cpu_s(process.pid)
        await asyncio.sleep(3)
        assert cpu_s(process.pid) - cpu < 0.6
        assert stand.log("mirror").count("\n") < 8, stand.log("mirror")
        own_redis.start()
        eventually_sync(lambda: said(stand, "it goes on after"))
        stop(process)
    finally:
        stand.close()


async def test_on_postgresql_it_outlives_the_database(tmp_path, redis_server, prefix, connection):
    server = PostgresServer()
    stand = None
    try:
        stand = Stand(tmp_path / "stand", redis_server.url, prefix, DATABASE_URL=server.url)
        stand.mirror()
        await add(connection, "chat", 300)
        in_step(stand)
        server.stop()
        await finish(connection, "chat", await start(connection, "chat", 100), '"while it was away"')
        eventually_sync(lambda: said(stand, "Waiting."))
        server.start()
        eventually_sync(lambda: said(stand, "it goes on after"))
        await finish(connection, "chat", await start(connection, "chat", 100), b'"nul \x00 and \xed\xa0\x80"')
        in_step(stand)
        assert "Traceback" not in stand.log("mirror")
    finally:
        if stand is not None:
            stand.close()
        server.close()
