"""Everyone who looks through this process: one watcher per connection, and the checks that all viewers share.

There is no lifespan under daphne: it starts with the first viewer and ends a moment after the last.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from weakref import WeakKeyDictionary

from dashboard.live import guard
from dashboard.live.codes import Close
from dashboard.live.local import LocalWatcher
from dashboard.live.viewer import Viewer
from dashboard.live.watcher import Watcher
from queues.models.local import is_in_process

log = logging.getLogger(__name__)

CHECK_S = 5.0
#: Where for so long nobody can say who may look, nobody looks.
BLIND_S = 30.0
LOOK_S = 1.0
#: Who goes from page to page is away for less than this; what was drawn for them is kept so long.
LINGER_S = 2.0
MOST_SOCKETS = 5_000
MOST_PER_SESSION = 200

_registries: WeakKeyDictionary[asyncio.AbstractEventLoop, Registry] = WeakKeyDictionary()


def registry() -> Registry:
    """The running loop's."""
    return _registries.setdefault(asyncio.get_running_loop(), Registry())


class Registry:
    """1. Watchers, one per connection that is looked at. 2. Each second: has a reader stopped? 3. Every 5 s: may they
    all still look?
    """

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self._watchers: dict[str, Watcher] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def has_room(self, session_key: str) -> bool:
        own = sum(viewer.session_key == session_key for viewer in self.viewers)
        return len(self.viewers) < MOST_SOCKETS and own < MOST_PER_SESSION

    async def join(self, viewer: Viewer) -> None:
        self.viewers.add(viewer)
        self._start()
        connection = viewer.place.connection
        if connection not in self._watchers:
            self._watchers[connection] = LocalWatcher(connection) if is_in_process() else Watcher(connection)
        await self._watchers[connection].join(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Callable at any time, twice."""
        self.viewers.discard(viewer)
        if watcher := self._watchers.get(viewer.place.connection):
            watcher.leave(viewer)

    def catch_up(self, viewer: Viewer, since: float) -> None:
        if watcher := self._watchers.get(viewer.place.connection):
            watcher.catch_up(viewer, since)

    def _start(self) -> None:
        if all(task.done() for task in self._tasks):
            create = asyncio.get_running_loop().create_task
            # A fresh context: what serves everybody must not carry the first viewer's.
            self._tasks = {
                create(self._keep(), name="live keeper", context=contextvars.Context()),
                create(self._guard(), name="live guard", context=contextvars.Context()),
            }
            for task in self._tasks:
                task.add_done_callback(_report)

    async def stop(self) -> None:
        """End every task of this loop's live view; callable at any time, twice. The next viewer starts it again."""
        # Before anything is awaited: whoever joins from here on starts anew.
        tasks, self._tasks = self._tasks, set()
        watchers, self._watchers = self._watchers, {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for watcher in watchers.values():
            await watcher.stop()

    async def _keep(self) -> None:
        while self._watchers:
            await asyncio.sleep(LOOK_S)
            await self._look()
        tasks, self._tasks = self._tasks, set()
        for task in tasks - {asyncio.current_task()}:
            task.cancel()

    async def _look(self) -> None:
        for viewer in tuple(self.viewers):
            try:
                viewer.look()
            except Exception:
                log.exception("a viewer of the live view could not be looked at")
                viewer.dismiss(Close.LATER)
        for connection, watcher in tuple(self._watchers.items()):
            if watcher.idle_s > LINGER_S:
                await watcher.stop()
                if watcher.idle_s:
                    del self._watchers[connection]

    async def _guard(self) -> None:
        sure_at = time.monotonic()
        while True:
            await asyncio.sleep(CHECK_S)
            keys = {viewer.session_key for viewer in self.viewers}
            try:
                verdicts = await guard.judged(keys)
            except Exception:
                log.exception("sessions could not be checked for the live view")
                is_blind = time.monotonic() - sure_at > BLIND_S
                verdicts = dict.fromkeys(keys, Close.LATER) if is_blind else {}
            else:
                sure_at = time.monotonic()
            for viewer in tuple(self.viewers):
                verdict = verdicts.get(viewer.session_key)
                if isinstance(verdict, Close):
                    viewer.dismiss(verdict)
                elif verdict is not None:
                    viewer.rescope(verdict)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("the task “%s” ended", task.get_name(), exc_info=error)
