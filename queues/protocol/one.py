"""What a wire to a single server answers where one to a Cluster would have more to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from queues.protocol.address import Address
from queues.protocol.commands import Command
from queues.protocol.topology import Ask


class OneServer:
    async def each(self) -> list[Self]:
        """The servers that may hold something under the prefix, one wire for each: itself."""
        return [self]

    async def all_of_them(self) -> dict[str, Self]:
        """Every primary by its address: nothing, for there is only one."""
        return {}

    async def apart(self, keys: Sequence[bytes]) -> list[list[int]]:
        """Places of these keys, those together that one transaction may touch: here all."""
        return [list(range(len(keys)))] if keys else []


def over_new_wires(made: Callable[[Address], Any]) -> Ask:
    """A server's answers, over a wire that is made for them."""

    async def ask(address: Address, commands: Sequence[Command[Any]]) -> list[Any]:
        on = made(address)
        try:
            found: list[Any] = await on.run(commands, return_errors=True)
        finally:
            await on.close()
        return found

    return ask
