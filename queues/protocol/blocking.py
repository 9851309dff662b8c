"""Redis for code without an event loop: what is written for a Wire runs on it as it stands, and blocks.

For the producer's sync door alone; everything else goes over a Wire. Every call ends by one deadline.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeVar

from queues.errors import RedisUnavailable, TorilError
from queues.options import get_options
from queues.protocol.address import Address
from queues.protocol.cluster.blocking import ask_cluster
from queues.protocol.commands import Command
from queues.protocol.lines import ask_at, asking, checked, close_blocking, drive
from queues.protocol.topology import topology

__all__ = ["BlockingWire", "close_blocking", "drive"]

T = TypeVar("T")
ANSWER_S = 1.7


class BlockingWire:
    """`call` and `run` as a Wire has them; they never suspend, they block. For any number of threads."""

    def __init__(self, connection: str) -> None:
        self._options = get_options().connection(connection)

    async def call(self, asked: Command[T], timeout_s: float | None = None) -> T:
        (reply,) = self._ask([asked], timeout_s or ANSWER_S)
        return asked.read(checked(reply))

    async def run(self, commands: Sequence[Command[Any]], return_errors: bool = False) -> list[Any]:
        """All values, in order, in one round trip on one connection; errors as `Wire.run` treats them."""
        results: list[Any] = []
        for asked, reply in zip(commands, self._ask(commands, ANSWER_S) if commands else (), strict=True):
            try:
                results.append(asked.read(checked(reply)))
            except TorilError as error:
                results.append(error)
        for result in results:
            if isinstance(result, RedisUnavailable if return_errors else TorilError):
                raise result
        return results

    def _ask(self, commands: Sequence[Command[Any]], timeout_s: float) -> list[Any]:
        deadline = time.monotonic() + timeout_s
        try:
            if drive(topology(self._options, asking(deadline))) == "cluster":
                return ask_cluster(self._options, commands, deadline)
            return ask_at(Address.of(self._options), commands, deadline)
        except TimeoutError:
            raise RedisUnavailable(f"Redis did not answer within {timeout_s:g} s.") from None
