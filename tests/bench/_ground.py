"""What scale is measured on: a Redis, a stand of real processes, pages asked for like a browser does, and samplers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import redis

from tests import procfs
from tests.bench.peers.track import ROOT
from tests.conftest import RedisServer
from tests.procfs import cpu_s
from tests.stand import Stand

PREFIX = "bull"
MB = 2**20


class Ground:
    """`stand` runs what a figure starts; `client` speaks to its Redis."""

    def __init__(self, folder: Path, server: RedisServer, **environ: str) -> None:
        self.folder, self.server = folder, server
        self.client = redis.Redis(port=server.port)
        self.client.hset(f"{PREFIX}:empty:meta", "version", "bullmq:6.7.0")
        settings = "tests.bench.peers.scale_settings"
        told = {"TORIL_DEMO": "0", "LOG_LEVEL": "WARNING", "DJANGO_SETTINGS_MODULE": settings, **environ}
        self.stand = Stand(folder, server.url, PREFIX, **told)

    def pouring(self, per_s: int, for_s: float) -> subprocess.Popen[str]:
        """Jobs for the queue `empty`, added by a process of its own."""
        command = [sys.executable, "-m", "tests.bench.peers.pour", str(per_s), str(for_s)]
        return subprocess.Popen(command, cwd=ROOT, env=self.stand.environ, stdout=subprocess.PIPE, text=True)

    def ended(self) -> int:
        """How many jobs of `empty` ended so far: all that were ever added, less what waits and runs."""
        base = f"{PREFIX}:empty:"
        last, waiting, active = self.client.get(f"{base}id"), *(self.client.llen(base + s) for s in ("wait", "active"))
        return int(last or 0) - waiting - active


@contextmanager
def ground(**environ: str) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="toril-bench-") as name:
        server = RedisServer(Path(name))
        made = None
        try:
            made = Ground(Path(name), server, **environ)
            yield made
        finally:
            if made is not None:
                made.stand.close()
                made.client.close()
            server.stop()


def times(client: httpx.Client, paths: Mapping[str, str], rounds: int) -> dict[str, list[float]]:
    """By name, how long each answer took, in ms; the first of each is not counted. Raises for what is no page."""
    took: dict[str, list[float]] = {name: [] for name in paths}
    for number in range(rounds + 1):
        for name, path in paths.items():
            began = time.perf_counter()
            answer = client.get(path)
            if answer.status_code != 200:
                raise AssertionError(f"{path} answered {answer.status_code}: {answer.text[:500]}")
            if number:
                took[name].append((time.perf_counter() - began) * 1000)
    return took


def say_times(title: str, took: Mapping[str, Sequence[float]], reach_ms: float) -> None:
    for name, each in took.items():
        p95 = statistics.quantiles(each, n=20)[-1] if len(each) > 1 else each[0]
        verdict = "" if p95 <= reach_ms else "   over"
        print(
            f"{title}, {name:42}{statistics.median(each):9.0f}{p95:9.0f} ms   (p95 ≤ {reach_ms:.0f}){verdict}",
            flush=True,
        )


def resident(process: subprocess.Popen[bytes]) -> float:
    """In MB."""
    return procfs.resident(process.pid) / MB


class Samples:
    """What functions tell every so often, from a thread, while something else runs."""

    def __init__(self, told: Mapping[str, Callable[[], float]], every_s: float) -> None:
        self._told, self._every_s, self._over = told, every_s, threading.Event()
        self.at: list[float] = []
        self.found: dict[str, list[float]] = {name: [] for name in told}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Samples:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._over.wait(self._every_s):
            values = {name: tell() for name, tell in self._told.items()}
            self.at.append(time.monotonic() - began)
            for name, value in values.items():
                self.found[name].append(value)

    def slope(self, name: str, skip: float = 0.5) -> float:
        """Per hour, by least squares, of what came after the first `skip` of the time."""
        later = [(at, value) for at, value in zip(self.at, self.found[name], strict=True) if at > skip * self.at[-1]]
        slope, _ = statistics.linear_regression([at for at, _ in later], [value for _, value in later])
        return slope * 3600


@contextmanager
def visitor(stand: Stand) -> Iterator[httpx.Client]:
    with closing(stand.signed_in()) as client:
        client.timeout = httpx.Timeout(120)
        yield client


def cores(processes: Mapping[str, subprocess.Popen[bytes]], run: Callable[[], object]) -> dict[str, float]:
    """Which share of a core each process took while something ran."""
    before, began = {name: cpu_s(each.pid) for name, each in processes.items()}, time.monotonic()
    run()
    passed = time.monotonic() - began
    return {name: (cpu_s(each.pid) - before[name]) / passed for name, each in processes.items()}
