"""Jobs at a steady rate, whatever happens: what Redis did not acknowledge waits and is sent again under the same id, as
an application with an outbox does.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

from django.test import override_settings

from queues import queue
from queues.errors import TorilError
from queues.options import reset_options
from queues.protocol.blocking import close_blocking
from tests.faults.storm.house import PREFIX, House

AT_ONCE = 50
#: Of a hundred jobs so many are told to programs; and so many fail.
TOLD, FAILING = 4, 2


class Traffic:
    """A thread; `added` are the ids that were acknowledged, `late_s` how long one waited at most in the outbox."""

    def __init__(self, house: House, rate: int, seed: int) -> None:
        self.added: dict[str, list[str]] = {"work": [], "told": []}
        self.failing: set[str] = set()
        self.late_s = 0.0
        self._house, self._rate, self._dice = house, rate, random.Random(seed)
        self._outbox: deque[tuple[float, str, dict[str, Any]]] = deque()
        self._over, self._number = threading.Event(), 0
        self._thread = threading.Thread(target=self._produce, name="traffic")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Waits until the outbox is empty: no more is added, and nothing of what was made is forgotten."""
        self._over.set()
        self._thread.join()

    @property
    def count(self) -> int:
        return sum(map(len, self.added.values()))

    def _produce(self) -> None:
        with override_settings(TORIL={"CONNECTIONS": {"default": {"URL": self._house.redis.url, "PREFIX": PREFIX}}}):
            reset_options()
            began = time.monotonic()
            while not self._over.is_set() or self._outbox:
                while not self._over.is_set() and self._number < (time.monotonic() - began) * self._rate:
                    self._make()
                if self._outbox:
                    self._send()
                else:
                    time.sleep(0.01)
            close_blocking()
        reset_options()

    def _make(self) -> None:
        self._number += 1
        where = "told" if self._dice.randrange(100) < TOLD else "work"
        is_failing = self._dice.randrange(100) < FAILING
        # A few outlive a lock.
        seconds = self._dice.uniform(0, 0.1) if self._dice.randrange(200) else self._dice.uniform(0, 5)
        job_id = f"{where[0]}-{self._number}"
        if is_failing:
            self.failing.add(job_id)
        job = {"name": "raise" if is_failing else "nap", "data": {"s": seconds}, "job_id": job_id}
        self._outbox.append((time.monotonic(), where, job))

    def _send(self) -> None:
        some = [self._outbox[at] for at in range(min(AT_ONCE, len(self._outbox)))]
        self.late_s = max(self.late_s, time.monotonic() - some[0][0])
        with suppress(TorilError):
            for name in ("work", "told"):
                # Twice is once: their ids are known.
                if jobs := [job for _, where, job in some if where == name]:
                    queue(name).sync.add_bulk(jobs)
            for _ in some:
                _, where, job = self._outbox.popleft()
                self.added[where].append(job["job_id"])
            return
        time.sleep(0.05)
