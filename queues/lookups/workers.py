"""Who works: every process with a heartbeat and what it runs, and workers that are not Toril's, as far as they show."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from queues.errors import InvalidInput, NotFound, RedisRefused
from queues.lookups.heard import Heard, heard
from queues.options import get_options
from queues.protocol import fleet, reads, selection
from queues.protocol.codec import JobRecord
from queues.protocol.fleet import SILENT_AFTER_S, Beat, RunningJob, Share, shown_name
from queues.protocol.reads import Listener
from queues.states import State

#: Of a queue that foreign workers share, as many running jobs are looked at.
MOST_ACTIVE = 100
NONE_IN_PROCESS = gettext_lazy("Jobs run in the process that adds them (USE_JOB_QUEUE is false): there are no workers.")


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """One process, or, `is_foreign`, one connection of a worker that is not Toril's: to be looked at, not controlled.

    `state` is running, quiet or stopping (listening for a foreign one). `running` are the longest-running of
    `running_count` jobs. Ages are by Redis's clock; `is_silent`: nothing was heard for 10 s.
    """

    id: str
    name: str
    host: str
    state: str
    queues: tuple[Share, ...]
    running: tuple[RunningJob, ...] = ()
    running_count: int = 0
    pid: int = 0
    version: str = ""
    release: str = ""
    rss_bytes: int = 0
    cpu_percent: float = 0.0
    lag_ms: int = 0
    clock_ms: int = 0
    started_ms: int = 0
    beat_age_ms: int = 0
    is_foreign: bool = False

    @property
    def is_silent(self) -> bool:
        return self.beat_age_ms > SILENT_AFTER_S * 1000

    @property
    def slots(self) -> int:
        return sum(share.slots for share in self.queues)

    @property
    def fetched_ms(self) -> int:
        """When Redis last answered its asking for work; 0 for never."""
        return max((share.fetched_ms for share in self.queues), default=0)

    @property
    def executors(self) -> tuple[str, ...]:
        return tuple(sorted({kind for share in self.queues for kind in share.executors}))


@dataclass(frozen=True, slots=True)
class Fleet:
    """All processes by host and name, Toril's first, as they were at `now_ms` of Redis's clock.

    `elsewhere`: running jobs of which nobody can say which foreign worker runs them. `notes`: what could not be seen.
    """

    connection: str
    now_ms: int = 0
    processes: tuple[WorkerProcess, ...] = ()
    elsewhere: tuple[RunningJob, ...] = ()
    notes: tuple[str, ...] = field(default=())
    #: Whether Redis tells who else is connected.
    sees_others: bool = True

    @property
    def own(self) -> tuple[WorkerProcess, ...]:
        return tuple(process for process in self.processes if not process.is_foreign)

    def find(self, text: str) -> WorkerProcess:
        """Toril's process of this id, the beginning of one, or this name. Raises NotFound, or InvalidInput for many."""
        found = [p for p in self.own if text in (p.id, p.name)] or [
            p for p in self.own if text and p.id.startswith(text)
        ]
        if not found:
            told = _("There is no worker process “%(text)s” that can be spoken to.") % {"text": text}
            raise NotFound(" ".join([told, *self.notes]))
        if len(found) > 1:
            raise InvalidInput(
                _("“%(text)s” is the name of %(count)s worker processes; give an id.")
                % {"text": text, "count": len(found)}
            )
        return found[0]


async def processes(connection: str) -> Fleet:
    """The workers of a connection, as they are now. What Redis forbids to look at is left out, and `notes` says so.

    Raises RedisUnavailable.
    """
    if not get_options().use_job_queue:
        return Fleet(connection, notes=(str(NONE_IN_PROCESS),))
    seen = await heard(connection, max_age_s=0)
    own = [_process(beat, seen.age_ms(beat)) for beat in seen.beats]
    foreign = await _foreign(connection, own, seen.listeners or ())
    others, elsewhere = await _running(connection, foreign, {process.id for process in own})
    return Fleet(connection, seen.now_ms, (*own, *others), elsewhere, tuple(_notes(seen)), seen.listeners is not None)


