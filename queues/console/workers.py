"""`workers`, `cancel`, `quiet`, `resume-workers` and `stop-workers`: the processes that run jobs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from queues.actions import workers as acts
from queues.actions.actor import Actor
from queues.actions.audit import Done
from queues.console.exits import Exit
from queues.console.screen import number, printable, size, span, table
from queues.console.session import Session
from queues.console.steering import Outcome, outcome, told
from queues.errors import InvalidInput, NotFound
from queues.lookups.jobs import job_detail
from queues.lookups.workers import Fleet, WorkerProcess, processes
from queues.protocol.fleet import RunningJob
from queues.states import State

Act = Callable[[Actor, str, str | None], Awaitable[Done]]
#: Of a process's running jobs, as many are shown without --full.
JOBS_SHOWN = 5
_WOULD = {
    "quiet": "take no new jobs",
    "resume-workers": "take jobs again",
    "stop-workers": "finish what it runs and end",
}


def list_workers(session: Session, options: Namespace) -> Exit:
    """Every worker process, and what each runs now."""
    fleet = session.run(processes(session.connection))
    session.screen.give(
        {
            "connection": fleet.connection,
            "now_ms": fleet.now_ms,
            "processes": [_facts(process) for process in fleet.processes],
            "elsewhere": [asdict(job) for job in fleet.elsewhere],
            "notes": fleet.notes,
        }
    )
    session.screen.lines(_lines(fleet, options.full))
    return Exit.DONE


def cancel(session: Session, options: Namespace) -> Exit:
    """Let a running job fail with a reason; it is not tried again unless --retry."""
    queue, job_id = options.queue, options.job
    if session.is_dry_run:
        state = session.run(job_detail(session.connection, queue, job_id)).job.state_enum
        if state is not State.ACTIVE:
            raise acts.NotRunning(job_id, state, "It would not be cancelled.")
        return session.would(f"would cancel job “{job_id}” of queue “{queue}”.", queue=queue, id=job_id)
    acting = acts.cancel_job(session.actor, session.connection, queue, job_id, options.reason, options.retry)
    return told(session, [({"queue": queue, "id": job_id}, session.run(outcome(acting)))])


def quiet(session: Session, options: Namespace) -> Exit:
    """Let worker processes take no new jobs; what they run, they finish."""
    return _steer(session, options, acts.quiet)


def resume_workers(session: Session, options: Namespace) -> Exit:
    """Let quiet worker processes take jobs again."""
    return _steer(session, options, acts.resume)


def stop_workers(session: Session, options: Namespace) -> Exit:
    """Stop worker processes as SIGTERM does: running jobs finish first, as far as the drain timeout allows."""
    return _steer(session, options, acts.stop)


# --- steering


def _steer(session: Session, options: Namespace, act: Act) -> Exit:
    if bool(options.processes) == options.all:
        raise InvalidInput(f"{options.verb}: name processes by name or id (see “queues workers”), or give --all.")
    targets = session.run(_targets(session.connection, options.processes))
    names = [process.name for process in targets]
    if session.is_dry_run:
        said = "; ".join(f"worker “{name}” would {_WOULD[options.verb]}" for name in names)
        return session.would(f"{said}.", processes=[process.id for process in targets])
    if options.all:
        many = "1 worker process" if len(targets) == 1 else f"{len(targets)} worker processes"
        session.confirm(f"{options.verb}: {many} ({', '.join(names)}).")
    asked: list[str | None] = [None] if options.all else [process.id for process in targets]
    outcomes = session.run(_all(session, asked, act))
    return told(session, [({"process": one or "all"}, came) for one, came in zip(asked, outcomes, strict=True)])


async def _targets(connection: str, names: list[str]) -> list[WorkerProcess]:
    """Those named, or all. Raises NotFound where there is none."""
    fleet = await processes(connection)
    found = [fleet.find(name) for name in names] if names else list(fleet.own)
    if not found:
        raise NotFound(" ".join(["There is no worker process that could be asked.", *fleet.notes]))
    return found


async def _all(session: Session, asked: list[str | None], act: Act) -> list[Outcome]:
    return [await outcome(act(session.actor, session.connection, one)) for one in asked]


# --- showing


def _facts(process: WorkerProcess) -> dict[str, Any]:
    return {**asdict(process), "is_silent": process.is_silent, "slots": process.slots, "executors": process.executors}


def _lines(fleet: Fleet, is_full: bool) -> list[str]:
    lines = [printable(note) for note in fleet.notes]
    if not fleet.processes:
        return [*lines, "There are no workers."] if not fleet.notes else lines
    heads = ("worker", "id", "state", "jobs", "memory", "cpu", "lag", "up", "heard")
    lines += table(heads, [_row(process, fleet.now_ms) for process in fleet.processes], left=3, cell=28)
    for process in fleet.processes:
        lines += _detail(process, fleet.now_ms, is_full)
    if fleet.elsewhere:
        lines.append("Running on workers that cannot be told apart:")
        lines += [f"  {_job(job, fleet.now_ms)}" for job in fleet.elsewhere]
    return lines


def _row(process: WorkerProcess, now_ms: int) -> list[str]:
    name = process.name or process.host
    if process.is_foreign:
        return [name, "", "not Toril's", number(process.running_count), "", "", "", "", ""]
    return [
        name,
        process.id[:8],
        "silent" if process.is_silent else process.state,
        f"{process.running_count}/{process.slots}",
        size(process.rss_bytes),
        f"{process.cpu_percent:.0f} %",
        f"{process.lag_ms:,} ms",
        span((now_ms - process.started_ms) / 1000),
        span(process.beat_age_ms / 1000),
    ]


def _detail(process: WorkerProcess, now_ms: int, is_full: bool) -> list[str]:
    """Its queues, and what it runs."""
    shares = ", ".join(
        printable(share.queue) + ("" if process.is_foreign else f" {share.used}/{share.slots}")
        for share in process.queues
    )
    shown = process.running if is_full else process.running[:JOBS_SHOWN]
    lines = [f"{printable(process.name or process.host)}: {shares}"]
    lines += [f"  {_job(job, now_ms)}" for job in shown]
    if (more := process.running_count - len(shown)) > 0:
        lines.append(f"  and {more:,} more")
    return lines


def _job(job: RunningJob, now_ms: int) -> str:
    since = f", for {span((now_ms - job.started_ms) / 1000)}" if job.started_ms and now_ms else ""
    progress = f", progress {printable(job.progress)}" if job.progress else ""
    head = f"{printable(job.queue)} {printable(job.id)} “{printable(job.name)}”"
    return f"{head} (attempt {job.attempt}{since}{progress})"
