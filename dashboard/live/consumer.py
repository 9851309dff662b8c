"""The dashboard's socket: `/admin/queues/live?queue=…&job=…`. It tells; what a client sends is counted, not read."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Any, cast

from autobahn.exception import Disconnected
from channels.generic.websocket import AsyncWebsocketConsumer

from dashboard.grants import Grants, Sight
from dashboard.live import guard
from dashboard.live.codes import Close
from dashboard.live.fragments import Topic
from dashboard.live.line import Line
from dashboard.live.registry import Registry, registry
from dashboard.live.viewer import Place
from queues.options import get_options

log = logging.getLogger(__name__)

#: With more than this waiting at the server a viewer gets nothing new until it has taken it …
BEHIND_BYTES = 64 * 1024
#: … and one that takes nothing for so long, or always keeps something waiting for so long, is dropped.
#: Beside daphne’s pings: `runserver` pings every 20 s and waits 30, and no ping caps memory.
STUCK_S, SLOW_S = 10.0, 60.0
#: A closing handshake may take so long.
CLOSING_S = 3.0
#: Messages that wait for a server which makes senders wait.
MOST_WAITING = 100
#: Pages send nothing. Less often than daphne's pings, so that nobody can put them off by sending.
MOST_MESSAGES, MESSAGES_PER_S, MOST_CHARS = 10, 0.1, 4096


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """A viewer. `dashboard.socket_door` tells its session; whether that one may look is asked here. Then it passes on
    what is offered, as long as it is taken.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.place = Place.of(scope.get("query_string", b""))
        self.topics: frozenset[Topic] = self.place.topics
        self.sight: Sight | None = Sight(frozenset())
        self.session_key = str(scope.get("session_key", ""))
        self.behind_since: float | None = None
        self._line = Line(send)
        self._unsent, self._moved_at, self._clear_at = 0, time.monotonic(), time.monotonic()
        self._mail: deque[str] = deque()
        self._news = asyncio.Event()
        self._closing: Close | None = None
        self._told_at = float("-inf")
        self._allowance, self._heard_at = float(MOST_MESSAGES), time.monotonic()
        self._registry: Registry = registry()
        self._sender: asyncio.Task[None] | None = None
        self._cutting: asyncio.TimerHandle | None = None
        self._task = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Also where the server ends us without a word, as daphne does when it stops.
            await self._leave()

    # --- coming and going

    async def connect(self) -> None:
        code = await self._refusal()
        # Accepted first in any case: a browser is told the code only of a socket that was open.
        await self.accept()
        if code is not None:
            self.dismiss(code)
        self._sender = asyncio.create_task(self._send_all(), name="live viewer")
        if code is None:
            await self._registry.join(self)

    async def _refusal(self) -> Close | None:
        if not self.session_key:
            return Close.SIGNED_OUT
        try:
            verdict = (await guard.judged({self.session_key}))[self.session_key]
        except Exception:
            log.exception("a session could not be checked for the live view")
            return Close.LATER
        if isinstance(verdict, Close):
            return verdict
        if self.place.connection not in get_options().connections:
            return Close.UNKNOWN
        self.sight = verdict.sight(self.place.connection)
        self.place = self.place.within(self.sight)
        self.topics = self.place.topics
        return None if self._registry.has_room(self.session_key) else Close.LATER

    async def _leave(self) -> None:
        self._registry.leave(self)
        if self._cutting is not None:
            self._cutting.cancel()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait({self._sender})

    async def dispatch(self, message: Any) -> None:
        # Not through Channels' dispatch, which enters a thread for each frame.
        if message["type"] == "websocket.receive":
            self._hear(message.get("text") or message.get("bytes") or "")
        else:
            await super().dispatch(message)

    def _hear(self, said: str | bytes) -> None:
        now = time.monotonic()
        self._allowance = min(MOST_MESSAGES, self._allowance + (now - self._heard_at) * MESSAGES_PER_S) - 1
        self._heard_at = now
        if self._closing is None and (self._allowance < 0 or len(said) > MOST_CHARS):
            self.dismiss(Close.MISBEHAVED)

    # --- a viewer, as the watcher and the registry know it

    def offer(self, frames: list[str]) -> None:
        if not frames or self._closing is not None or self.behind_since is not None:
            return
        is_early = time.monotonic() - self._told_at < self.place.every_s
        if is_early or self._line.unsent > BEHIND_BYTES or len(self._mail) > MOST_WAITING:
            self.behind_since = time.time()
            return
        self._told_at = time.monotonic()
        self._mail.extend(frames)
        self._news.set()

    def look(self) -> None:
        now, unsent = time.monotonic(), self._line.unsent + sum(map(len, self._mail))
        if not unsent:
            self._clear_at = now
        if not unsent or unsent < self._unsent:
            self._moved_at = now
        self._unsent = unsent
        if now - self._moved_at > STUCK_S or now - self._clear_at > SLOW_S:
            self.dismiss(Close.NOT_READING)
        elif self.behind_since is not None and not unsent and now - self._told_at >= self.place.every_s:
            since, self.behind_since = self.behind_since, None
            self._registry.catch_up(self, since)

    def rescope(self, grants: Grants) -> None:
        before, self.sight = self.sight, grants.sight(self.place.connection)
        is_less = self.sight is not None and (before is None or not before.patterns <= self.sight.patterns)
        if is_less:
            # The page shows what is no longer to be seen: a reload draws what is left.
            self.dismiss(Close.FORBIDDEN)

    def dismiss(self, code: Close) -> None:
        if self._closing is not None:
            return
        self._closing = code
        self._mail.clear()
        self._news.set()
        self._registry.leave(self)
        # A client that does not read does not answer a closing handshake either.
        self._cutting = asyncio.get_running_loop().call_later(CLOSING_S, self._cut)

    def _cut(self) -> None:
        if self._line.is_known:
            self._line.abort()
        else:
            self._task.cancel()

    # --- sending

    async def _send_all(self) -> None:
        try:
            while self._closing is None:
                await self._news.wait()
                self._news.clear()
                while self._mail and self._closing is None:
                    await self.send(text_data=self._mail.popleft())
        except Disconnected:
            # Its tab was closed while this was under way; the word of that follows.
            self.dismiss(Close.LATER)
        except Exception:
            log.exception("a viewer of the live view could not be sent to")
            self.dismiss(Close.LATER)
        await self.close(int(self._closing or Close.LATER))
