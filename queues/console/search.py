"""`search`: jobs of all queues, live and past, by one line of text."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import Any

from django.db import DatabaseError

from queues.console.exits import Exit
from queues.console.screen import moment, number, table
from queues.console.session import Session
from queues.errors import Refused
from queues.lookups import search
from queues.lookups.search import Page, Seen
from queues.masking import mask_text
from queues.models import Job

LIMIT = 50
PER_PAGE = 200
CELL = 60


def find(session: Session, options: Namespace) -> Exit:
    """Jobs of all queues and connections, live and past, newest first: state:failed error:timeout since:2h …"""
    query = search.parse(" ".join(options.query), int(time.time() * 1000))
    page, jobs = session.run(_found(query, options.limit))
    session.screen.give(
        {
            "query": query.text,
            "total": page.total,
            "is_least": page.is_least,
            "lag_s": page.lag_s,
            "searched": page.searched,
            "jobs": [_facts(job) for job in jobs],
        }
    )
    if jobs:
        session.screen.lines(table(_HEADS, [_row(job) for job in jobs], left=len(_HEADS), cell=CELL))
    session.screen.say(_verdict(page, len(jobs)))
    session.screen.note(page.searched)
    return Exit.DONE


async def _found(query: search.Query, limit: int) -> tuple[Page, list[Job]]:
    """The first page, and the jobs of as many as are wanted. Raises Refused where the database does not answer."""
    try:
        first = page = await search.page(query, Seen(), None, min(limit, PER_PAGE))
        jobs = list(page.jobs)
        while page.after and len(jobs) < limit:
            page = await search.page(query, Seen(), page.after, min(limit - len(jobs), PER_PAGE))
            jobs += page.jobs
    except DatabaseError as error:
        raise Refused(f"The database does not answer: {str(error).strip().splitlines()[0]}.") from error
    return first, jobs


def _verdict(page: Page, shown: int) -> str:
    if not shown:
        return "Nothing was found." if page.after is None else "Nothing was found so far."
    total = max(page.total or 0, shown)
    if total == shown and not page.is_least and page.after is None:
        return f"{number(shown)} found."
    return f"{number(shown)} shown, of {'at least ' if page.is_least else ''}{number(total)}."


_HEADS = ("queue", "job", "name", "state", "last moved", "error")


def _row(job: Job) -> list[str]:
    at = job.finished_on_ms or job.processed_on_ms or job.timestamp_ms
    state = job.state if job.removed_at is None else f"{job.state}, removed"
    return [job.queue, job.job_id, job.name, state, moment(at), mask_text(job.first_error_line)]


def _facts(job: Job) -> dict[str, Any]:
    return {
        "connection": job.connection,
        "queue": job.queue,
        "id": job.job_id,
        "name": job.name,
        "state": job.state,
        "added_at_ms": job.timestamp_ms,
        "started_at_ms": job.processed_on_ms,
        "finished_at_ms": job.finished_on_ms,
        "attempts": job.attempts_made,
        "worker": job.processed_by,
        "error": mask_text(job.first_error_line),
        "removed_at": job.removed_at.isoformat() if job.removed_at else None,
    }
