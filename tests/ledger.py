"""The auditor: holds what processors wrote into a ledger outside Redis against what Redis says became of the jobs.

The invariants are those of a reliable queue: I1 nothing unaccounted for, I2 and I3 no completion without a run that
finished, I4 every repetition explained, I5 no two runs at once by workers that both hold the job, I6 quick recovery.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any

STATES = ("wait", "active", "prioritized", "delayed", "completed", "failed", "waiting-children")
LISTS = ("wait", "active")
#: A run may be done this long before its outcome reaches Redis: a kill between the two makes the job run again.
COMMIT_S = 1.0
_numbers = count()
_ledgers: dict[str, int] = {}


class Entry:
    """What a processor writes: a line per happening, each appended in one write, so whole even in a killed process."""

    def __init__(self, job_id: str) -> None:
        self.job_id, self.run = job_id, f"{os.getpid()}.{next(_numbers)}"

    def __call__(self, what: str) -> str:
        """`start` when it begins; `done`, `cut` (cancelled) or `raised` when it ends. Returns the run's own name."""
        path = os.environ["LEDGER"]
        if path not in _ledgers:
            _ledgers[path] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(_ledgers[path], f"{self.job_id} {os.getpid()} {self.run} {what} {time.monotonic():.4f}\n".encode())
        return self.run


@dataclass
class Run:
    """One execution. `end` is None where nothing was written about it; times are the machine's monotonic clock."""

    job_id: str
    pid: int
    name: str
    start: float
    end: float | None = None
    ended: str = ""


class Ledger:
    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[list[str]]:
        """What is written so far. A line over the end of a page of the file is seen in halves; its end comes later."""
        written = self.path.read_text() if self.path.exists() else ""
        return [line.split(" ") for line in written[: written.rfind("\n") + 1].splitlines()]

    def clear(self) -> None:
        """Emptied, not removed: processes have it open."""
        if self.path.exists():
            os.truncate(self.path, 0)

    def size(self) -> int:
        """Grows with every happening, and costs nothing to ask."""
        return self.path.stat().st_size if self.path.exists() else 0

    def count(self, what: str) -> Counter[str]:
        """How often that happened to each job."""
        return Counter(job_id for job_id, _, _, did, _ in self.lines() if did == what)

    def runs(self) -> dict[str, list[Run]]:
        """Every job's runs, the earliest first."""
        found: dict[str, Run] = {}
        for job_id, pid, name, what, at in self.lines():
            if what == "start":
                found[name] = Run(job_id, int(pid), name, float(at))
            elif name in found:
                found[name].end, found[name].ended = float(at), what
        jobs: dict[str, list[Run]] = defaultdict(list)
        for run in sorted(found.values(), key=lambda run: run.start):
            jobs[run.job_id].append(run)
        return jobs


@dataclass(frozen=True)
class Truth:
    """What Redis holds of a queue: each job's states, and its hash where it was asked for."""

    states: Mapping[str, list[str]]
    results: Mapping[str, str]

    @classmethod
    def read(cls, client: Any, base: bytes) -> Truth:
        states: dict[str, list[str]] = defaultdict(list)
        for state in STATES:
            key = base + state.encode()
            ids = client.lrange(key, 0, -1) if state in LISTS else client.zrange(key, 0, -1)
            for job_id in ids:
                states[job_id.decode()].append(state)
        completed = [job_id for job_id, found in states.items() if "completed" in found]
        pipe = client.pipeline(transaction=False)
        for job_id in completed:
            pipe.hget(base + job_id.encode(), "returnvalue")
        return cls(states, dict(zip(completed, [(value or b"").decode() for value in pipe.execute()], strict=True)))


@dataclass
class Findings:
    """What is wrong, by job id; `repeats` and `recovery_s` are facts, not faults."""

    states: Counter[str] = field(default_factory=Counter)
    unaccounted: list[str] = field(default_factory=list)
    false_completions: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)
    recovery_s: float = 0.0

    def __str__(self) -> str:
        faults = {
            "unaccounted for": self.unaccounted,
            "completed without a finished run": self.false_completions,
            "run again without a reason": self.unexplained,
            "run twice at once": self.overlaps,
        }
        said = [f"{len(ids)} {what} ({', '.join(ids[:5])})" if ids else f"0 {what}" for what, ids in faults.items()]
        states = ", ".join(f"{number:,} {state}" for state, number in sorted(self.states.items()))
        repeats = f"{len(self.repeats)} run more than once"
        return f"{states}; {'; '.join(said)}; {repeats}, after at most {self.recovery_s:.1f} s"

    @property
    def is_clean(self) -> bool:
        return not (self.unaccounted or self.false_completions or self.unexplained or self.overlaps)

    def assert_clean(self) -> Findings:
        assert self.is_clean, str(self)
        return self


def audit(
    ledger: Ledger, truth: Truth, added: Iterable[str], *, deaths: Mapping[int, float], lost: Collection[str] = ()
) -> Findings:
    """`added`: ids whose adding was acknowledged. `deaths`: when each killed process died, by pid. `lost`: ids whose
    lock some worker saw that it had lost.
    """
    found, runs = Findings(), ledger.runs()
    for job_id in added:
        states = truth.states.get(job_id, [])
        found.states.update(states)
        if len(states) != 1:
            found.unaccounted.append(job_id)
        if states == ["completed"] and not _finished(runs.get(job_id, []), truth.results.get(job_id, "")):
            found.false_completions.append(job_id)
    for job_id, of_job in runs.items():
        if len(of_job) > 1:
            found.repeats.append(job_id)
        for before, after in pairwise(of_job):
            _compare(found, before, after, deaths.get(before.pid), job_id in lost)
    return found


def _finished(runs: list[Run], result: str) -> bool:
    """Whether the very run that the result names was done."""
    names = {run.name for run in runs if run.ended == "done"}
    return json.loads(result or "null") in names


def _compare(found: Findings, before: Run, after: Run, died: float | None, was_lost: bool) -> None:
    if died is not None and (before.end is None or died - before.end < COMMIT_S):
        over = died
        found.recovery_s = max(found.recovery_s, after.start - died)
    elif before.ended in ("cut", "raised"):
        over = before.end or 0.0
    elif was_lost:
        return
    else:
        found.unexplained.append(before.job_id)
        over = before.end if before.end is not None else float("inf")
    if after.start < over:
        found.overlaps.append(before.job_id)
