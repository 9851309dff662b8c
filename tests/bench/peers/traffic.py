"""Adds 1,000 jobs a second to `timed`; prints how long each waited and how far the mirror was behind.

`python -m tests.bench.peers.traffic <seconds>`
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import django

django.setup()

from queues.models import Queue  # noqa: E402
from queues.protocol.adding import NewJob, add_job  # noqa: E402
from queues.protocol.commands import command  # noqa: E402
from queues.protocol.connections import close_wires, keys, wire  # noqa: E402

PER_S, TICK_S, LOOK_S = 1_000, 0.01, 0.2
K = keys("default", "timed")


async def add(for_s: float) -> dict[str, float]:
    """Job id → when it was added, in ms."""
    added: dict[str, float] = {}
    began = time.monotonic()
    while (passed := time.monotonic() - began) < for_s:
        now_ms = time.time() * 1000
        fresh = [f"{now_ms}-{number}" for number in range(int(passed * PER_S) - len(added))]
        await wire("default").run([add_job(K, NewJob("job", "{}", int(now_ms), id=job_id)) for job_id in fresh])
        added |= dict.fromkeys(fresh, now_ms)
        await asyncio.sleep(TICK_S)
    return added


async def watch(behind: list[float]) -> None:
    """How old the oldest event is that is not in the rows."""
    while True:
        row = await Queue.objects.filter(connection="default", name="timed").afirst()
        if row is not None and row.cursor:
            after = row.cursor.lstrip("~")
            asked = [command("TIME"), command("XRANGE", K("events"), f"({after}", "+", "COUNT", 1)]
            (seconds, micros), found = await wire("default").run(asked)
            now_ms = int(seconds) * 1000 + int(micros) / 1000
            behind.append((now_ms - int(found[0][0].split(b"-")[0])) / 1000 if found else 0.0)
        await asyncio.sleep(LOOK_S)


async def started(job_ids: list[str]) -> list[float]:
    while await wire("default").call(command("ZCARD", K("completed"))) < len(job_ids):  # noqa: ASYNC110 another process
        await asyncio.sleep(0.05)
    told = await wire("default").run([command("HGET", K.job(job_id), "returnvalue") for job_id in job_ids])
    return [float(each) for each in told]


async def main(for_s: float) -> None:
    behind: list[float] = []
    watching = asyncio.create_task(watch(behind))
    added = await add(for_s)
    watching.cancel()
    moments = await started(list(added))
    print(json.dumps([[moment - at for moment, at in zip(moments, added.values(), strict=True)], behind]))
    await close_wires()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
