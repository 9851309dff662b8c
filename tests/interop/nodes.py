"""Node as a neighbour: its scripts run as processes, and answer in JSON lines."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.services import INTEROP, require_node

#: Asks a Shell on behalf of one test: what it is to do, and with what.
Ask = Callable[[str, Any], Awaitable[Any]]


class Node:
    """Scripts of this folder, on one queue of one Redis."""

    def __init__(self, port: int, prefix: str, queue: str = "chat") -> None:
        self.environ = {**os.environ, "REDIS_PORT": str(port), "PREFIX": prefix, "QUEUE": queue}

    async def run(self, script: str, given: Any) -> Any:
        """The script's answer, its last line."""
        process = await self._start(script)
        out, err = await asyncio.wait_for(process.communicate(json.dumps(given).encode()), 30)
        assert process.returncode == 0, err.decode()
        return json.loads(out.decode().strip("\n").rpartition("\n")[2])

    @asynccontextmanager
    async def working(self) -> AsyncIterator[list[Any]]:
        """A Node worker; gives the list of what it prints."""
        async with self._running(await self._start("work.mjs")) as said:
            yield said

    @asynccontextmanager
    async def listening(self, address: str, token: str) -> AsyncIterator[list[Any]]:
        """A Node program that listens to the queue (`listen.mjs`); gives the list of what it prints."""
        self.environ |= {"ADDRESS": address, "TOKEN": token}
        # Without a flag from Node 22 on.
        async with self._running(await self._start("listen.mjs", "--experimental-websocket")) as said:
            yield said

    @asynccontextmanager
    async def _running(self, process: asyncio.subprocess.Process) -> AsyncIterator[list[Any]]:
        assert process.stdout is not None
        assert process.stdin is not None
        said: list[Any] = []
        assert json.loads(await asyncio.wait_for(process.stdout.readline(), 30)) == {"ready": True}
        listening = asyncio.create_task(_listen(process.stdout, said))
        try:
            yield said
        finally:
            process.stdin.close()
            await asyncio.wait_for(process.wait(), 15)
            await listening

    async def _start(self, script: str, *flags: str) -> asyncio.subprocess.Process:
        pipe, command = asyncio.subprocess.PIPE, [require_node(), *flags, str(INTEROP / script)]
        return await asyncio.create_subprocess_exec(
            *command, env=self.environ, stdin=pipe, stdout=pipe, stderr=pipe, limit=2**25
        )


class Shell:
    """One Node for many tests (the script says what it knows). `close()` ends it."""

    def __init__(self, port: int, script: str = "shell.mjs") -> None:
        self.process = subprocess.Popen(
            [require_node(), str(INTEROP / script)],
            env={**os.environ, "REDIS_PORT": str(port)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    async def call(self, prefix: str, verb: str, given: Any, queue: str = "chat", **more: Any) -> Any:
        asked = json.dumps({"prefix": prefix, "queue": queue, "verb": verb, "given": given, **more})
        answered = json.loads(await asyncio.to_thread(self._exchange, asked.encode() + b"\n"))
        assert "error" not in answered, answered["error"]
        return answered["answer"]

    def _exchange(self, line: bytes) -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


async def _listen(lines: asyncio.StreamReader, said: list[Any]) -> None:
    while line := await lines.readline():
        said.append(json.loads(line))
