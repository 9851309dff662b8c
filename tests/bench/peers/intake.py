"""One mirror, pinned to a core of its own, takes in jobs from the sets or from events; prints jobs per second.

`python -m tests.bench.peers.intake sets|events <count>`
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import time
from typing import Any

import django

django.setup()

from queues.mirror.followed import ALL  # noqa: E402
from queues.mirror.leader import Leader  # noqa: E402
from queues.mirror.session import Session  # noqa: E402
from queues.mirror.thread import DatabaseThread  # noqa: E402
from queues.protocol.commands import Command, command  # noqa: E402
from queues.protocol.connections import close_wires, keys, wire  # noqa: E402

QUEUE = "intake"
DATA = json.dumps({"user": {"id": 42, "name": "Ada Lovelace"}, "items": [{"sku": f"A-{n}", "n": n} for n in range(5)]})
OPTIONS = json.dumps({"attempts": 3, "backoff": {"type": "exponential", "delay": 1000}})
RESULT = '{"ok":true,"chars":123}'
EVENTS: tuple[tuple[str, ...], ...] = (
    ("added", "name", "work"),
    ("waiting",),
    ("active", "prev", "waiting"),
    ("completed", "returnvalue", RESULT, "prev", "active"),
)


def job(number: int, with_events: bool) -> list[Command[Any]]:
    k, now, job_id = keys("default", QUEUE), int(time.time() * 1000), str(number)
    stored: dict[str, str | int] = {
        **{"name": "work", "data": DATA, "opts": OPTIONS, "timestamp": now, "delay": 0, "priority": 0, "ats": 1},
        **{"atm": 1, "processedOn": now + 1, "finishedOn": now + 5, "returnvalue": RESULT},
    }
    told = [
        command("XADD", k("events"), "*", "event", kind, "jobId", job_id, *fields)
        for kind, *fields in (EVENTS if with_events else ())
    ]
    pairs: list[str | int] = [part for pair in stored.items() for part in pair]
    return [command("HSET", k.job(job_id), *pairs), command("ZADD", k("completed"), now + 5, job_id), *told]


async def plant(first: int, count: int, with_events: bool) -> None:
    for start in range(first, first + count, 250):
        numbers = range(start, min(start + 250, first + count))
        await wire("default").run([each for number in numbers for each in job(number, with_events)])
    await wire("default").call(command("HSET", keys("default", QUEUE)("meta"), "version", "bench"))


async def main(source: str, count: int) -> None:
    leader, database = Leader(), DatabaseThread()
    await database.call(leader.try_take)
    session = Session("default", leader, database)
    session.mender._patrol_at = math.inf
    await session.begin()
    await plant(0, 1, True)
    while session.written < 1 or session.is_mending:
        await session.turn()
    await plant(1, count, source == "events")
    if source == "sets":
        session.followed[QUEUE].wanted = ALL
    began, cpu_s = time.perf_counter(), time.process_time()
    while session.written <= count:
        await session.turn()
    print(json.dumps([count / (time.perf_counter() - began), count / (time.process_time() - cpu_s)]))
    await session.end()
    await database.call(leader.give_back)
    await database.close()
    await close_wires()


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
