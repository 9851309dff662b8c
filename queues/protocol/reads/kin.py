"""What stands around a job: its place in its state, and the jobs it waits for. Each look is bounded."""

from __future__ import annotations

from dataclasses import dataclass

from queues.protocol.codec import raw, text
from queues.protocol.commands import command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.keys import STATE_KEYS
from queues.states import State

#: So far from the end it is looked for in a list, which Redis walks.
MOST_WALKED = 10_000
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Offspring:
    """How many children of a job are pending, completed, failed (those that it does not mind apart: `ignored`);
    `some` are (queue, job id) of a few that are pending.
    """

    pending: int = 0
    completed: int = 0
    failed: int = 0
    ignored: int = 0
    some: tuple[tuple[str, str], ...] = ()

    @property
    def total(self) -> int:
        return self.pending + self.completed + self.failed + self.ignored


async def position(connection: str, queue: str, job_id: str, state: State) -> int | None:
    """How many jobs stand before it in the state's own order; None where it is not found (or is far behind)."""
    if state not in STATE_KEYS:
        return None
    suffix, is_list = STATE_KEYS[state]
    key, member = keys(connection, queue)(suffix), raw(job_id)
    if is_list:
        asked = command("LPOS", key, member, "RANK", -1, "MAXLEN", MOST_WALKED)
        total, found = await wire(connection).run([command("LLEN", key), asked], return_errors=True)
        return total - 1 - found if isinstance(found, int) and isinstance(total, int) else None
    verb = "ZREVRANK" if state.is_finished else "ZRANK"
    (found,) = await wire(connection).run([command(verb, key, member)], return_errors=True)
    return found if isinstance(found, int) else None


async def offspring(connection: str, queue: str, job_id: str) -> Offspring:
    """Of a job without children every figure is 0. Odd keys count as none."""
    key = keys(connection, queue).job(job_id)
    replies = await wire(connection).run(
        [
            command("SCARD", key + b":dependencies"),
            command("HLEN", key + b":processed"),
            command("ZCARD", key + b":unsuccessful"),
            command("HLEN", key + b":failed"),
            command("SRANDMEMBER", key + b":dependencies", MOST_NAMED),
        ],
        return_errors=True,
    )
    counts = [reply if isinstance(reply, int) else 0 for reply in replies[:4]]
    named = replies[4] if isinstance(replies[4], list | set | tuple) else ()
    under = f"{prefix(connection)}:"
    found = [text(key).removeprefix(under).partition(":") for key in named if text(key).startswith(under)]
    some = tuple(sorted((queue, job_id) for queue, _, job_id in found if job_id))
    return Offspring(counts[0], counts[1], counts[2], counts[3], some)
