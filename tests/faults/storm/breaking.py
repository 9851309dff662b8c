"""What is broken, one thing after the other or several at once. Each fault ends by itself; nobody is told."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import redis

from tests.faults.storm.house import House

Fault = Callable[[House, random.Random], Awaitable[None]]
#: Longer than a lock of three seconds, now and then; shorter otherwise.
SECONDS = (0.5, 1.0, 2.0, 5.0)


def _asks(house: House, *words: Any) -> None:
    with contextlib.suppress(redis.RedisError), redis.Redis(port=house.redis.port, socket_timeout=10) as client:
        client.execute_command(*words)


async def _asked(house: House, *words: Any) -> None:
    await asyncio.to_thread(_asks, house, *words)


def _kill(kind: str) -> Fault:
    async def kill(house: House, dice: random.Random) -> None:
        house.signal(f"{kind}-{dice.choice((1, 2))}", signal.SIGKILL)

    return kill


def _deploy(kind: str) -> Fault:
    """As a rolling deploy: one is told to end, and another takes its place."""

    async def deploy(house: House, dice: random.Random) -> None:
        house.signal(f"{kind}-{dice.choice((1, 2))}", signal.SIGTERM)

    return deploy


def _freeze(kind: str) -> Fault:
    async def freeze(house: House, dice: random.Random) -> None:
        name = f"{kind}-{dice.choice((1, 2))}"
        process = house.process(name)
        if house.signal(name, signal.SIGSTOP):
            await asyncio.sleep(dice.choice(SECONDS))
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)

    return freeze


async def redis_killed(house: House, dice: random.Random) -> None:
    house.redis.kill()
    await asyncio.sleep(dice.choice(SECONDS))
    await asyncio.to_thread(house.redis.start)


async def redis_frozen(house: House, dice: random.Random) -> None:
    process = house.redis.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(dice.choice(SECONDS))
    process.send_signal(signal.SIGCONT)


def _paused(kind: str) -> Fault:
    async def pause(house: House, dice: random.Random) -> None:
        await _asked(house, "CLIENT", "PAUSE", int(dice.choice(SECONDS) * 1000), kind)

    return pause


async def redis_read_only(house: House, dice: random.Random) -> None:
    """What a failover leaves behind at the old primary."""
    await _asked(house, "REPLICAOF", "127.0.0.1", "1")
    await asyncio.sleep(dice.choice(SECONDS))
    await _asked(house, "REPLICAOF", "NO", "ONE")


async def redis_out_of_memory(house: House, dice: random.Random) -> None:
    await _asked(house, "CONFIG", "SET", "maxmemory", 1)
    await asyncio.sleep(dice.choice(SECONDS))
    await _asked(house, "CONFIG", "SET", "maxmemory", 0)


async def redis_set_to_evict(house: House, dice: random.Random) -> None:
    """Nothing is evicted while no limit is set; everybody must say so and go on."""
    await _asked(house, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await asyncio.sleep(dice.choice(SECONDS))
    await _asked(house, "CONFIG", "SET", "maxmemory-policy", "noeviction")


async def scripts_flushed(house: House, dice: random.Random) -> None:
    for _ in range(20):
        await _asked(house, "SCRIPT", "FLUSH")
        await asyncio.sleep(0.1)


async def connections_cut(house: House, dice: random.Random) -> None:
    for _ in range(5):
        await _asked(house, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.2)


async def key_of_wrong_type(house: House, dice: random.Random) -> None:
    """In a queue that nobody works on: pages say what is wrong with it, and nobody else minds."""
    base = house.keys("odd").base
    await _asked(house, "HSET", base + b"meta", "version", "bullmq:6.7.0")
    await _asked(house, "SET", base + b"wait", "odd")
    await asyncio.sleep(dice.choice(SECONDS))
    await _asked(house, "DEL", base + b"wait")


async def database_held(house: House, dice: random.Random) -> None:
    """Somebody keeps the one lock that SQLite has, or a lock on the table that the mirror writes."""
    seconds = dice.choice((1.0, 3.0, 6.0))
    if house.postgres is None:
        path = house.stand.folder / "db.sqlite3"
        with contextlib.closing(sqlite3.connect(path, 0.2, isolation_level=None)) as database:
            with contextlib.suppress(sqlite3.OperationalError):
                database.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(seconds)
            with contextlib.suppress(sqlite3.OperationalError):
                database.execute("ROLLBACK")
        return
    import psycopg

    async with await psycopg.AsyncConnection.connect(house.postgres.url) as session:
        await session.execute("LOCK TABLE toril_job, toril_auditentry IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(seconds)


async def database_gone(house: House, dice: random.Random) -> None:
    """PostgreSQL's server dies, or every session is ended. A file cannot go away: it is held for longer."""
    if house.postgres is None:
        await database_held(house, dice)
        return
    if dice.random() < 0.5:
        import psycopg

        async with await psycopg.AsyncConnection.connect(house.postgres.url, autocommit=True) as session:
            await session.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
        return
    await asyncio.to_thread(house.postgres.stop)
    await asyncio.sleep(dice.choice(SECONDS))
    await asyncio.to_thread(house.postgres.start)


PROCESSES: dict[str, Fault] = {
    "worker killed": _kill("worker"),
    "worker deployed": _deploy("worker"),
    "worker frozen": _freeze("worker"),
    "web killed": _kill("web"),
    "web deployed": _deploy("web"),
    "web frozen": _freeze("web"),
    "mirror killed": _kill("mirror"),
    "mirror deployed": _deploy("mirror"),
    "mirror frozen": _freeze("mirror"),
}
PARTS: dict[str, Fault] = {
    "Redis killed": redis_killed,
    "Redis frozen": redis_frozen,
    "Redis paused": _paused("ALL"),
    "Redis paused for writes": _paused("WRITE"),
    "Redis read-only": redis_read_only,
    "Redis out of memory": redis_out_of_memory,
    "Redis set to evict": redis_set_to_evict,
    "scripts flushed": scripts_flushed,
    "connections cut": connections_cut,
    "key of the wrong type": key_of_wrong_type,
    "database held": database_held,
    "database gone": database_gone,
}


#: What a short storm is made of: one of each kind, and what broke something once.
BRIEF = (
    *("worker killed", "web killed", "mirror killed", "worker frozen", "mirror deployed", "web deployed"),
    *("Redis killed", "Redis read-only", "scripts flushed", "connections cut", "database held", "Redis out of memory"),
)


async def break_things(
    house: House, dice: random.Random, seconds: float, pause_s: float, brief: bool = False
) -> Counter[str]:
    """Until the time is over, and each at least once; processes and what they stand on at the same time. How often
    each was done.
    """
    done = Counter[str]()
    lanes = []
    for every in (PROCESSES, PARTS):
        of = {name: fault for name, fault in every.items() if name in BRIEF} if brief else every
        lanes.append(_lane(house, random.Random(dice.random()), of, seconds, pause_s, done))
    await asyncio.gather(*lanes)
    await house.settle()
    return done


async def _lane(
    house: House, dice: random.Random, of: dict[str, Fault], seconds: float, pause_s: float, done: Counter[str]
) -> None:
    loop = asyncio.get_running_loop()
    until, names = loop.time() + seconds, dice.sample(sorted(of), len(of))
    while names or loop.time() < until:
        name = names.pop() if names else dice.choice(sorted(of))
        done[name] += 1
        await of[name](house, dice)
        await asyncio.sleep(dice.uniform(0, 2 * pause_s))
