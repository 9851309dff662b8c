"""The mirror: jobs taken in per second, how far behind it is under traffic, and what it costs the workers beside it.

BENCH_FIGURES=sets,events,lag,pickup,saturated and BENCH_DATABASES=sqlite,postgresql pick some; BENCH_JOBS (20,000)
are taken in; BENCH_ROUNDS (10) pairs, with the mirror and without it, take turns. No peer: no dashboard for BullMQ
mirrors.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from queues.protocol.keys import Keys
from tests.bench.peers.track import ROOT, Track, toril
from tests.conftest import RedisServer
from tests.postgresql import PostgresServer
from tests.procfs import cpu_s

JOBS = int(os.environ.get("BENCH_JOBS", "20000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "10"))
LAG_S, PICKUP_S, MANY = 20.0, 3.0, 30_000
MIRROR = (sys.executable, "manage.py", "runmirror")


@dataclass
class Ground:
    """A Redis, a database, and their track."""

    database: str
    track: Track
    folder: Path

    def environment(self, prefix: str) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.bench.peers.settings",
            "DATABASE_URL": self.database,
            "REDIS_URL": self.track.server.url,
            "QUEUE_PREFIX": prefix,
            "VAR_DIR": str(self.folder),
            "SECRET_KEY": "bench",
        }

    def migrate(self) -> None:
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0", "--skip-checks"]
        subprocess.run(command, cwd=ROOT, env=self.environment("bench"), check=True)

    @contextlib.contextmanager
    def mirror(self, prefix: str) -> Iterator[subprocess.Popen[bytes]]:
        """Leading, and through with what it found at its start."""
        log = self.folder / "mirror.log"
        said = log.read_text().count("this mirror leads") if log.exists() else 0
        with log.open("ab") as out:
            process = subprocess.Popen(MIRROR, cwd=ROOT, env=self.environment(prefix), stdout=out, stderr=out)
        try:
            while log.read_text().count("this mirror leads") == said:
                assert process.poll() is None, log.read_text()[-2_000:]
                time.sleep(0.05)
            time.sleep(1.0)
            yield process
        finally:
            process.terminate()
            process.wait(30)


def sets(ground: Ground) -> None:
    _intake(ground, "sets")


def events(ground: Ground) -> None:
    _intake(ground, "events")


def _intake(ground: Ground, source: str) -> None:
    command = [sys.executable, "-m", "tests.bench.peers.intake", source, str(JOBS)]
    done = subprocess.run(command, cwd=ROOT, env=ground.environment("bench"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    each_s, each_cpu_s = json.loads(done.stdout.splitlines()[-1])
    say(f"taken in from {source}, jobs/s", f"{each_s:,.0f} ({each_cpu_s:,.0f} per CPU-second)", "≥ 5,000")


def lag(ground: Ground) -> None:
    keys = ground.track.fresh("timed")
    with ground.mirror(keys.prefix) as mirror, ground.track.running(toril("timed", 50), keys):
        before_s = cpu_s(mirror.pid)
        _, behind = _traffic(ground, keys.prefix, LAG_S)
        used = (cpu_s(mirror.pid) - before_s) / LAG_S
    p50, p95 = statistics.median(behind), statistics.quantiles(behind, n=20)[-1]
    figures = f"p50 {p50:.2f}, p95 {p95:.2f}, most {max(behind):.2f}; {used:.0%} of a core"
    say("behind at 1,000 jobs/s with workers beside, s", figures, "p95 ≤ 2")


def pickup(ground: Ground) -> None:
    def run(has_mirror: bool) -> float:
        keys = ground.track.fresh("timed")
        beside = ground.mirror(keys.prefix) if has_mirror else contextlib.nullcontext()
        with beside, ground.track.running(toril("timed", 50), keys):
            return statistics.median(_traffic(ground, keys.prefix, PICKUP_S)[0])

    say_pairs("pick-up at 1,000 jobs/s, median, ms", run, "≤ 1.10")


def saturated(ground: Ground) -> None:
    ground.track.fresh = lambda queue: Keys("racing", queue)  # type: ignore[method-assign]

    def run(has_mirror: bool) -> float:
        ground.track.client.flushall()
        with ground.mirror("racing") if has_mirror else contextlib.nullcontext():
            return ground.track.rate(toril("empty", 50), "empty", MANY)

    say_pairs("saturated workers, jobs/s", run, "≥ 0.85")


def _traffic(ground: Ground, prefix: str, for_s: float) -> tuple[list[float], list[float]]:
    """How long each job waited, in ms; how far behind the mirror was at each look, in s."""
    command = [sys.executable, "-m", "tests.bench.peers.traffic", str(for_s)]
    done = subprocess.run(command, cwd=ROOT, env=ground.environment(prefix), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    waited, behind = json.loads(done.stdout.splitlines()[-1])
    return waited, behind


def say_pairs(figure: str, run: Callable[[bool], float], reach: str) -> None:
    """Pairs that take turns, and which of the two comes first; the interval holds the median in 19 of 20 cases."""
    pairs = []
    for number in range(ROUNDS):
        found = {has_mirror: run(has_mirror) for has_mirror in ((False, True) if number % 2 else (True, False))}
        pairs.append((found[True], found[False]))
    ratios = sorted(with_it / without for with_it, without in pairs)
    outside = max(0, round((ROUNDS - 1.96 * ROUNDS**0.5) / 2) - 1)
    low, high = ratios[outside], ratios[-1 - outside]
    both = [statistics.median(column) for column in zip(*pairs, strict=True)]
    said = f"{both[0]:,.1f} with, {both[1]:,.1f} without: {statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})"
    say(figure, said, f"median ratio {reach}")


def say(figure: str, found: str, reach: str) -> None:
    print(f"  {figure:48} {found:60} {reach}", flush=True)


FIGURES: dict[str, Callable[[Ground], None]] = {
    "sets": sets,
    "events": events,
    "lag": lag,
    "pickup": pickup,
    "saturated": saturated,
}


def main() -> None:
    chosen = os.environ.get("BENCH_FIGURES", ",".join(FIGURES)).split(",")
    for name in os.environ.get("BENCH_DATABASES", "sqlite,postgresql").split(","):
        print(f"{name}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        for figure in chosen:
            with tempfile.TemporaryDirectory(prefix="toril-bench-") as folder, _database(name, folder) as url:
                server = RedisServer(Path(folder))
                try:
                    ground = Ground(url, Track(server, Path(folder), ROUNDS), Path(folder))
                    ground.migrate()
                    FIGURES[figure](ground)
                finally:
                    server.stop()


@contextlib.contextmanager
def _database(name: str, folder: str) -> Iterator[str]:
    if name == "sqlite":
        yield f"sqlite:///{folder}/db.sqlite3"
        return
    server = PostgresServer()
    try:
        yield server.url
    finally:
        server.close()


if __name__ == "__main__":
    main()
