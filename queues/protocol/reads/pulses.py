"""How queues' event streams and finished sets lie: by it the mirror knows what it missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queues.errors import RedisRefused, TorilError
from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.keys import FOUND_BY, Keys
from queues.protocol.reads.bulk import is_wrong_type
from queues.protocol.wire import Wire
from queues.states import State

START = "0-0"
FINISHED = (State.COMPLETED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a queue's stream and finished sets lie. Positions are `0-0` where there is no stream.

    `was_trimmed`: the stream no longer holds all that was ever written to it. `oldest`: the score of the oldest job in
    `completed` and `failed`, None for an empty set.
    """

    exists: bool
    first: str
    last: str
    was_trimmed: bool
    oldest: dict[State, float | None]
    is_broken: bool = False


async def pulses(on: Wire, prefix: str, queues: Sequence[str]) -> dict[str, Pulse]:
    """The pulse of all these queues, in one round trip."""
    replies = await on.run([c for queue in queues for c in _commands(Keys(prefix, queue))], return_errors=True)
    for reply in replies:
        if isinstance(reply, TorilError) and not (is_wrong_type(reply) or "no such key" in str(reply)):
            raise reply
    return {queue: _pulse(replies[at * 4 : at * 4 + 4]) for at, queue in enumerate(queues)}


def _commands(k: Keys) -> list[Command[Any]]:
    oldest = [command("ZRANGE", k.state(state), 0, 0, "WITHSCORES") for state in FINISHED]
    return [command("EXISTS", *k.many(" ".join(FOUND_BY))), command("XINFO", "STREAM", k("events")), *oldest]


def _pulse(replies: list[Any]) -> Pulse:
    exists, stream, *ends = replies
    told: dict[bytes, Any] = {} if isinstance(stream, TorilError) else codec.pairs(stream)
    first, added = told.get(b"first-entry"), told.get(b"entries-added")
    return Pulse(
        exists=exists in (1, 2),
        first=first[0].decode() if first else START,
        last=told.get(b"last-generated-id", START.encode()).decode(),
        was_trimmed=added is None or added != told.get(b"length"),
        oldest={
            s: float(end[1]) if isinstance(end, list) and end else None for s, end in zip(FINISHED, ends, strict=True)
        },
        is_broken=isinstance(stream, TorilError) and is_wrong_type(stream),
    )


async def run_id(on: Wire) -> str:
    """Changes with each start of the server; empty where INFO is forbidden."""
    try:
        reply: bytes = await on.call(command("INFO", "server"))
    except RedisRefused:
        return ""
    told = dict(line.split(b":", 1) for line in reply.splitlines() if b":" in line)
    return told.get(b"run_id", b"").decode()
