"""XREAD over streams of several slots, which no server of a Cluster answers at once: asked slot by slot.

It cannot block on several of them with one connection either, so it looks again and again while it may wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Protocol

from queues.protocol.calls import collected
from queues.protocol.cluster import routing
from queues.protocol.commands import Argument, Command, command
from queues.protocol.slots import slot

#: As often each stream is looked at while nothing comes.
LOOK_EVERY_S = 0.2


class Asks(Protocol):
    def submit(self, asked: Command[Any]) -> asyncio.Future[Any]: ...


def is_spread(asked: Command[Any]) -> bool:
    if routing.verb_of(asked.args) != "XREAD":
        return False
    first, *others = routing.stream_keys(asked.args)
    return any(slot(key) != slot(first) for key in others)


async def read(on: Asks, asked: Command[Any]) -> Any:
    """What XREAD would answer: COUNT is of each stream, and BLOCK ends with the first that has something."""
    plain = list(_by_slot(asked.args))
    block_ms = _option(asked.args, "BLOCK")
    loop = asyncio.get_running_loop()
    until = None if not block_ms else loop.time() + block_ms / 1000
    while True:
        replies = await collected([on.submit(each) for each in plain], return_errors=False)
        found = [stream for reply in replies for stream in reply or ()]
        if found or block_ms is None or (until is not None and loop.time() >= until):
            return asked.read(found or None)
        await asyncio.sleep(LOOK_EVERY_S if until is None else min(LOOK_EVERY_S, max(0.0, until - loop.time())))


def _by_slot(args: tuple[Argument, ...]) -> Iterator[Command[Any]]:
    begin = routing.streams_at(args)
    keys = routing.stream_keys(args)
    cursors = args[begin + len(keys) :]
    count = _option(args, "COUNT")
    options: tuple[Argument, ...] = () if count is None else ("COUNT", count)
    groups: dict[int, list[tuple[bytes, Argument]]] = {}
    for key, cursor in zip(keys, cursors, strict=True):
        groups.setdefault(slot(key), []).append((key, cursor))
    for group in groups.values():
        names, places = zip(*group, strict=True)
        yield command("XREAD", *options, "STREAMS", *names, *places)


def _option(args: tuple[Argument, ...], name: str) -> int | None:
    options = args[1 : routing.streams_at(args) - 1]
    return next((int(options[at + 1]) for at, word in enumerate(options) if word == name), None)
