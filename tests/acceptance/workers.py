"""`manage.py runworkers` as a process for tests: what it says, what its processors wrote, and what is left of it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from queues import queue
from tests.eventually import eventually_sync

ROOT = Path(__file__).resolve().parents[2]


class Logged:
    """A process; what it says goes to a file."""

    def __init__(self, environ: dict[str, str], command: list[str], log: Path) -> None:
        self.log = log
        with log.open("w") as lines:
            self.popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def said(self) -> str:
        return self.log.read_text()


class Process(Logged):
    """One `runworkers`."""

    def __init__(self, environ: dict[str, str], arguments: list[str], log: Path, before: list[str]) -> None:
        self.health_port = next((text.rpartition(":")[2] for flag, text in pairwise(arguments) if "-port" in flag), "")
        super().__init__(environ, [*before, sys.executable, "manage.py", "runworkers", *arguments], log)

    def ready(self, count: int = 1) -> Process:
        self.has_said("is ready", count, 40)
        return self

    def has_said(self, what: str, count: int = 1, timeout_s: float = 15.0) -> None:
        """Wait until it has said that so often; fails at once where it has ended without."""
        found = re.compile(what)
        with contextlib.suppress(AssertionError):
            eventually_sync(lambda: len(found.findall(self.said())) >= count or not self.is_alive, timeout_s)
        assert len(found.findall(self.said())) >= count, f"not {count} times “{what}”:\n{self.said()}"

    @property
    def children(self) -> list[int]:
        """The worker processes under a supervisor."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in listed]

    def health(self, path: str) -> tuple[int, dict[str, Any]]:
        """What a probe is told: its status and the JSON. Status 0 where nobody answers."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.health_port}{path}", timeout=2)
        except httpx.TransportError:
            return 0, {}
        return answer.status_code, answer.json()

    def exit_code(self, timeout_s: float) -> int:
        """The seconds are calm ones. What it said is shown where the test fails."""
        with contextlib.suppress(AssertionError):
            eventually_sync(lambda: not self.is_alive, timeout_s)
        sys.stdout.write(self.said())
        return self.popen.wait(0)


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
