"""Fails jobs through BullMQ's scripts, of 7 causes × 3 names, and waits until the mirror has them in groups.

`python -m tests.bench.peers.failing <jobs>` prints seconds: of the failing, and from the last failure to all groups.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import django

django.setup()

from django.db.models import Sum  # noqa: E402

from queues.models import FailureGroup, FailureSpot  # noqa: E402
from queues.protocol.commands import command  # noqa: E402
from queues.protocol.connections import close_wires, keys, wire  # noqa: E402
from tests.failing import node_stack, python_stack  # noqa: E402
from tests.mirroring import add, finish, start  # noqa: E402

QUEUE, NAMES, CHUNK = "failing", ("chat", "title", "follow-up"), 100
CAUSES = (
    "no answer within {n} s", "Request {n} failed with status code 429", "Request {n} failed with status code 503",
    "'choices'", "got '{n}a0b1c2d3e4f5'", "connect ECONNREFUSED 10.0.0.{n}:6379", "no file '/var/uploads/{n}/page.pdf'",
)  # fmt: skip


async def ready(jobs: int) -> list[tuple[bytes, str]]:
    """Active jobs, each with the reason it is to fail with; its stack is in its hash by then, as a worker writes it."""
    for number, name in enumerate(NAMES):
        for _ in range(0, (jobs + 2 - number) // 3, CHUNK):
            await add("default", QUEUE, CHUNK, name=name)
    taken: list[tuple[bytes, str]] = []
    while some := await start("default", QUEUE, CHUNK):
        chunk = len(taken) // CHUNK
        reason = CAUSES[chunk % 7].format(n=chunk)
        taken += [(job_id, reason) for job_id in some]
        stack = (python_stack if chunk % 2 else node_stack)("app.WorkError", reason)
        k, stored = keys("default", QUEUE), json.dumps([stack] * 3)
        await wire("default").run([command("HSET", k.base + job_id, "stacktrace", stored) for job_id in some])
    return taken


async def counted() -> int:
    return (await FailureSpot.objects.aaggregate(n=Sum("total")))["n"] or 0


async def main(jobs: int) -> None:
    active = await ready(jobs)
    await asyncio.sleep(3)
    began = time.monotonic()
    for at in range(0, len(active), CHUNK):
        some = active[at : at + CHUNK]
        await finish("default", QUEUE, [job_id for job_id, _reason in some], some[0][1], is_failed=True)
    failed = time.monotonic()
    while await counted() != len(active):  # noqa: ASYNC110 another process
        await asyncio.sleep(0.02)
    grouped = time.monotonic()
    print(json.dumps([len(active), failed - began, grouped - failed, await FailureGroup.objects.acount()]))
    await close_wires()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
