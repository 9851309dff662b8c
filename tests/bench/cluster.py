"""A Redis Cluster under work, its slots moved and its primaries lost: what becomes of each of ten thousand jobs.

bin/bench cluster [--jobs 10000] [--rate 400]

Three primaries with a replica each, two `runworkers`. In turn: a failover by hand, a slot moved key by key, one moved
at once (where the server can), a primary killed. Prints a table and a line of JSON; ends with 1 where a job that was
acknowledged did not end, or ran twice though no lock had expired. What a killed primary had acknowledged and not yet
sent its replica is lost by Redis itself (replication is asynchronous), and counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import django

PREFIX, QUEUE = "{bull}", "work"
LONG_S = 120.0


def main() -> int:
    options = _options()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    from tests.acceptance.workers import Ledger
    from tests.clusters import Cluster

    with tempfile.TemporaryDirectory(prefix="toril-cluster-") as name, ExitStack() as stack:
        folder = Path(name)
        cluster = Cluster(folder / "nodes")
        stack.callback(cluster.close)
        ledger = Ledger(folder / "ledger")
        for number in range(2):
            stack.enter_context(_worker(folder, cluster.url, number))
        found = asyncio.run(_storm(cluster, ledger, options.jobs, options.rate))
    for key, value in found.items():
        print(f"{key:34} {value}")
    print(json.dumps(found, ensure_ascii=False))
    return 1 if found["unaccounted"] or found["ended twice"] else 0


@contextmanager
def _worker(folder: Path, url: str, number: int) -> Iterator[Any]:
    from tests.acceptance.program import kill
    from tests.acceptance.workers import Process

    plain = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "TORIL_"))}
    told = {
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.worker_settings",
        "SECRET_KEY": "bench-only",
        "REDIS_URL": url,
        "QUEUE_PREFIX": PREFIX,
        "LEDGER": str(folder / "ledger"),
        "EXTRA_APPS": "tests.acceptance.workapp",
        "LOG_LEVEL": "WARNING",
        "CONCURRENCY": "20",
    }
    process = Process(plain | told, ["--queues", QUEUE, "--name", f"bench-{number}"], folder / f"log{number}", [])
    try:
        yield process
    finally:
        process.popen.terminate()
        with suppress(Exception):
            process.popen.wait(30)
        kill(process.pid)


async def _storm(cluster: Any, ledger: Any, jobs: int, rate: int) -> dict[str, Any]:
    from django.conf import settings

    from queues.options import reset_options
    from queues.protocol import connections, reads
    from tests.eventually import eventually

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": cluster.url, "PREFIX": PREFIX}}}
    reset_options()
    acknowledged: set[str] = set()
    outages: list[float] = []
    adding = asyncio.create_task(_add(jobs, rate, acknowledged, outages))
    took: dict[str, float] = {}
    pause_s = jobs / rate / (len(FAULTS) + 1)
    try:
        for name, fault in FAULTS.items():
            await asyncio.sleep(pause_s)
            print(f"… {name}", flush=True)
            began, count = time.monotonic(), len(ledger.entries("done"))
            await fault(cluster)
            # Twenty may have been done before it began to be felt.
            await eventually(lambda count=count: len(ledger.entries("done")) > count + 50 or adding.done(), LONG_S)
            took[name] = round(time.monotonic() - began, 2)
        await eventually(adding.done, LONG_S + jobs / rate)
        await eventually(lambda: _is_quiet(), LONG_S, "all that waits has run")
        (facts,) = await reads.queue_facts("default", [QUEUE])
        done = ledger.count("done")
        known = {one async for one in _ids("completed")} | {one async for one in _ids("failed")}
        gone = acknowledged - known
        return {
            "jobs acknowledged": len(acknowledged),
            "completed": facts.counts["completed"],
            "failed": facts.counts["failed"],
            "left waiting or active": facts.counts["waiting"] + facts.counts["active"],
            "unaccounted": len([one for one in gone if not done[one]]),
            "lost by the kill (asynchronous)": len([one for one in gone if done[one]]),
            "ran twice (a lock expired)": sum(1 for times in done.values() if times > 1),
            "ended twice": facts.counts["completed"] + facts.counts["failed"] - len(known),
            "producer waited longest (s)": round(max(outages, default=0.0), 2),
            **{f"working again after {name} (s)": seconds for name, seconds in took.items()},
        }
    finally:
        adding.cancel()
        await asyncio.gather(adding, return_exceptions=True)
        await connections.close_wires()


async def _add(jobs: int, rate: int, acknowledged: set[str], outages: list[float]) -> None:
    from queues import queue
    from queues.errors import TorilError

    began = time.monotonic()
    for number in range(jobs):
        failed = 0.0
        while True:
            try:
                # Under an id of its own, so that asking again adds nothing twice.
                acknowledged.add((await queue(QUEUE).add("sleep", {"s": 0.005}, job_id=f"j{number}")).id)
                break
            except TorilError:
                failed = failed or time.monotonic()
                await asyncio.sleep(0.05)
        if failed:
            outages.append(time.monotonic() - failed)
            began += outages[-1]
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))


async def _is_quiet() -> bool:
    from queues.errors import TorilError
    from queues.protocol import reads

    with suppress(TorilError):
        (facts,) = await reads.queue_facts("default", [QUEUE])
        return not facts.counts["waiting"] and not facts.counts["active"]
    return False


async def _ids(state: str) -> Any:
    from queues.protocol.connections import keys, wire
    from queues.protocol.reads.bulk import state_chunks
    from queues.states import State

    async for some in state_chunks(wire(), keys("default", QUEUE), State(state), 1_000):
        for one in some:
            yield one


# --- what happens to it


async def _failover(cluster: Any) -> None:
    replica = await asyncio.to_thread(lambda: cluster.replica_of(cluster.owner(PREFIX)))
    replica.client.execute_command("CLUSTER FAILOVER")
    await _until(lambda: cluster.owner(PREFIX) is replica)


async def _move(cluster: Any) -> None:
    from queues.protocol.slots import slot

    await asyncio.to_thread(lambda: sum(cluster.move(slot(PREFIX.encode()), _other(cluster))))


async def _move_at_once(cluster: Any) -> None:
    import redis

    from queues.protocol.slots import slot

    number, to, source = slot(PREFIX.encode()), _other(cluster), cluster.owner(PREFIX)
    try:
        asked = ("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", number, number, "NODE", to.id)
        source.client.execute_command(*asked)
    except redis.ResponseError:
        print("  (this server moves slots key by key only)")
        return
    await _until(lambda: cluster.owner(PREFIX) is to)


async def _kill(cluster: Any) -> None:
    owner = cluster.owner(PREFIX)
    replica = cluster.replica_of(owner)
    owner.kill()
    await _until(lambda: replica.client.role()[0] == b"master")
    await asyncio.to_thread(owner.start)


def _other(cluster: Any) -> Any:
    owner = cluster.owner(PREFIX)
    return next(node for node in cluster.nodes if node is not owner and node.client.role()[0] == b"master")


async def _until(condition: Callable[[], bool]) -> None:
    from tests.eventually import eventually

    await eventually(condition, LONG_S)


FAULTS = {
    "a failover": _failover,
    "a slot moved key by key": _move,
    "a slot moved at once": _move_at_once,
    "a primary killed": _kill,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench cluster", description="Move and lose a Cluster's servers.")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=400, help="jobs a second")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
