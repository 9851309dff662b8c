"""Under WSGI each request has a thread and no loop: ours are answered on one loop that all of a process share.

Connections to Redis belong to a loop. With Django's own adapter, which makes a loop for each request, each would dial.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncIterable, Callable, Coroutine, Iterator
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponseBase

from queues.protocol.connections import close_wires

Answer = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponseBase]]
#: Pieces of a download that are made before somebody takes them.
MOST_AHEAD = 4
_ENDING_S = 2.0


class Loop:
    """A loop on a thread of its own, as long as the process lives."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.pid = os.getpid()
        self._thread = threading.Thread(target=self.loop.run_forever, name="toril", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def stop(self) -> None:
        """Callable twice; a forked child's copy has no thread to stop."""
        if self.pid != os.getpid() or not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(close_wires(), self.loop).result(_ENDING_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_ENDING_S)


_kept: list[Loop] = []
_making = threading.Lock()


def shared() -> Loop:
    """This process's; a server that forks after it was loaded has one in each child."""
    with _making:
        if not _kept or _kept[0].pid != os.getpid():
            _kept[:] = [Loop()]
        return _kept[0]


async def elsewhere(request: HttpRequest, answer: Answer) -> HttpResponseBase:
    """The answer, made on the shared loop while this thread waits."""
    response: HttpResponseBase = await shared().run(_answered(request, answer))
    if response.streaming and getattr(response, "is_async", False):
        response.streaming_content = _drawn_from(response.streaming_content)  # type: ignore[attr-defined]
    return response


async def _answered(request: HttpRequest, answer: Answer) -> HttpResponseBase:
    # One thread per request for what waits for the database, as under ASGI.
    async with ThreadSensitiveContext():
        try:
            return await answer(request)
        finally:
            await sync_to_async(connections.close_all)()


def _drawn_from(pieces: AsyncIterable[bytes]) -> Iterator[bytes]:
    """A download, piece by piece, in the server's own thread."""
    held: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(MOST_AHEAD)
    loop = shared()
    pump = asyncio.run_coroutine_threadsafe(_pump(pieces, held), loop.loop)
    try:
        while (piece := loop.wait(held.get())) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        pump.cancel()


async def _pump(pieces: AsyncIterable[bytes], held: asyncio.Queue[bytes | BaseException | None]) -> None:
    async with ThreadSensitiveContext():
        try:
            async for piece in pieces:
                await held.put(piece)
            await held.put(None)
        except Exception as error:
            await held.put(error)
        finally:
            await sync_to_async(connections.close_all)()
