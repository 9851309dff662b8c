"""In which queues there is a job of this id: one round trip, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence

from queues.protocol.commands import command
from queues.protocol.connections import prefix, wire
from queues.protocol.keys import Keys

#: Asked of one id at most; where there are more queues, the rest is not searched, and the caller says so.
MOST_QUEUES = 2_000


async def queues_with_job(connection: str, names: Sequence[str], job_id: str) -> list[str]:
    """Those of these queues, in their order. A key that is no job's hash is none, whatever its name."""
    on, start = wire(connection), prefix(connection)
    asked = list(names)[:MOST_QUEUES]
    commands = [command("HEXISTS", Keys(start, name).job(job_id), b"timestamp") for name in asked]
    answers = await on.run(commands, return_errors=True) if commands else []
    return [name for name, answer in zip(asked, answers, strict=True) if answer == 1]