def _notes(seen: Heard) -> Iterator[str]:
    if seen.refusal:
        yield _("Toril's own workers cannot be told from others. %(why)s") % {"why": seen.refusal}
    if seen.listeners is None:
        yield _("Redis forbids CLIENT LIST: workers that are not Toril's are not shown.")


def _process(beat: Beat, age_ms: int) -> WorkerProcess:
    return WorkerProcess(
        id=beat.id,
        name=beat.name,
        host=beat.host,
        state=beat.state,
        queues=beat.queues,
        running=beat.running,
        running_count=beat.running_count,
        pid=beat.pid,
        version=beat.version,
        release=beat.release,
        rss_bytes=beat.rss_bytes,
        cpu_percent=beat.cpu_percent,
        lag_ms=beat.lag_ms,
        clock_ms=beat.clock_ms,
        started_ms=beat.started_ms,
        beat_age_ms=age_ms,
    )


async def _foreign(connection: str, own: Iterable[WorkerProcess], listeners: Sequence[Listener]) -> list[Listener]:
    """Those that belong to no process with a heartbeat; of two readings of a name, that whose queue is there."""
    names = sorted({listener.queue for listener in listeners})
    exist = dict(zip(names, await selection.queues_exist(connection, names), strict=True)) if names else {}
    known = {(share.queue, shown_name(process.name)) for process in own for share in process.queues}
    found = [one for one in listeners if exist[one.queue] and (one.queue, one.name) not in known]
    return sorted(found, key=lambda one: (one.name, one.queue, one.address))


async def _running(
    connection: str, foreign: list[Listener], own_ids: set[str]
) -> tuple[list[WorkerProcess], tuple[RunningJob, ...]]:
    """The foreign workers with what they run, and the jobs of which that is not known."""
    by_queue: dict[str, list[Listener]] = defaultdict(list)
    for listener in foreign:
        by_queue[listener.queue].append(listener)
    runs: dict[bytes, list[RunningJob]] = defaultdict(list)
    elsewhere: list[RunningJob] = []
    looks = await asyncio.gather(*[_active(connection, queue, own_ids) for queue in by_queue])
    for (queue, sharing), jobs in zip(by_queue.items(), looks, strict=True):
        for record in jobs:
            runner = _runner(record, sharing)
            (runs[runner.identity] if runner else elsewhere).append(_job(queue, record))
    return [_other(one, runs[one.identity]) for one in foreign], tuple(elsewhere)


async def _active(connection: str, queue: str, own_ids: set[str]) -> list[JobRecord]:
    """The running jobs that no process of Toril's holds."""
    try:
        page = await reads.job_page(connection, queue, State.ACTIVE, 0, MOST_ACTIVE)
        owners = await reads.lock_owners(connection, queue, [row.record.id for row in page.rows])
    except RedisRefused:
        return []
    return [row.record for row, owner in zip(page.rows, owners, strict=True) if owner not in own_ids]


def _runner(record: JobRecord, sharing: list[Listener]) -> Listener | None:
    """By the name that Node writes into the job; a worker that is alone on its queue runs what there is."""
    named = [one for one in sharing if record.processed_by and one.name == shown_name(record.processed_by)]
    if len(named) == 1:
        return named[0]
    return sharing[0] if len(sharing) == 1 else None


def _job(queue: str, record: JobRecord) -> RunningJob:
    return RunningJob(queue, record.id, fleet.short(record.name), record.attempts_made + 1, record.processed_on_ms or 0)


def _other(listener: Listener, running: list[RunningJob]) -> WorkerProcess:
    return WorkerProcess(
        id="",
        name=listener.name,
        host=listener.address.rpartition(":")[0],
        state="listening",
        queues=(Share(listener.queue, used=len(running)),),
        running=tuple(running),
        running_count=len(running),
        is_foreign=True,
    )
