"""Workers beside Node's and PyPI's on the same Redis: jobs per second, pick-up, lateness, limits, memory.

BENCH_ROUNDS (5) says how often; BENCH_FIGURES=throughput,latency,limits,memory,adding picks some.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.peers import figures
from tests.bench.peers.track import Track
from tests.conftest import RedisServer

FIGURES: dict[str, Callable[[Track], None]] = {
    "throughput": figures.throughput,
    "adding": figures.adding,
    "latency": figures.latency,
    "limits": figures.limits,
    "memory": figures.memory,
}


def main() -> None:
    chosen = os.environ.get("BENCH_FIGURES", ",".join(FIGURES)).split(",")
    rounds = int(os.environ.get("BENCH_ROUNDS", "5"))
    print(f"{'':50}{'Toril':>12}{'peer':>12}{'ratio':>9}   reach   (medians of {rounds})")
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            server = RedisServer(Path(folder))
            try:
                FIGURES[name](Track(server, Path(folder), rounds))
            finally:
                server.stop()


if __name__ == "__main__":
    main()
