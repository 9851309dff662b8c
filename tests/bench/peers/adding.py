"""Adds jobs with our producer, as `bulk` or one by one, and prints how many seconds that took without connecting."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import django

django.setup()

from queues import queue  # noqa: E402
from queues.protocol.commands import command  # noqa: E402
from queues.protocol.connections import wire  # noqa: E402


async def main(mode: str, count: int) -> None:
    handle = queue(os.environ["QUEUE"])
    jobs = [{"name": "job", "data": {"n": number}} for number in range(count)]
    await wire().call(command("PING"))
    began = time.perf_counter()
    if mode == "bulk":
        await handle.add_bulk(jobs)
    else:
        for job in jobs:
            await handle.add(job["name"], job["data"])
    print(time.perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
