"""Named connections become sockets. A shared wire belongs to one event loop; whoever opens another closes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import cast
from weakref import WeakKeyDictionary

from queues.options import ConnectionOptions, get_options
from queues.protocol.blocking import BlockingWire
from queues.protocol.cluster.undecided import UndecidedWire, decided
from queues.protocol.keys import Keys
from queues.protocol.scripts import check_version
from queues.protocol.wire import Wire

#: A page must say within 2 s that Redis is away; this leaves it time to draw.
ANSWER_S = 1.5

_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[ConnectionOptions, str], Wire]] = WeakKeyDictionary()
_endings: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = WeakKeyDictionary()


def wire(connection: str = "default", purpose: str = "") -> Wire:
    """The running loop's shared wire; opened at its first command, closed with the loop.

    One with a `purpose` is apart from it, and carries blocking commands. Without a loop: what `blocking.drive` runs on.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return cast(Wire, BlockingWire(connection))
    options = get_options().connection(connection)
    if loop not in _shared:
        _shared[loop], _endings[loop] = {}, _ending()
        with suppress(StopIteration):
            _endings[loop].asend(None).send(None)
    wires = _shared[loop]
    if (options, purpose) not in wires:
        wires[options, purpose] = open_wire(connection, timeout_s=None if purpose else ANSWER_S)
    return wires[options, purpose]


def open_wire(
    connection: str = "default", *, name: str = "", timeout_s: float | None = None, near: bytes = b""
) -> Wire:
    """A wire of the caller's own. `timeout_s=None` for blocking commands; `name` is what CLIENT LIST shows; `near`: in
    a Cluster, the beginning of the keys that it is for.
    """
    check_version()
    options = get_options().connection(connection)
    found = decided(options, name=name, timeout_s=timeout_s, near=near)
    # They differ in what is behind them, and in nothing that a caller could see.
    return cast(Wire, found or UndecidedWire(options, name=name, timeout_s=timeout_s, near=near))


async def close_wires() -> None:
    """Close the running loop's shared wires; callable at any time, twice."""
    if (ending := _endings.pop(asyncio.get_running_loop(), None)) is not None:
        await ending.aclose()


async def _ending() -> AsyncGenerator[None, None]:
    """Closes the loop's wires. A generator, for a loop that ends closes those that have begun: so that each call by
    `asyncio.run` or `async_to_sync`, which makes a loop of its own, leaves no connection behind.
    """
    try:
        yield
    finally:
        loop = asyncio.get_running_loop()
        # A generator holds the loop that would end it: kept here, no loop would ever be let go.
        _endings.pop(loop, None)
        for opened in _shared.pop(loop, {}).values():
            await opened.close()


def keys(connection: str, queue: str) -> Keys:
    return Keys(get_options().connection(connection).prefix, queue)


def prefix(connection: str) -> str:
    return get_options().connection(connection).prefix
