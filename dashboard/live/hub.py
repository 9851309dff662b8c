"""Every program that listens through this process: one follower per connection, and what all listeners share.

There is no lifespan under daphne: it starts with the first listener and ends a moment after the last.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from weakref import WeakKeyDictionary

from dashboard.credentials.identifying import recheck
from dashboard.credentials.identity import Identity
from dashboard.live.codes import Close
from dashboard.live.follower import Follower
from dashboard.live.listener import Listener
from dashboard.live.notice import message
from queues.options import get_options

log = logging.getLogger(__name__)

LOOK_S = 1.0
#: With what `recheck` itself remembers, whoever is shut out hears nothing after 5 s.
CHECK_S = 2.5
#: Where for so long nobody can say who may listen, nobody listens.
BLIND_S = 30.0
#: Who reconnects is away for less than this; what is known of jobs is kept so long.
LINGER_S = 60.0

_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The running loop's."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())


class Hub:
    """1. Followers, one per connection that is listened to. 2. Each second: has a reader stopped, is a heartbeat due?
    3. Every few seconds: may they all still listen?
    """

    def __init__(self) -> None:
        self.listeners: dict[Listener, float] = {}
        self._followers: dict[str, Follower] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sure_at = 0.0

    def has_room(self, identity: Identity) -> bool:
        limits = get_options().live
        own = sum(each.identity.caller == identity.caller for each in self.listeners)
        return len(self.listeners) < limits.most and own < limits.per_caller

    def follower(self, connection: str) -> Follower:
        if connection not in self._followers:
            self._followers[connection] = Follower(connection)
        return self._followers[connection]

    def join(self, listener: Listener) -> Follower:
        self.listeners[listener] = time.monotonic()
        self._start()
        follower = self.follower(listener.connection)
        follower.join(listener)
        return follower

    def leave(self, listener: Listener) -> None:
        """Callable at any time, twice."""
        self.listeners.pop(listener, None)
        if follower := self._followers.get(listener.connection):
            follower.leave(listener)

    def _start(self) -> None:
        if all(task.done() for task in self._tasks):
            create = asyncio.get_running_loop().create_task
            self._sure_at = time.monotonic()
            # A fresh context: what serves everybody must not carry the first listener's.
            self._tasks = {
                create(self._keep(), name="events keeper", context=contextvars.Context()),
                create(self._guard(), name="events guard", context=contextvars.Context()),
            }

    async def stop(self) -> None:
        """End every task of this loop's followers; callable at any time, twice."""
        tasks, self._tasks = self._tasks, set()
        followers, self._followers = self._followers, {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for follower in followers.values():
            await follower.stop()

    async def _keep(self) -> None:
        while self._followers:
            await asyncio.sleep(LOOK_S)
            for listener in tuple(self.listeners):
                try:
                    listener.look()
                    self._beat(listener)
                except Exception:
                    log.exception("a listener could not be looked at")
                    listener.dismiss(Close.LATER)
            await self._let_go()
        tasks, self._tasks = self._tasks, set()
        for task in tasks - {asyncio.current_task()}:
            task.cancel()

    def _beat(self, listener: Listener) -> None:
        """Says that the line is open, and from where to go on: a quiet reader does not look back for hours."""
        now = time.monotonic()
        if listener in self.listeners and now - self.listeners[listener] >= get_options().live.heartbeat_s:
            self.listeners[listener] = now
            mark = self.follower(listener.connection).mark
            listener.hear(message("heartbeat", id=listener.place(mark)))

    async def _let_go(self) -> None:
        for connection, follower in tuple(self._followers.items()):
            if follower.idle_s > LINGER_S:
                # First: who joins while this one ends gets another, and not one whose histories are cut off.
                del self._followers[connection]
                await follower.stop()

    # --- whether they still may

    async def _guard(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                await self._check()
            except Exception:
                log.exception("who listens could not be checked")
                if time.monotonic() - self._sure_at > BLIND_S:
                    for listener in tuple(self.listeners):
                        listener.dismiss(Close.LATER)
            else:
                self._sure_at = time.monotonic()

    async def _check(self) -> None:
        """Many of one session or key are one question; a token answers for itself."""
        held: dict[object, list[Listener]] = {}
        for listener in self.listeners:
            credential = listener.identity.credential
            held.setdefault(credential if credential.id else listener, []).append(listener)
        for listeners in held.values():
            identity = listeners[0].identity
            now = await recheck(identity)
            for listener in listeners:
                if now is None:
                    listener.dismiss(Close.SIGNED_OUT)
                elif not now.grants.may_see:
                    listener.dismiss(Close.FORBIDDEN)
                elif now is not identity:
                    listener.rescope(now)
