"""What happens to the jobs that this process runs, event by event as a queue's stream in Redis tells it: the last of
them, in memory. What other processes run, and what was before this one began, is not in it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from django.db import transaction

from queues.protocol.codec import raw
from queues.protocol.events import Event

#: As many as a queue's stream in Redis holds by default.
MOST = 10_000
Position = tuple[int, int]
START = (0, 0)


class Stream:
    """Ids grow over all queues, as if Redis had given them. Safe in any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._lock = threading.Lock()
        self._events: deque[tuple[Position, Event]] = deque()
        self._most = most
        self._last = _now()
        #: Up to here nothing is known any more.
        self._lost = self._last
        self._listeners: set[Callable[[], None]] = set()
        #: Of which something was ever told.
        self.queues: frozenset[str] = frozenset()

    def tell(self, queue: str, kind: str, job_id: str, *told: str) -> None:
        """Once what is being written is committed; `told` are fields and values in turns."""
        transaction.on_commit(partial(self._put, queue, kind, job_id, told), robust=True)

    @property
    def position(self) -> Position:
        """Whatever comes from now on is later."""
        with self._lock:
            self._last = max(_now(), self._last)
            return self._last

    def after(self, place: Position, most: int) -> tuple[bool, list[Event]]:
        """Whether something later than this place is forgotten, and the first of what is known to be later."""
        with self._lock:
            found: list[Event] = []
            for at, event in reversed(self._events):
                if at <= place:
                    break
                found.append(event)
            return place < self._lost, found[::-1][:most]

    def listen(self, listener: Callable[[], None]) -> None:
        """`listener` is called in whatever thread has told something, and must not block."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners.discard(listener)

    def _put(self, queue: str, kind: str, job_id: str, told: tuple[str, ...]) -> None:
        fields = {b"event": raw(kind), b"jobId": raw(job_id)}
        fields |= {raw(name): raw(value) for name, value in zip(told[::2], told[1::2], strict=True)}
        with self._lock:
            self.queues |= {queue}
            self._last = max(_now(), (self._last[0], self._last[1] + 1))
            event_id = f"{self._last[0]}-{self._last[1]}"
            self._events.append((self._last, Event(queue, event_id, kind, job_id, fields)))
            while len(self._events) > self._most:
                self._lost = self._events.popleft()[0]
        for listener in tuple(self._listeners):
            listener()


def _now() -> Position:
    return time.time_ns() // 1_000_000, 0


#: This process's.
stream = Stream()
