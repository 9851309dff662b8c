"""`manage.py runworkers` as a process for tests: what it says, what its processors wrote, and what is left of it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from queues import queue
from tests.eventually import eventually_sync

ROOT = Path(__file__).resolve().parents[2]
BUSY_S = 6


class Process:
    """One `runworkers`; what it says goes to a file."""

    def __init__(self, environ: dict[str, str], arguments: list[str], log: Path, before: list[str]) -> None:
        self.log = log
        with log.open("w") as lines:
            self.popen = subprocess.Popen(
                [*before, sys.executable, "manage.py", "runworkers", *arguments],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def said(self) -> str:
        return self.log.read_text()

    def ready(self) -> Process:
        eventually_sync(lambda: "is ready" in self.said() or self.popen.poll() is not None, 40, "the worker is ready")
        assert self.popen.poll() is None, self.said()
        return self

    def exit_code(self, timeout_s: float) -> int:
        """The seconds are for an idle machine; a busy one gets more."""
        return self.popen.wait(timeout_s + BUSY_S)


def processes_of(ledger: Path) -> list[int]:
    """Every process that was given this ledger: workers, supervisors, and what they started."""
    mark, found = f"LEDGER={ledger}\0".encode(), []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes() and "State:\tZ" not in (entry / "status").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class Ledger:
    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self, what: str) -> list[tuple[str, float]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [(job_id, float(at)) for job_id, _, did, at in (line.split() for line in lines) if did == what]

    def pids(self, what: str) -> list[int]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [int(pid) for _, pid, did, _ in (line.split() for line in lines) if did == what]

    def count(self, what: str) -> Counter[str]:
        return Counter(job_id for job_id, _ in self.entries(what))


def add(name: str, seconds: float = 0, count: int = 1, **data: object) -> list[str]:
    return [queue("work").sync.add(name, {"s": seconds, **data}).id for _ in range(count)]
