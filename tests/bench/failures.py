"""Failures: how long after 10,000 jobs have failed they are all in their groups, with the mirror as its own process.

BENCH_DATABASES=sqlite,postgresql picks; BENCH_JOBS (10,000) fail. No peer: no dashboard for BullMQ groups failures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.mirror import Ground, _database, say
from tests.bench.peers.track import ROOT, Track
from tests.conftest import RedisServer

JOBS = int(os.environ.get("BENCH_JOBS", "10000"))


def main() -> None:
    for name in os.environ.get("BENCH_DATABASES", "sqlite,postgresql").split(","):
        print(f"{name}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        with tempfile.TemporaryDirectory(prefix="toril-bench-") as folder, _database(name, folder) as url:
            server = RedisServer(Path(folder))
            try:
                ground = Ground(url, Track(server, Path(folder), 1), Path(folder))
                ground.migrate()
                fail(ground)
            finally:
                server.stop()


def fail(ground: Ground) -> None:
    command = [sys.executable, "-m", "tests.bench.peers.failing", str(JOBS)]
    with ground.mirror("failing"):
        done = subprocess.run(command, cwd=ROOT, env=ground.environment("failing"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    jobs, failing_s, grouped_s, groups = json.loads(done.stdout.splitlines()[-1])
    figures = f"{grouped_s:.2f} after the last; they failed in {failing_s:.2f}"
    say(f"{jobs:,} failures in {groups} groups, s", figures, "21 groups, ≤ 2 after")


if __name__ == "__main__":
    main()
