"""Somebody who is told of events: what they may know of each, what waits for them, and when they are too slow."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from dashboard.credentials.identity import Identity
from dashboard.live.codes import Close
from dashboard.live.facts import Known
from dashboard.live.line import Line
from dashboard.live.notice import Message, Notice, unnamed, write_mark
from dashboard.live.subscription import Subscription
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.together import START, Mark

#: With more than this at the server nothing more is handed to it …
BEHIND_BYTES = 64 * 1024
#: … and whoever takes nothing of it for so long is dropped; and one for whom so much waits here.
STUCK_S = 10.0
MOST_WAITING = 2_000
PACE_S = 0.02
#: Of so many queues it is known what it may; a program may ask for queues that nobody has.
MOST_KNOWN = 10_000
#: A history that is caught up with waits while more than this waits here.
FULL = 500


class Listener:
    """`dismiss` ends it; the socket or stream that made it then closes with `closing`."""

    def __init__(self, identity: Identity, connection: str, send: Any) -> None:
        self.connection = connection
        self.line = Line(send)
        self.subscriptions: set[Subscription] = set()
        self.closing: Close | None = None
        #: How many histories are on their way to it; what comes meanwhile waits for their end.
        self.catching_up = 0
        self._later: list[Message] = []
        self._mail: deque[Message] = deque()
        self._news, self._space = asyncio.Event(), asyncio.Event()
        self._unsent, self._moved_at = 0, time.monotonic()
        self.on_dismiss: Callable[[], None] = lambda: None
        self.rescope(identity)

    # --- rights

    def rescope(self, identity: Identity) -> None:
        """Who it is, asked anew: from now on told of what they may know now."""
        self.identity = identity
        place = "default" if self.connection == LOCAL_CONNECTION else self.connection
        self._grants = identity.grants.at(place)
        self._known: dict[str, tuple[bool, bool]] = {}

    def view(self, notice: Notice) -> Message | None:
        """What of this it may know; None for nothing."""
        sees, reads = self._rights(notice.event.queue)
        if not sees:
            return None
        if own := self.identity.own:
            held = {name: str(value) for name, value in notice.carried.items()}
            return notice.full if all(held.get(name) == value for name, value in own.items()) else None
        return notice.full if reads else notice.bare

    def may_ask(self, wanted: Subscription) -> bool:
        """Whether it may find jobs by what they carry: whoever may not read that must not be able to guess it."""
        if not wanted.fields or self.identity.own:
            return True
        return self._grants.anywhere.may("job.payload")

    def may_find(self, notice: Notice, wanted: Subscription) -> bool:
        return not wanted.fields or bool(self.identity.own) or self._rights(notice.event.queue)[1]

    def may_have_missed(self, queue: str, wanted: Subscription, known: Known) -> bool:
        """Whether an event of this queue, of a job of which nothing is known, may have been for it."""
        names = [*self.identity.own, *(name for name, _value in wanted.fields)]
        return bool(names) and wanted.queue in ("", queue) and self.sees(queue) and known.carries(queue, names)

    def sees(self, queue: str) -> bool:
        return self._rights(queue)[0]

    def place(self, mark: Mark) -> str:
        """Where it would go on, as it is told: no queue is named that it does not see. Empty where nobody knows yet."""
        if mark.position <= START:
            return ""
        return write_mark(mark if not mark.queue or self.sees(mark.queue) else unnamed(mark))

    def _rights(self, queue: str) -> tuple[bool, bool]:
        """Whether it sees the queue, and may read what its jobs carry."""
        if queue not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self.rescope(self.identity)
            sees = self._grants.sees(queue)
            self._known[queue] = sees, sees and self._grants.on(queue).may("job.payload")
        return self._known[queue]

    # --- telling

    def hear(self, message: Message) -> None:
        """In order; drops whoever is too slow."""
        if self.closing is not None:
            return
        if self.catching_up:
            self._later.append(message)
            if len(self._later) > MOST_WAITING:
                self.dismiss(Close.LATER)
            return
        self.put(message)

    def put(self, message: Message) -> None:
        """Before whatever waits for the end of a history."""
        if self.closing is not None:
            return
        self._mail.append(message)
        self._news.set()
        if len(self._mail) > MOST_WAITING:
            self.dismiss(Close.NOT_READING)

    def caught_up(self) -> None:
        """A history is told."""
        self.catching_up -= 1
        if not self.catching_up:
            later, self._later = self._later, []
            for message in later:
                self.put(message)

    @property
    def is_full(self) -> bool:
        return len(self._mail) > FULL and self.closing is None

    async def room(self) -> None:
        """Returns when a history may go on."""
        while self.is_full:
            self._space.clear()
            await self._space.wait()

    def dismiss(self, code: Close) -> None:
        if self.closing is None:
            self.closing = code
            self._mail.clear()
            self._later.clear()
            self._news.set()
            self._space.set()
            self.on_dismiss()

    async def next(self, wait_s: float | None = None) -> Message | None:
        """What is to be sent; None where it was dismissed, or where nothing came for so long. Paced by its reader."""
        while not self._mail:
            if self.closing is not None:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
            except TimeoutError:
                return None
        # The server says nothing when its client has read.
        while self.line.unsent > BEHIND_BYTES and self.closing is None:  # noqa: ASYNC110
            await asyncio.sleep(PACE_S)
        if not self._mail:
            return None
        told = self._mail.popleft()
        if not self.is_full:
            self._space.set()
        return told

    def look(self) -> None:
        """Each second: has its reader stopped?"""
        now, unsent = time.monotonic(), self.line.unsent
        if not unsent or unsent < self._unsent:
            self._moved_at = now
        self._unsent = unsent
        if now - self._moved_at > STUCK_S:
            self.dismiss(Close.NOT_READING)
