"""Adds jobs to the queue `empty` at a rate: `python -m tests.bench.peers.pour <jobs a second> <seconds>`.

Prints how many it added and in how many seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import django

django.setup()

from queues.protocol.adding import NewJob, add_job  # noqa: E402
from queues.protocol.connections import close_wires, keys, wire  # noqa: E402

TICK_S = 0.02
DATA = json.dumps({"user": {"id": 42, "plan": "pro"}, "prompt": "x" * 120})


async def main(per_s: int, for_s: float) -> None:
    k, on, added, began = keys("default", "empty"), wire("default", "pour"), 0, time.monotonic()
    options = {"remove_on_complete": {"count": 2_000}, "remove_on_fail": {"count": 500}}
    while (passed := time.monotonic() - began) < for_s:
        now_ms = int(time.time() * 1000)
        due = min(int(passed * per_s) - added, 4 * per_s // 50)
        await on.run([add_job(k, NewJob("job", DATA, now_ms, options)) for _ in range(due)])
        added += due
        await asyncio.sleep(TICK_S)
    print(json.dumps([added, time.monotonic() - began]))
    await close_wires()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
