"""A wire to several hosts that may be Sentinels or a Cluster: its first use finds out which.

Once that is known in this process, wires are what they should be from the beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from queues.errors import RedisUnavailable
from queues.options import ConnectionOptions
from queues.protocol import topology
from queues.protocol.address import Address
from queues.protocol.cluster.wire import ClusterWire
from queues.protocol.commands import Command, command
from queues.protocol.wire import Wire, ask

T = TypeVar("T")


def decided(
    options: ConnectionOptions, *, name: str = "", timeout_s: float | None = 1.5, near: bytes = b""
) -> Wire | ClusterWire | None:
    """The right wire; None where the hosts must be asked first."""
    known = topology.known(options)
    if known is None:
        return None
    if known == "cluster":
        return ClusterWire(options, name=name, timeout_s=timeout_s, near=near)
    return Wire(Address.of(options), name=name, timeout_s=timeout_s)


class UndecidedWire:
    """`submit`, `call`, `run`, `bundle`, `connect`, `close` as a Wire has them. Belongs to one event loop."""

    def __init__(self, options: ConnectionOptions, *, name: str, timeout_s: float | None, near: bytes) -> None:
        self.options, self.name, self.timeout_s = options, name, timeout_s
        self._near = near
        self._on: Wire | ClusterWire | None = None
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def dials(self) -> int:
        return self._on.dials if self._on is not None else 0

    @property
    def is_connected(self) -> bool:
        return self._on is not None and self._on.is_connected

    def submit(self, asked: Command[T]) -> asyncio.Future[T]:
        if self._on is not None:
            return self._on.submit(asked)
        task = asyncio.get_running_loop().create_task(self.call(asked), name="ask for the topology")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def call(self, asked: Command[T], timeout_s: float | None = None) -> T:
        return await (await self._decided()).call(asked, timeout_s)

    async def run(self, commands: Sequence[Command[Any]], return_errors: bool = False) -> list[Any]:
        return await (await self._decided()).run(commands, return_errors)

    async def bundle(self, packed: bytes, replies: int) -> list[Any]:
        return await (await self._decided()).bundle(packed, replies)

    async def connect(self) -> None:
        await self.call(command("PING"))

    async def each(self) -> list[Wire]:
        return await (await self._decided()).each()

    async def all_of_them(self) -> dict[str, Wire]:
        return await (await self._decided()).all_of_them()

    async def apart(self, keys: Sequence[bytes]) -> list[list[int]]:
        return await (await self._decided()).apart(keys)

    async def close(self) -> None:
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._on is not None:
            await self._on.close()

    async def _decided(self) -> Wire | ClusterWire:
        if self._closed:
            raise RedisUnavailable("The connection to Redis was closed.")
        if self._on is None:
            await topology.topology(self.options, ask)
            if self._on is None:
                self._on = decided(self.options, name=self.name, timeout_s=self.timeout_s, near=self._near)
        assert self._on is not None  # noqa: S101  # it was just found out
        return self._on
