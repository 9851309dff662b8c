"""Who runs a job: by the token of its lock, whose first part is the worker's id (PROTOCOL.md §4)."""

from __future__ import annotations

from collections.abc import Sequence

from queues.protocol.codec import text
from queues.protocol.commands import command
from queues.protocol.connections import keys, wire


async def lock_owners(connection: str, queue: str, job_ids: Sequence[str]) -> list[str]:
    """Per job the id of the worker that holds its lock; "" where none does. One round trip."""
    k = keys(connection, queue)
    tokens = await wire(connection).run([command("GET", k.lock(job_id)) for job_id in job_ids], return_errors=True)
    return [text(token[:200]).partition(":")[0] if isinstance(token, bytes) else "" for token in tokens]
