"""A running job's reports, written to Redis however long it is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from queues.protocol.commands import Command
from queues.protocol.running import RunningCommands
from queues.protocol.taken import TakenJob

Send = Callable[[Command[Any]], Awaitable[Any]]


class RedisReporter:
    """`send` waits where Redis does not answer."""

    __slots__ = ("_commands", "_send", "_taken", "last_progress")

    def __init__(self, taken: TakenJob, commands: RunningCommands, send: Send) -> None:
        self._taken, self._commands, self._send = taken, commands, send
        #: What was last reported, as JSON; the heartbeat tells it.
        self.last_progress = ""

    async def log(self, text: str) -> None:
        await self._send(self._commands.log(self._taken, text))

    async def progress(self, value_json: str) -> None:
        self.last_progress = value_json
        await self._send(self._commands.progress(self._taken, value_json))

    async def update_data(self, data_json: str) -> None:
        await self._send(self._commands.update_data(self._taken, data_json))

    async def notify(self, told: Sequence[str]) -> None:
        await self._send(self._commands.notify(self._taken, told))

    async def children(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self._send(self._commands.children_values(self._taken))
        return found
