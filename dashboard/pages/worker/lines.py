"""What the workers page says: each process as a line, and in sentences what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.grants import Grants
from queues.lookups.workers import Fleet, WorkerProcess
from queues.masking import mask_json
from queues.models import Queue
from queues.protocol.fleet import RunningJob, Share

#: Of what a process runs, so many are shown; its queues have the rest.
MOST_JOBS, MOST_SHARES, MOST_LINES, MOST_UNSERVED = 5, 8, 300, 12
STATES = ("running", "quiet", "stopping", "silent", "older")
LONGEST_FIND = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """How the list is wanted: what is odd in an address narrows nothing."""

    find: str = ""
    state: str = ""
    sort: str = "host"

    @classmethod
    def of(cls, query: QueryDict) -> Asked:
        state, sort = query.get("state", ""), query.get("sort", "")
        return cls(
            query.get("q", "").strip()[:LONGEST_FIND],
            state if state in STATES else "",
            sort if sort in SORTS else "host",
        )

    @property
    def query(self) -> dict[str, str | None]:
        return {
            "q": self.find or None,
            "state": self.state or None,
            "sort": None if self.sort == "host" else self.sort,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """A running job as this person may know it."""

    job: RunningJob
    progress: str
    can_cancel: bool


@dataclass(frozen=True, slots=True)
class Line:
    process: WorkerProcess
    label: str
    used: int
    is_older: bool
    shares: tuple[Share, ...]
    more_shares: int
    runs: tuple[Run, ...]
    more_runs: int

    @property
    def state(self) -> str:
        return "silent" if self.process.is_silent else self.process.state


SORTS: Mapping[str, Callable[[Line], Any]] = {
    "host": lambda line: (line.process.host, line.process.name, line.process.pid),
    "busy": lambda line: -line.used,
    "memory": lambda line: -line.process.rss_bytes,
    "cpu": lambda line: -line.process.cpu_percent,
    "lag": lambda line: -line.process.lag_ms,
    "beat": lambda line: -line.process.beat_age_ms,
    "started": lambda line: line.process.started_ms,
}


def lines(fleet: Fleet, grants: Grants, *, foreign: bool) -> list[Line]:
    newest = newest_label(fleet)
    return [_line(process, newest, grants) for process in fleet.processes if process.is_foreign is foreign]


def _line(process: WorkerProcess, newest: str, grants: Grants) -> Line:
    label = _label(process)
    return Line(
        process,
        label,
        sum(share.used for share in process.queues),
        bool(label and newest and label != newest),
        process.queues[:MOST_SHARES],
        max(0, len(process.queues) - MOST_SHARES),
        tuple(run(job, grants, not process.is_foreign) for job in process.running[:MOST_JOBS]),
        max(0, process.running_count - MOST_JOBS),
    )


def run(job: RunningJob, grants: Grants, is_own: bool) -> Run:
    held = grants.on(job.queue)
    progress = mask_json(job.progress) if job.progress and held.may("job.payload") else ""
    return Run(job, progress, is_own and held.may("job.cancel"))


def _label(process: WorkerProcess) -> str:
    return process.release or process.version


def newest_label(fleet: Fleet) -> str:
    """What the process that started last runs: the others are compared with it."""
    own = [process for process in fleet.own if _label(process)]
    return _label(max(own, key=lambda process: process.started_ms)) if own else ""


def chosen(found: Iterable[Line], asked: Asked) -> list[Line]:
    wanted = asked.find.casefold()
    kept = [line for line in found if _fits(line, wanted, asked.state)]
    return sorted(sorted(kept, key=SORTS["host"]), key=SORTS[asked.sort])


def _fits(line: Line, wanted: str, state: str) -> bool:
    if state and state != ("older" if state == "older" and line.is_older else line.state):
        return False
    process = line.process
    told = (process.name, process.host, process.id, str(process.pid), line.label, *(s.queue for s in process.queues))
    return not wanted or any(wanted in one.casefold() for one in told)


# --- sentences


def skew(fleet: Fleet) -> str:
    """That not all processes run the same code, or nothing."""
    newest = newest_label(fleet)
    others = Counter(_label(process) for process in fleet.own if _label(process) not in ("", newest))
    if not others:
        return ""
    named = ", ".join(f"{count} × {label}" for label, count in sorted(others.items()))
    return _(
        "The worker that started last runs %(newest)s; others still run another version: %(others)s. Restart them so "
        "that every job meets the same code."
    ) % {"newest": newest, "others": named}


def silence(fleet: Fleet) -> str:
    silent = [process for process in fleet.own if process.is_silent]
    if not silent:
        return ""
    return ngettext(
        "Nothing was heard of %(names)s for 10 s and more: it hangs, is cut off from Redis, or was killed. Its jobs "
        "are taken over when their locks run out.",
        "Nothing was heard of %(names)s for 10 s and more: they hang, are cut off from Redis, or were killed. Their "
        "jobs are taken over when their locks run out.",
        len(silent),
    ) % {"names": _named([process.name for process in silent])}


def _named(names: list[str]) -> str:
    shown = ", ".join(f"“{name[:60]}”" for name in names[:4])
    rest = len(names) - 4
    return shown if rest <= 0 else _("%(names)s and %(count)s more") % {"names": shown, "count": rest}


def unserved(queues: Iterable[Queue], fleet: Fleet) -> list[Queue]:
    """The queues that have jobs to run and nobody who runs them, most jobs first."""
    served = {share.queue for process in fleet.processes for share in process.queues}
    found = [
        queue
        for queue in queues
        if queue.name not in served and not queue.workers and not queue.is_local and not queue.broken and _due(queue)
    ]
    return sorted(found, key=lambda queue: -_due(queue))


def _due(queue: Queue) -> int:
    return queue.waiting + queue.prioritized + queue.delayed + queue.active


@dataclass(frozen=True, slots=True)
class Sums:
    processes: int
    hosts: int
    used: int
    slots: int
    foreign: int
    states: tuple[tuple[str, int], ...]


def sums(fleet: Fleet) -> Sums:
    own = fleet.own
    states = Counter("silent" if process.is_silent else process.state for process in own)
    return Sums(
        len(own),
        len({process.host for process in own}),
        sum(share.used for process in own for share in process.queues),
        sum(process.slots for process in own),
        len(fleet.processes) - len(own),
        tuple((state, states[state]) for state in ("quiet", "stopping", "silent") if states[state]),
    )
