"""Overview and job lists: latency, bytes and Redis commands per request, beside Bull Board on the same Redis."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import redis

from tests.conftest import RedisServer
from tests.interop.board import BullBoard
from tests.planting import plant_failed
from tests.stand import Stand

REQUESTS = 40
#: queues × failed jobs in each.
SCENARIOS = ((10, 1_000), (200, 200))


class Measured:
    """Medians over sequential requests after two that warm up."""

    def __init__(self, client: redis.Redis, ask: Callable[[], httpx.Response]) -> None:
        ask(), ask()
        before = client.info("stats")["total_commands_processed"]
        times, sizes = [], []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            sizes.append(len(ask().raise_for_status().content))
            times.append((time.perf_counter() - began) * 1000)
        commands = client.info("stats")["total_commands_processed"] - before - 1
        self.median_ms = statistics.median(times)
        self.p95_ms = statistics.quantiles(times, n=20)[-1]
        self.kilobytes = statistics.median(sizes) / 1000
        self.commands = commands / REQUESTS

    def __str__(self) -> str:
        return f"{self.median_ms:7.1f} {self.p95_ms:7.1f} {self.kilobytes:8.1f} {self.commands:9.1f}"


def main() -> None:
    print(f"{'':44} median     p95  kB sent  Redis commands   (ms; {REQUESTS} requests one after the other)")
    for queues, jobs in SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            server = RedisServer(Path(folder))
            try:
                _compare(server, Path(folder), queues, jobs)
            finally:
                server.stop()


def _compare(server: RedisServer, folder: Path, queues: int, jobs: int) -> None:
    names = [f"queue-{n:03}" for n in range(queues)]
    with redis.Redis(port=server.port) as client:
        for name in names:
            plant_failed(client, "bull", name, jobs, stacktrace='["Error: no answer\\n' + "  at line\\n" * 10 + '"]')
        stand, board = Stand(folder, server.url, "bull"), BullBoard(server.port, "bull", names)
        try:
            stand.web()
            ours = stand.signed_in()
            theirs = httpx.Client(base_url=board.address, timeout=30)
            title = f"{queues} queues × {jobs} failed jobs"
            _pair(client, f"{title}, overview", ours, "/admin/queues/", theirs, "/api/queues")
            listing = "/api/queues?activeQueue=queue-001&status=failed&jobsPerPage=25&page="
            path = "/admin/queues/queue/queue-001?status=failed&page="
            _pair(client, f"{title}, list of 25", ours, path + "1", theirs, listing + "1")
            last = str(jobs // 25)
            _pair(client, f"{title}, its last page", ours, path + last, theirs, listing + last)
        except (AssertionError, httpx.HTTPError):
            print(stand.log("web")[-2000:])
            raise
        finally:
            board.close()
            stand.close()


def _pair(
    client: redis.Redis, title: str, ours: httpx.Client, our_path: str, theirs: httpx.Client, their_path: str
) -> None:
    toril = Measured(client, lambda: ours.get(our_path))
    board = Measured(client, lambda: theirs.get(their_path))
    print(f"{title:36} Toril  {toril}\n{'':36} Board  {board}")
    print(f"{'':36} ratio  {board.median_ms / toril.median_ms:7.2f} × as fast as Bull Board's API\n")


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        raise SystemExit(str(error)) from None
