"""Workers for programs: who works and what each runs; quiet, resume and stop, one process or all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from ninja import Path, Router
from pydantic import BaseModel, Field

from dashboard.api.v1.asking import Ask, Done, Sent, connection_of, told
from dashboard.api.v1.declared import may
from dashboard.api.v1.paging import USUAL, Cursor, Limit, Page, part_of, place_key
from dashboard.api.v1.values import masked_value, plain
from queues.actions import workers as acting
from queues.errors import Forbidden, NotFound, Refused
from queues.lookups.fleet import seen_by, shared_fleet
from queues.lookups.workers import Fleet, WorkerProcess
from queues.protocol.fleet import RunningJob

router = Router(tags=["workers"])
ProcessId = Annotated[str, Path(pattern=r"^[0-9a-zA-Z-]{1,64}$", description="A process's id.")]
Verb = Annotated[Literal["quiet", "resume", "stop"], Path(description="What it is to do.")]
VERBS = {"quiet": acting.quiet, "resume": acting.resume, "stop": acting.stop}


class Share(BaseModel):
    """A process's part in a queue."""

    queue: str
    slots: int
    used: int
    executors: list[str]
    job_names: list[str] = Field(description="The only names it has a processor for; empty: all, or untold.")
    limit_max: int = Field(description="Its own rate limit; 0 is none.")
    limit_ms: int


class Running(BaseModel):
    """A job that it runs."""

    queue: str
    id: str
    name: str
    attempt: int
    started_ms: int
    progress: object = Field(description="Null for whoever may not read what jobs carry.")


class Worker(BaseModel):
    """A worker process; of one that is not Toril's (`is_foreign`) only what Redis tells of its connection."""

    id: str = Field(description="Empty for a foreign one, which cannot be spoken to.")
    name: str
    host: str
    pid: int
    version: str
    release: str
    state: str = Field(description="running, quiet, stopping; listening for a foreign one.")
    is_foreign: bool
    is_silent: bool = Field(description="Nothing was heard of it for 10 s.")
    beat_age_ms: int
    started_ms: int
    rss_bytes: int
    cpu_percent: float
    lag_ms: int = Field(description="How long its event loop let a call wait.")
    clock_ms: int = Field(description="How far its host's clock is ahead of Redis's.")
    queues: list[Share]
    running: list[Running] = Field(description="The longest-running of `running_count`.")
    running_count: int


class Workers(Page[Worker]):
    """`notes` say what could not be seen."""

    elsewhere: list[Running] = Field(description="Running jobs of which nobody can say which foreign worker runs them.")
    notes: list[str]
    sees_others: bool = Field(description="Whether Redis tells who else is connected.")


class All(Sent):
    """Consent to a number: as many processes of Toril's as you saw, silent ones left out."""

    count: int = Field(ge=1, le=10_000)


@router.get("", response=Workers, operation_id="listWorkers")
async def list_workers(request: Ask, cursor: Cursor = None, limit: Limit = USUAL) -> Workers:
    """Workers

    Toril's first, then others; of each what concerns queues that the caller sees.
    """
    connection = connection_of(request)
    fleet = await _fleet(request, connection)
    keyed = _keyed(fleet.processes)
    found, after = part_of(sorted(keyed), lambda key: key, f"workers:{connection}", cursor, limit)
    return Workers(
        items=[await _shown(request, connection, keyed[key]) for key in found],
        next=after,
        elsewhere=[await _running(request, connection, job) for job in fleet.elsewhere],
        notes=list(fleet.notes),
        sees_others=fleet.sees_others,
    )


def _keyed(processes: Iterable[WorkerProcess]) -> dict[str, WorkerProcess]:
    """By kind, host and name. Foreign ones have no id, and two of a name are told apart by their number."""
    seen, keyed = Counter[str](), {}
    for one in processes:
        key = place_key(str(int(one.is_foreign)), one.host, one.name, one.id, *(share.queue for share in one.queues))
        seen[key] += 1
        keyed[f"{key}{seen[key]:06}"] = one
    return keyed


@router.get("/{process_id}", response=Worker, operation_id="getWorker")
async def get_worker(request: Ask, process_id: ProcessId) -> Worker:
    """One worker process"""
    connection = connection_of(request)
    return await _shown(request, connection, _one(await _fleet(request, connection), process_id))


@router.post("/all/{verb}", response=Done, operation_id="steerWorkers", openapi_extra=may(504))
async def steer_workers(request: Ask, verb: Verb, sent: All) -> Done:
    """Quiet, resume or stop all

    Where there are by now more of them, or fewer, than `count` nothing is done (409).
    """
    request.grants.require(f"workers.{verb}")
    if not request.grants.sees_all:
        raise Forbidden(_("Whoever sees only some queues may not ask this of every worker."))
    connection = connection_of(request)
    fleet = await _fleet(request, connection, 0.0)
    there = sum(not process.is_silent for process in fleet.own)
    if there != sent.count:
        said = _("There are %(count)s worker processes that could be asked, not %(told)s; nothing was done.")
        raise Refused(said % {"count": there, "told": sent.count})
    return told(await VERBS[verb](request.grants.actor, connection))


@router.post("/{process_id}/{verb}", response=Done, operation_id="steerWorker", openapi_extra=may(504))
async def steer_worker(request: Ask, process_id: ProcessId, verb: Verb) -> Done:
    """Quiet, resume or stop one

    A quiet one takes no new jobs; one that stops finishes what it runs within its drain timeout, and ends.
    """
    request.grants.require(f"workers.{verb}")
    connection = connection_of(request)
    found = _one(await _fleet(request, connection, 0.0), process_id)
    return told(await VERBS[verb](request.grants.actor, connection, found.id))


async def _fleet(request: Ask, connection: str, max_age_s: float | None = None) -> Fleet:
    fleet = await shared_fleet(connection, max_age_s)
    return fleet if request.grants.sees_all else seen_by(fleet, request.grants.sees)


def _one(fleet: Fleet, process_id: str) -> WorkerProcess:
    found = next((process for process in fleet.own if process.id == process_id), None)
    if found is None:
        said = _("There is no worker process “%(process_id)s”; it may have stopped.")
        raise NotFound(said % {"process_id": process_id})
    return found


_SAME = (
    *("id", "state", "pid", "is_foreign", "is_silent", "beat_age_ms", "started_ms", "rss_bytes"),
    *("cpu_percent", "lag_ms", "clock_ms", "running_count"),
)


async def _shown(request: Ask, connection: str, process: WorkerProcess) -> Worker:
    same: dict[str, Any] = {name: getattr(process, name) for name in _SAME}
    texts: dict[str, Any] = {name: plain(getattr(process, name)) for name in ("name", "host", "version", "release")}
    return Worker(
        **same,
        **texts,
        queues=[
            Share(
                queue=plain(share.queue),
                slots=share.slots,
                used=share.used,
                executors=[plain(kind) for kind in share.executors],
                job_names=[plain(name) for name in share.names],
                limit_max=share.limit_max,
                limit_ms=share.limit_ms,
            )
            for share in process.queues
        ],
        running=[await _running(request, connection, job) for job in process.running],
    )


async def _running(request: Ask, connection: str, job: RunningJob) -> Running:
    reads = request.grants.on(job.queue, connection).may("job.payload")
    return Running(
        queue=plain(job.queue),
        id=plain(job.id),
        name=plain(job.name),
        attempt=job.attempt,
        started_ms=job.started_ms,
        progress=await masked_value(job.progress) if reads else None,
    )
