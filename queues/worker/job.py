"""What a processor is given: the job's facts, and two ways to report while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from queues.errors import TorilError
from queues.protocol import codec
from queues.protocol.commands import Command
from queues.protocol.running import RunningCommands
from queues.protocol.taken import TakenJob
from queues.worker import journal

MAX_LOG_LINE = 64_000
Send = Callable[[Command[Any]], Awaitable[Any]]


class JobFacts:
    """`attempt` counts from 1 to `attempts`; `data` is the decoded JSON, the processor's own to change."""

    def __init__(self, taken: TakenJob, data: Any, commands: RunningCommands, send: Send) -> None:
        self.id = taken.id
        self.name = taken.name
        self.queue = commands.keys.queue
        self.data = data
        self.attempt = taken.attempts_made + 1
        self.attempts = taken.attempts
        self.priority = taken.priority
        self._taken, self._commands, self._send = taken, commands, send

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.queue}/{self.id} “{self.name}”>"

    def _log(self, text: object) -> Command[None]:
        line = str(text)[:MAX_LOG_LINE].encode("utf-8", "backslashreplace").decode()
        return self._commands.log(self._taken, line)

    def _progress(self, value: Any) -> Command[None]:
        value_json = codec.to_json(value)
        journal.progress(self.queue, self.id, value_json)
        return self._commands.progress(self._taken, value_json)


class Job(JobFacts):
    """For async processors. While Redis is away a report waits for it. JobNotFound: the job was removed meanwhile."""

    async def log(self, text: object) -> None:
        """Add a line to the job's log."""
        await self._send(self._log(text))

    async def progress(self, value: Any) -> None:
        """Report a number or anything JSON can say; each report replaces the last."""
        await self._send(self._progress(value))


class ThreadJob(JobFacts):
    """The same for plain functions, which run in threads: nothing is awaited."""

    def __init__(self, taken: TakenJob, data: Any, commands: RunningCommands, send: Send) -> None:
        super().__init__(taken, data, commands, send)
        self._loop = asyncio.get_running_loop()

    def log(self, text: object) -> None:
        """Add a line to the job's log."""
        self._wait_for(self._log(text))

    def progress(self, value: Any) -> None:
        """Report a number or anything JSON can say; each report replaces the last."""
        self._wait_for(self._progress(value))

    def _wait_for(self, command: Command[None]) -> None:
        sending = self._sending(command)
        try:
            asyncio.run_coroutine_threadsafe(sending, self._loop).result()
        except RuntimeError:
            sending.close()
            raise TorilError("The worker has stopped; this job was handed back to its queue.") from None

    async def _sending(self, command: Command[None]) -> None:
        await self._send(command)
