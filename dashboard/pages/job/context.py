"""Everything that a job's page draws."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dashboard.live.viewer import seen
from dashboard.moments import now_ms
from dashboard.pages.job import why
from dashboard.pages.job.attempts import failures, verdict
from dashboard.pages.job.option_words import in_words, retention
from dashboard.pages.job.story import with_story
from dashboard.pages.job.timeline import Moment, timeline
from dashboard.pages.payload import cards as payloads
from dashboard.pages.payload import log_lines
from dashboard.presentation import external_link
from queues.errors import TorilError
from queues.lookups.failures import group_of
from queues.lookups.jobs import JobDetail
from queues.lookups.logs import Line, LogWindow
from queues.lookups.snapshot import snapshot
from queues.lookups.trace import Trace, trace
from queues.masking import mask_text
from queues.models import Job
from queues.options import get_options
from queues.states import State


async def shown(detail: JobDetail, asked: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Everything job/job.html draws; `asked` may say which field is wanted raw (`show`, `view`).

    What a viewer without `job.payload` may not see is left out by the templates.
    """
    job, asked = detail.job, asked or {}
    window, known = log_window(detail), await trace(job, detail.runs)
    return {
        "job": job,
        "detail": detail,
        "moments": _moments(job, known, with_errors=True),
        "moments_without_errors": _moments(job, known, with_errors=False),
        "failures": failures(job),
        "verdict": verdict(job),
        "deferred": mask_text(job.deferred_failure),
        "has_succeeded": job.state == State.COMPLETED,
        "cards": payloads.cards(detail, asked.get("show", ""), is_raw=asked.get("view") == "raw"),
        "options_in_words": in_words(job) if job.options else "",
        "retention": "" if job.state_enum.is_finished else retention(job),
        "window": window,
        "keeps_lines": "kl" in job.options or "keepLogs" in job.options,
        "lines": log_lines.drawn(window.lines),
        "external": external_link(job) if job.exists else None,
        "seen": seen(job),
        "parent": parent_of(job),
        "failure_group": await group_of(job),
        "why": await why.of_job(job),
        "queue_names": await _other_queues(job),
    }


def _moments(job: Job, known: Trace, *, with_errors: bool) -> list[Moment]:
    first = known.earlier[0].started_ms if known.earlier else None
    told = timeline(job, now_ms(), known.runs, with_errors=with_errors, kept_errors=known.errors, first_start_ms=first)
    return with_story(told, known, job.queue, with_errors=with_errors)


async def _other_queues(job: Job) -> list[str]:
    """Where a copy of it could run; nothing while it cannot be asked."""
    if job.state_enum.is_finished:
        with suppress(TorilError):
            return [queue.name for queue in (await snapshot(job.connection)).queues if queue.name != job.queue]
    return []


def log_window(detail: JobDetail) -> LogWindow:
    first = detail.log_total - len(detail.logs) + 1
    return LogWindow([Line(first + at, line) for at, line in enumerate(detail.logs)], detail.log_total)


def parent_of(job: Job) -> Job | None:
    """The parent, where its key lies under this connection's prefix and can be told apart."""
    prefix, _, rest = job.parent_key.partition(get_options().connection(job.connection).prefix)
    queue, _, job_id = rest.removeprefix(":").partition(":")
    return None if prefix or not (queue and job_id) else Job(connection=job.connection, queue=queue, job_id=job_id)
