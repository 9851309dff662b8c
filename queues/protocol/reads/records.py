"""Whole jobs for a program that asked for them: every field, however large."""

from __future__ import annotations

from collections.abc import Sequence

from queues.errors import TorilError
from queues.protocol import codec
from queues.protocol.codec import JobRecord, job_record
from queues.protocol.commands import command
from queues.protocol.connections import keys, wire

CHUNK = 100


async def job_records(connection: str, queue: str, job_ids: Sequence[str]) -> list[JobRecord]:
    """In the order of the ids; one whose hash is gone, or is no hash, has `exists` False and says why."""
    on, k = wire(connection), keys(connection, queue)
    records: list[JobRecord] = []
    for at in range(0, len(job_ids), CHUNK):
        piece = job_ids[at : at + CHUNK]
        asked = [command("HGETALL", k.job(job_id), read=codec.pairs) for job_id in piece]
        for job_id, fields in zip(piece, await on.run(asked, return_errors=True), strict=True):
            if isinstance(fields, TorilError):
                records.append(JobRecord(job_id, exists=False, problems=(str(fields),)))
            else:
                records.append(job_record(job_id, fields))
    return records
