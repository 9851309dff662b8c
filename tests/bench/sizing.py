"""What an installation of the research agents takes: memory of each process with 50, 100, 500 and 1,000 jobs at once.

BENCH_JOBS=50,100 picks some. Resident memory in MiB, by /proc; the peak is the worker's own over its whole life.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import redis

from queues.protocol.keys import Keys
from tests import procfs
from tests.conftest import RedisServer
from tests.eventually import eventually_sync
from tests.stand import Stand

JOBS = "50,100,500,1000"
MESSAGE = "Which of these papers measured it, and how? " * 50
ADD = """
from queues import queue
said = {message!r}
queue("chat").sync.add_bulk(
    {{"name": "chat", "data": {{"conversationId": f"c{{n}}", "messageId": f"m{{n}}", "message": said}}}}
    for n in range({count})
)
"""
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.bench.peers.sizing_settings", "TORIL_DEMO": "1"}


def main() -> None:
    columns = ("jobs at once", "worker idle", "worker", "its peak", "web", "mirror", "Redis", "together")
    print("".join(f"{column:>14}" for column in columns))
    for count in map(int, os.environ.get("BENCH_JOBS", JOBS).split(",")):
        with tempfile.TemporaryDirectory() as folder:
            server = RedisServer(Path(folder))
            try:
                figures = measured(Path(folder) / "stand", server, count)
            finally:
                server.stop()
        print("".join(f"{figure:>14,}" for figure in (count, *figures)), flush=True)


def measured(folder: Path, server: RedisServer, count: int) -> list[int]:
    """Idle, then while all of them run, then at the worst, of processes that did nothing before."""
    stand = Stand(folder, server.url, "bull", CHAT_QUEUE_CONCURRENCY=str(count), **SETTINGS)
    try:
        stand.web()
        worker, mirror = stand.workers("--queues", "chat"), stand.mirror()
        eventually_sync(lambda: "is ready on" in stand.log("workers"), 120)
        idle = resident(worker.pid)
        stand.manage("shell", "--verbosity", "0", "--command", ADD.format(message=MESSAGE, count=count))
        keys = Keys("bull", "chat")
        with redis.Redis(port=server.port) as client:
            eventually_sync(lambda: client.llen(keys("active")) == count, 120, "all run at once")
            assert server.process is not None
            pids = (worker.pid, stand.processes["web"].pid, mirror.pid, server.process.pid)
            running, web, mirrored, kept = (resident(pid) for pid in pids)
            eventually_sync(lambda: client.llen(keys("active")) == 0, 600, "all have ended")
        peak = resident(worker.pid, "VmHWM")
        return [idle, running, peak, web, mirrored, kept, peak + web + mirrored + kept]
    finally:
        stand.close()


def resident(pid: int, kind: str = "VmRSS") -> int:
    """MiB."""
    return round(procfs.resident(pid, kind) / 2**20)


if __name__ == "__main__":
    main()
