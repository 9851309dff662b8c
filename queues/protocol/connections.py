"""Named connections become sockets. A shared wire belongs to one event loop; whoever opens another closes it."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from queues.options import ConnectionOptions, get_options
from queues.protocol.address import Address
from queues.protocol.keys import Keys
from queues.protocol.scripts import check_version
from queues.protocol.wire import Wire

#: A page must say within 2 s that Redis is away; this leaves it time to draw.
ANSWER_S = 1.5

_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ConnectionOptions, Wire]] = WeakKeyDictionary()


def wire(connection: str = "default") -> Wire:
    """The running loop's shared wire; opened at its first command."""
    options = get_options().connection(connection)
    wires = _shared.setdefault(asyncio.get_running_loop(), {})
    if options not in wires:
        wires[options] = open_wire(connection, timeout_s=ANSWER_S)
    return wires[options]


def open_wire(connection: str = "default", *, name: str = "", timeout_s: float | None = None) -> Wire:
    """A wire of the caller's own. `timeout_s=None` for blocking commands; `name` is what CLIENT LIST shows."""
    check_version()
    return Wire(Address.of(get_options().connection(connection)), name=name, timeout_s=timeout_s)


async def close_wires() -> None:
    """Close the running loop's shared wires; callable at any time, twice."""
    for opened in _shared.pop(asyncio.get_running_loop(), {}).values():
        await opened.close()


def keys(connection: str, queue: str) -> Keys:
    return Keys(get_options().connection(connection).prefix, queue)


def prefix(connection: str) -> str:
    return get_options().connection(connection).prefix
