"""Many jobs retried and cleaned beside the real Bull Board: how fast, and what other clients wait meanwhile.

BENCH_JOBS says how many; BENCH_FIGURES=retry,clean picks one. Bull Board retries and cleans a tenth of it where more
would exceed its request (it has 60 s). A stall is the longest single command of Redis's SLOWLOG.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import redis

from tests.bench.dashboard import say
from tests.conftest import RedisServer
from tests.interop.board import BullBoard
from tests.planting import plant_failed
from tests.stand import ROOT, Stand

PREFIX, QUEUE = "bull", "chat"
JOBS = int(os.environ.get("BENCH_JOBS", "200000"))
THEIRS = max(1_000, JOBS // 10)
AT_ONCE = 20_000
BEGIN = """
import asyncio
from queues.actions.actor import Actor
from queues.operations import Target, begin
from queues.states import State
target = Target.of_state("default", ["{queue}"], [State.FAILED])
print(asyncio.run(begin(Actor(None, "bench"), target, "{action}", "a benchmark", expected={count})).pk)
"""


@dataclass(frozen=True)
class Felt:
    """Of one run: jobs, seconds, the longest single command, and what the probe waited (ms)."""

    jobs: int
    took_s: float
    stall_ms: float
    slowest: str
    probe: dict[str, Any]

    @property
    def per_s(self) -> float:
        return self.jobs / self.took_s


@contextmanager
def server_with(count: int) -> Iterator[tuple[RedisServer, redis.Redis, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        client = redis.Redis(port=server.port)
        try:
            for _ in range(count // AT_ONCE or 1):
                _plant(client, min(count, AT_ONCE))
            yield server, client, Path(folder)
        finally:
            client.close()
            server.stop()


def _plant(client: redis.Redis, count: int) -> None:
    """plant_failed numbers from 1: what is there already is renamed out of its way."""
    there = client.zcard(f"{PREFIX}:{QUEUE}:failed")
    if not there:
        plant_failed(client, PREFIX, QUEUE, count)
        return
    fields: Any = client.hgetall(f"{PREFIX}:{QUEUE}:1")
    with client.pipeline(transaction=False) as pipe:
        for n in range(there + 1, there + count + 1):
            pipe.hset(f"{PREFIX}:{QUEUE}:{n}", mapping=fields)
            pipe.zadd(f"{PREFIX}:{QUEUE}:failed", {str(n): int(fields[b"finishedOn"]) + n})
        pipe.execute()


@contextmanager
def felt(client: redis.Redis, port: int) -> Iterator[Callable[[int, float], Felt]]:
    client.config_set("slowlog-log-slower-than", 1_000)
    client.slowlog_reset()
    probe = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.peers.probe", str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert probe.stdout is not None
    probe.stdout.readline()

    def told(jobs: int, took_s: float) -> Felt:
        probe.send_signal(signal.SIGTERM)
        assert probe.stdout is not None
        figures = json.loads(probe.stdout.readline())
        slow = max(
            client.slowlog_get(128), key=lambda entry: entry["duration"], default={"duration": 0, "command": b""}
        )
        return Felt(jobs, took_s, slow["duration"] / 1000, slow["command"][:40].decode("ascii", "replace"), figures)

    try:
        yield told
    finally:
        probe.kill()
        probe.wait()


def ours(action: str, count: int) -> Felt:
    """From the first job that moves to the last, seen in Redis; what is frozen before is told apart."""
    with server_with(count) as (server, client, folder):
        stand = Stand(folder, server.url, PREFIX)
        try:
            stand.mirror()
            _until(lambda: _rows(stand) >= count, 600)
            begun = time.monotonic()
            with felt(client, server.port) as told:
                stand.manage("shell", "--verbosity", "0", "-c", BEGIN.format(queue=QUEUE, action=action, count=count))
                failed = f"{PREFIX}:{QUEUE}:failed"
                _until(lambda: client.zcard(failed) < count, 120)
                first = time.monotonic()
                _until(lambda: not client.zcard(failed), 600)
                last = time.monotonic()
                say(f"  {action}: frozen and begun after", first - begun, None, "s")
                return told(count, last - first)
        finally:
            stand.close()


def theirs(action: str, count: int) -> Felt:
    with server_with(count) as (server, client, _folder):
        board = BullBoard(server.port, PREFIX, [QUEUE])
        try:
            with felt(client, server.port) as told:
                began = time.monotonic()
                httpx.put(f"{board.address}/api/queues/{QUEUE}/{action}/failed", timeout=300).raise_for_status()
                return told(count, time.monotonic() - began)
        finally:
            board.close()


def _until(condition: Callable[[], Any], timeout_s: float) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("it took too long")
        time.sleep(0.02)


def _rows(stand: Stand) -> int:
    time.sleep(1.0)
    said = stand.manage("shell", "--verbosity", "0", "-c", "from queues.models import Job; print(Job.objects.count())")
    return int(said.strip().splitlines()[-1])


def compare(action: str, their_action: str) -> None:
    mine, other = ours(action, JOBS), theirs(their_action, THEIRS)
    print(f"{action}: {JOBS:,} jobs here, {THEIRS:,} there, in one request")
    print(f"{'  jobs per second':58}{mine.per_s:12,.0f}{other.per_s:12,.0f}{mine.per_s / other.per_s:10.1f}  ≥ 5,000")
    say("  longest single command", mine.stall_ms, other.stall_ms, "ms", "≤ 15")
    print(f"    it was {mine.slowest!r} here, {other.slowest!r} there")
    say("  another client's GET: p99", mine.probe["p99"], other.probe["p99"], "ms", "≤ 5")
    say("  another client's GET: longest", mine.probe["max"], other.probe["max"], "ms")


def main() -> None:
    chosen = os.environ.get("BENCH_FIGURES", "retry,clean").split(",")
    print(f"{'':58}{'Toril':>12}{'Bull Board':>12}{'ratio':>10}")
    for name in chosen:
        compare(name, name)


if __name__ == "__main__":
    main()
