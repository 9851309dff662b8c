"""Sends what is due, many at a time and few to one receiver, and writes down what came of it.

What was sent but not yet written down when the process is killed is sent again, under the same id.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from queues.delivery import books
from queues.delivery.books import Done, Work
from queues.delivery.notices import tell_maker
from queues.delivery.schedule import BUSY
from queues.delivery.sending import Answer, post
from queues.delivery.signing import headers
from queues.models import Endpoint

log = logging.getLogger(__name__)

#: Requests under way: in all, to one endpoint, and to one that failed last.
MOST, OF_ONE, OF_FAILING = 64, 8, 1
POLL_S = 0.5
#: Outcomes of one moment are written together: SQLite has one writer.
GATHER_S = 0.01
#: After failures in a row a receiver is left alone: doubling from the first to the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 60.0
FULL_EVERY_S, FORGET_EVERY_S = 10.0, 600.0

Call = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class Pause:
    failures: int = 0
    until: float = 0.0

    def lengthen(self) -> None:
        self.failures += 1
        self.until = time.monotonic() + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.failures - 1, 20))


class Sender:
    """Duties: 1. start what is due, 2. write down what has ended, 3. disable what too much waits for, 4. forget.

    `call` runs a function where the database is spoken to; `check` makes sure in a transaction that nobody else sends.
    """

    def __init__(self, call: Call, check: Callable[[], None]) -> None:
        self._call, self._check = call, check
        self._running: dict[asyncio.Task[Done], Work] = {}
        self._pauses: dict[int, Pause] = {}
        self._full_at = self._forget_at = time.monotonic()

    async def turn(self) -> float:
        """Send until nothing is due and nothing under way. Cancelled, it leaves nothing behind."""
        try:
            while True:
                await self._start()
                if not self._running:
                    break
                await asyncio.wait(self._running, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(GATHER_S)
                await self._settle([task for task in self._running if task.done()])
                await self._keep_house()
        finally:
            await self._drop()
        await self._keep_house()
        return POLL_S

    async def _start(self) -> None:
        free = MOST - len(self._running)
        if free <= 0:
            return
        works = await self._call(books.due, self._room(), OF_ONE, [work.delivery for work in self._running.values()])
        for work in works[:free]:
            self._running[asyncio.create_task(_attempt(work), name=f"webhook {work.message_id}")] = work

    def _room(self) -> dict[int, int]:
        """Endpoint → how many more requests it may get now, where that is not as many as any."""
        under_way = Counter(work.endpoint for work in self._running.values())
        now = time.monotonic()
        most = {key: 0 if pause.until > now else OF_FAILING for key, pause in self._pauses.items()}
        return {key: most.get(key, OF_ONE) - under_way[key] for key in {*under_way, *most}}

    async def _settle(self, tasks: Iterable[asyncio.Task[Done]]) -> None:
        done = [task.result() for task in tasks]
        if not done:
            return
        disabled = await self._call(self._checked, lambda: books.settle(done))
        self._running = {task: work for task, work in self._running.items() if not task.done() or task not in tasks}
        for each in done:
            self._mind(each)
        await self._say(disabled)

    def _mind(self, done: Done) -> None:
        status = done.answer.status
        if done.answer.is_ok:
            self._pauses.pop(done.work.endpoint, None)
        elif not done.work.refused and (status is None or status >= 500 or status in BUSY):
            self._pauses.setdefault(done.work.endpoint, Pause()).lengthen()

    async def _keep_house(self) -> None:
        now = time.monotonic()
        if now >= self._full_at:
            self._full_at = now + FULL_EVERY_S
            await self._say(await self._call(self._checked, books.disable_the_full))
        if now >= self._forget_at:
            forgotten = await self._call(self._checked, books.forget)
            self._forget_at = now + (1.0 if forgotten else FORGET_EVERY_S)

    async def _say(self, disabled: Iterable[Endpoint]) -> None:
        """All at once: a mail server that hangs holds up the sender once, and not for each."""
        rows = list(disabled)
        for row in rows:
            log.warning("webhook %r is disabled: %s", row.name, row.get_why_display())
        await asyncio.gather(*(tell_maker(row, self._call) for row in rows))

    def _checked(self, act: Callable[[], Any]) -> Any:
        with transaction.atomic():
            self._check()
            return act()

    async def _drop(self) -> None:
        tasks, self._running = list(self._running), {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _attempt(work: Work) -> Done:
    at = timezone.now()
    if work.refused:
        return Done(work, at, Answer(error=work.refused, is_refused=True))
    signed = headers(work.message_id, int(at.timestamp()), work.body, work.secrets)
    return Done(work, at, await post(work.url, work.body, signed))
