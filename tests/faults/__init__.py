"""Faults for tests: a Redis that is killed, frozen or demoted, and a network that delays, resets and goes silent."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from queues.errors import RedisUnavailable
from queues.protocol.wire import Wire
from tests.conftest import RedisServer


def sturdy_redis(folder: Path) -> RedisServer:
    """A server that keeps what it acknowledged through a kill of its process.

    `everysec` does not: while the disk is slow to sync, writes that were acknowledged wait in the process.
    """
    return RedisServer(folder, "--appendonly", "yes", "--appendfsync", "no", "--enable-debug-command", "local")


@contextlib.contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


class Proxy:
    """A TCP proxy on the running loop. `port` is where to connect; the rest may be changed at any time."""

    def __init__(self, port: int, *, seed: int = 0) -> None:
        self.target, self.port = port, 0
        #: Each chunk is held back for so long, in both directions.
        self.delay_s = 0.0
        #: How likely a chunk is to end its connection, after a random part of it was passed on.
        self.reset_share = 0.0
        self.resets = 0
        self._dice = random.Random(seed)
        self._pumps: set[asyncio.Task[None]] = set()
        self._silent: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._pumps:
            task.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        """Those that are open are dead from now on, though their sockets stay; new ones work."""
        self._silent = set(self._pumps)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            pump = asyncio.create_task(self._pump(source, sink, (writer, there_writer)), name="proxy")
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, both: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        try:
            while data := await source.read(65_536):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if asyncio.current_task() in self._silent:
                    continue
                if self.reset_share and self._dice.random() < self.reset_share:
                    self.resets += 1
                    sink.write(data[: self._dice.randrange(len(data))])
                    return
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            for end in both if self.reset_share else (sink,):
                end.close()


@contextlib.contextmanager
def proxied(port: int, *, seed: int = 0) -> Iterator[Proxy]:
    """A Proxy on a loop and thread of its own, for tests that have none."""
    started, done = threading.Event(), asyncio.Event()
    proxy = Proxy(port, seed=seed)
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with proxy:
            started.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()], name="proxy")
    thread.start()
    started.wait(5)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


async def connects(wire: Wire) -> bool:
    """Whether Redis lets it in again."""
    try:
        await wire.connect()
    except RedisUnavailable:
        return False
    return True
