"""A thread, a loop and a connection for what must go on while the worker's own loop stands still."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from queues.protocol.connections import open_wire
from queues.protocol.wire import Wire
from queues.worker.duties import Duties

ANSWER_S = 2.0
#: What duties get to say goodbye in when they are cancelled.
LEAVE_S = 3.0


class Aside:
    """1. Run its duties, named and watched, on a thread and a loop of their own.
    2. Tell the worker's loop what they find, and if one of them dies; the others go on.

    A duty runs until it is cancelled. `add` before `start`; `start` and `stop` are callable twice, in any order.
    """

    def __init__(self, connection: str, on_death: Callable[[str], None], *, name: str = "") -> None:
        self.connection, self.name, self._on_death = connection, name, on_death
        self._wanted: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        self._wire: Wire | None = None
        self._owners_loop: asyncio.AbstractEventLoop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    @property
    def wire(self) -> Wire:
        """The duties' shared wire; for them alone, for it belongs to their loop."""
        if self._wire is None:
            raise RuntimeError("The aside has not started.")
        return self._wire

    @property
    def dials(self) -> int:
        """How often its connection was opened: one more means that Redis was lost and found again."""
        return self._wire.dials if self._wire is not None else 0

    def add(self, name: str, duty: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """`duty` is called, and its coroutine run, in the aside's thread."""
        self._wanted.append((name, duty))

    def start(self) -> None:
        """Call it in the worker's loop."""
        if self._thread is not None or self._is_stopping:
            return
        self._owners_loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Cancel the duties, let them say goodbye, and end the thread."""
        self._is_stopping = True
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stopped is not None:
            _call(self._loop, self._stopped.set)
        await asyncio.to_thread(thread.join)

    def tell(self, listener: Callable[..., None], *words: object) -> None:
        """Call `listener` on the worker's loop, soon; never where that loop is closed."""
        if self._owners_loop is not None:
            _call(self._owners_loop, listener, *words)

    # --- in the thread

    def _run(self) -> None:
        # A signal that this thread took would not wake a main thread that a processor has put to sleep.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self.tell(self._on_death, f"“aside” died: {type(error).__name__}: {error}")

    async def _main(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._wire = open_wire(self.connection, name=self.name, timeout_s=ANSWER_S)
        duties = Duties(partial(self.tell, self._on_death))
        for name, duty in self._wanted:
            duties.start(name, duty())
        try:
            # `stop` may have come before there was an event to set.
            if not self._is_stopping:
                await self._stopped.wait()
        finally:
            # Who is slower is cancelled once more, by the end of the loop; that is no death.
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await duties.stop()
            await self._wire.close()


def _call(loop: asyncio.AbstractEventLoop, listener: Callable[..., None], *words: object) -> None:
    try:
        loop.call_soon_threadsafe(listener, *words)
    except RuntimeError:
        # It was closed meanwhile: nobody is left to hear.
        return
