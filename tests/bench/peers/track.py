"""Where workers are raced: a fresh prefix per run, the racers as processes, and what Redis says of their jobs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from queues.protocol.keys import Keys
from tests.conftest import RedisServer
from tests.procfs import cpu_s
from tests.services import INTEROP, require_node

ROOT = Path(__file__).parents[3]
PYPI = (sys.executable, "-m", "tests.bench.peers.pypi_worker")
LONGEST_S = 180.0


def toril(queue: str, concurrency: int) -> tuple[str, ...]:
    return (sys.executable, "manage.py", "runworkers", "--queues", queue, "--concurrency", str(concurrency))


def node() -> tuple[str, ...]:
    return (require_node(), str(INTEROP / "race.mjs"))


class Track:
    def __init__(self, server: RedisServer, folder: Path, rounds: int) -> None:
        self.server, self.folder, self.rounds = server, folder, rounds
        self.client = redis.Redis(port=server.port)
        self._racers: list[subprocess.Popen[bytes]] = []
        self._cpu_us: defaultdict[tuple[object, ...], list[float]] = defaultdict(list)

    def median(self, run: Callable[[], float]) -> float:
        return statistics.median(run() for _ in range(self.rounds))

    def medians(self, runs: Sequence[Callable[[], float]]) -> list[float]:
        """Of each; they take turns, so that what else the machine does hits all alike."""
        rounds = [[run() for run in runs] for _ in range(self.rounds)]
        return [statistics.median(column) for column in zip(*rounds, strict=True)]

    def fresh(self, queue: str) -> Keys:
        self.client.flushall()
        return Keys(uuid.uuid4().hex[:8], queue)

    def environment(self, keys: Keys, concurrency: int = 1, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.bench.peers.settings",
            "REDIS_URL": self.server.url,
            "REDIS_PORT": str(self.server.port),
            "QUEUE_PREFIX": keys.prefix,
            "PREFIX": keys.prefix,
            "QUEUE": keys.queue,
            "CONCURRENCY": str(concurrency),
            "TORIL_DEMO": "0",
            "LOG_LEVEL": "WARNING",
            **more,
        }

    def fill(self, keys: Keys, count: int, **options: Any) -> float:
        """Node's addBulk; returns how many ms it took, connecting not counted."""
        given = json.dumps({"count": count, **options})
        command = [require_node(), str(INTEROP / "fill.mjs")]
        done = subprocess.run(
            command, env=self.environment(keys), input=given, capture_output=True, text=True, check=True
        )
        return float(json.loads(done.stdout)["ms"])

    @contextmanager
    def running(
        self, command: Sequence[str], keys: Keys, concurrency: int = 50, processes: int = 1, **more: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        environment = self.environment(keys, concurrency, **more)
        with (self.folder / "racer.log").open("ab") as log:
            racers = [
                subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) for _ in range(processes)
            ]
        self._racers = racers
        try:
            yield racers[0]
        finally:
            for racer in racers:
                racer.kill()
            for racer in racers:
                racer.wait()

    def rate(
        self, command: Sequence[str], queue: str, count: int, concurrency: int = 50, processes: int = 1, **more: str
    ) -> float:
        """Jobs per second, over the last three quarters: what starts and warms up is not raced."""
        keys = self.fresh(queue)
        self.fill(keys, count)
        with self.running(command, keys, concurrency, processes, **more) as racer:
            self.completed(keys, count // 4)
            had, before_s = self.client.zcard(keys("completed")), cpu_s(racer.pid)
            self.completed(keys, count)
            took_us = (cpu_s(racer.pid) - before_s) / (count - had) * 1e6
        self._cpu_us[command, concurrency, processes, *more.values()].append(took_us)
        ends = [end for _, end in self.client.zrange(keys("completed"), 0, -1, withscores=True)]
        first, last = ends[count // 4], ends[-1]
        return (count - count // 4) / max(last - first, 1) * 1000

    def cpu_us(self, command: Sequence[str], concurrency: int = 50) -> float:
        """What a job cost its worker process in the raced three quarters, by the median."""
        return statistics.median(self._cpu_us[command, concurrency, 1])

    def completed(self, keys: Keys, count: int) -> list[bytes]:
        """Wait until so many are, and give their ids."""
        deadline = time.monotonic() + LONGEST_S
        while self.client.zcard(keys("completed")) < count:
            if time.monotonic() > deadline or any(racer.poll() is not None for racer in self._racers):
                tail = (self.folder / "racer.log").read_text()[-2000:]
                raise AssertionError(f"{self.client.zcard(keys('completed'))} of {count} jobs completed:\n{tail}")
            time.sleep(0.02)
        found: list[bytes] = self.client.zrange(keys("completed"), 0, -1)
        return found

    def fields(self, keys: Keys, ids: Sequence[bytes], *names: str) -> list[list[float]]:
        """These number fields of each job."""
        with self.client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hmget(keys.base + job_id, names)
            return [[float(value) for value in found] for found in pipe.execute()]


def say(figure: str, ours: float, peer: float | None, reach: str) -> None:
    """A line of the table: the two, and ours to the peer's."""
    other = " " * 21 if peer is None else f"{peer:>12,.1f}{ours / peer:>8.2f}×"
    print(f"{figure:50}{ours:>12,.1f}{other}   {reach}", flush=True)
