"""Waits for a queue's marker on a connection of its own, named so that Node's getWorkers finds the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from queues.errors import RedisRefused, RedisUnavailable
from queues.options import get_options
from queues.protocol.commands import command
from queues.protocol.connections import open_wire
from queues.protocol.fleet import client_name, shown_name
from queues.protocol.running import RunningCommands
from queues.protocol.wire import Wire
from queues.worker.outage import Outage

BLOCK_S = 2.0
#: An answer later than this after its block means that nobody is at the other end.
MARGIN_S = 2.0
KEEPALIVE_S = 5.0


def wire_name(worker: str, worker_id: str) -> str:
    """What CLIENT LIST shows of a worker's other connections; its jobs' locks begin with the same id."""
    return f"toril:{shown_name(worker)}:{worker_id}"


class Marker:
    """`listen` asks for the queue's next note; `on_news` is then called with the time (ms) at which there is work.

    Notes are taken away by reading them, so it must not listen while the worker could not use what it hears.
    """

    def __init__(
        self, connection: str, commands: RunningCommands, outage: Outage, on_news: Callable[[float], None]
    ) -> None:
        self._connection, self._commands, self._outage, self._on_news = connection, commands, outage, on_news
        self._wanted = asyncio.Event()

    def listen(self) -> None:
        self._wanted.set()

    def unlisten(self) -> None:
        self._wanted.clear()

    async def run(self) -> None:
        prefix = get_options().connection(self._connection).prefix
        name = client_name(prefix, self._commands.keys.queue, f"w:{shown_name(self._commands.name)}")
        wire = open_wire(self._connection, name=name, timeout_s=None, near=self._commands.keys.base)
        patience = self._outage.patience()
        try:
            while True:
                try:
                    await self._turn(wire)
                except (RedisUnavailable, RedisRefused) as error:
                    await patience.wait(error)
                    self._wanted.set()
                else:
                    patience.over()
        finally:
            await wire.close()

    async def _turn(self, wire: Wire) -> None:
        if not wire.is_connected:
            await wire.call(command("PING"), timeout_s=MARGIN_S)
        try:
            # Not wait_for: where the wish and the end come together, Python 3.11's loses the cancellation.
            async with asyncio.timeout(KEEPALIVE_S):
                await self._wanted.wait()
        except TimeoutError:
            # A busy worker does not listen, but getWorkers should find it.
            await wire.call(command("PING"), timeout_s=MARGIN_S)
            return
        self._wanted.clear()
        due_ms = await wire.call(self._commands.await_marker(BLOCK_S), timeout_s=BLOCK_S + MARGIN_S)
        if due_ms is not None:
            self._on_news(due_ms)
