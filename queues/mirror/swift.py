"""The short way for the many jobs of which nothing is to be decided: Redis holds them, and no earlier life is in doubt.

What it says is what `incarnations.rows` would say, without a model for each job.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from django.db import connection

from queues.mirror.incarnations import COMPARED, Told
from queues.models import Job
from queues.models.job import RECORD_FIELDS
from queues.states import State

#: What of a row is no field of the job's hash, in the order of `COMPARED`, which `values` follows.
BESIDE = ("state", "problems", "removed_at", "told_runs")
_record = attrgetter(*RECORD_FIELDS)
_TIMESTAMP, _TOLD_RUNS, _STATE = map(COMPARED.index, ("timestamp_ms", "told_runs", "state"))

#: Values of `COMPARED`, as stored.
Stored = tuple[Any, ...]


def is_plain(told: Told) -> bool:
    """Whether only its hash counts: events told of no other life, and of no run that did not end it."""
    if told.sight is None or not told.sight.record.exists or len(told.lives) > 1:
        return False
    if not told.lives:
        return True
    (life,) = told.lives
    if life.removed_ms or life.runs:
        return False
    return life.final_ms is None or told.sight.record.timestamp_ms < life.final_ms or told.sight.state is life.final


def values(told: Told, known: Sequence[Stored]) -> Stored | None:
    """What its row should hold. `known`: its open rows, or its latest. None where that is not so plain after all."""
    if told.sight is None:
        return None
    record = told.sight.record
    told_runs = ""
    if known:
        if len(known) > 1 or known[0][_TIMESTAMP] != record.timestamp_ms:
            return None
        if known[0][_STATE] == State.FAILED and told.sight.state is not State.FAILED:
            # It was put back: what it failed with is to be kept.
            return None
        told_runs = known[0][_TOLD_RUNS]
    return (*_record(record), told.sight.state.value, "\n".join(record.problems), None, told_runs)


def stored(name: str, queue: str, job_ids: Sequence[str]) -> dict[str, list[Stored]]:
    """Of each id of this connection its open rows, else its latest row, if it has any."""
    found: dict[str, list[Stored]] = {}
    if job_ids:
        _collect(found, _OPEN.format(ids=", ".join(["%s"] * len(job_ids))), [name, queue, *job_ids])
    if missing := [job_id for job_id in job_ids if job_id not in found]:
        _collect(found, _LATEST.format(ids=", ".join(["(%s)"] * len(missing))), [name, queue, *missing])
    return found


def _collect(found: dict[str, list[Stored]], asked: str, parameters: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(asked, parameters)
        for job_id, *rest in cursor.fetchall():
            found.setdefault(job_id, []).append(tuple(rest))


_TABLE = Job._meta.db_table
_OF = "connection = %s AND queue = %s AND"
_SELECT = f"SELECT {', '.join(('job_id', *COMPARED))} FROM {_TABLE} WHERE"  # noqa: S608
_OPEN = f"{_SELECT} {_OF} job_id IN ({{ids}}) AND removed_at IS NULL"
#: An id used every second may have millions of rows: each is looked up by itself.
_NEWEST = f"SELECT j.id FROM {_TABLE} j WHERE {_OF} j.job_id = v.column1 ORDER BY j.timestamp_ms DESC LIMIT 1"  # noqa: S608
_LATEST = f"{_SELECT} id IN (SELECT ({_NEWEST}) FROM (VALUES {{ids}}) v)"  # noqa: S608
