"""What a worker process saw of its jobs, by the minute: counted where they end, delivered every few seconds.

Delivered from the aside, so that a loop which stands still keeps back nothing that was counted. A process that is
killed loses what it counted since its last delivery, and nothing is counted twice: each delivery has a number, and one
whose answer was lost is sent again as it was. It may fail; jobs go on without it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from queues.errors import RedisUnavailable, TorilError
from queues.histogram import bucket, merge
from queues.protocol.commands import Command
from queues.protocol.connections import prefix
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.samples import (
    COMPLETED,
    FAILED,
    REST,
    RETRIED,
    WAIT,
    Figures,
    present_commands,
    record_command,
    shown_name,
)
from queues.runs.execution import Execution
from queues.worker.aside import Aside
from queues.worker.outage import will_pass

__all__ = ["COMPLETED", "FAILED", "RETRIED", "Book", "Recorder"]
log = logging.getLogger("queues.worker")

DELIVER_EVERY_S = 5.0
AWAY_RETRY_S = 1.0
REFUSED_RETRY_S = 30.0
LEAVE_S = 1.0
#: Of one queue, between two deliveries; further names are counted together. Redis keeps fewer still.
MOST_CELLS = 60
#: One script call writes so many figures at most: it halts Redis while it runs.
MOST_FIGURES = 500


class Recorder:
    """1. Count each run that ended, by queue, job name and minute of Redis's clock: its books do.
    2. Deliver what was counted, and that this process records at all; once more when the worker stops.
    """

    def __init__(self, connection: str, process_id: str, aside: Aside) -> None:
        self._id, self._aside = process_id, aside
        self._keys = SampleKeys(prefix(connection))
        self._books: list[Book] = []
        #: Redis's clock minus this process's monotonic one, in s; at first this host's stands for it.
        self.offset_s = time.time() - time.monotonic()
        self.lock = threading.Lock()
        #: Deliveries that Redis has not confirmed, oldest first.
        self._unsaid: deque[Command[int]] = deque()
        self._numbers = 0
        self._present = 0
        self._said = ""

    def book(self, queue: str) -> Book:
        """For the one engine that runs this queue."""
        book = Book(queue, self)
        self._books.append(book)
        return book

    @property
    def minute(self) -> int:
        return int(time.monotonic() + self.offset_s) // 60

    async def run(self) -> None:
        """A duty of the aside, until it is cancelled."""
        wait_s = 0.0
        try:
            while True:
                await asyncio.sleep(wait_s)
                wait_s = await self._try()
        finally:
            with suppress(TorilError, TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self.deliver()

    async def _try(self) -> float:
        """Deliver; returns how long to wait before the next time."""
        try:
            await self.deliver()
        except RedisUnavailable:
            return AWAY_RETRY_S
        except TorilError as error:
            if will_pass(error):
                return AWAY_RETRY_S
            self._give_up(f"This worker's figures by the minute are refused, so the metrics do not have them. {error}")
            return REFUSED_RETRY_S
        except Exception as error:
            # A worker that runs jobs is worth more than the figures of it.
            self._give_up(f"This worker's figures by the minute were not delivered: {type(error).__name__}: {error}")
            return REFUSED_RETRY_S
        self._said = ""
        return DELIVER_EVERY_S

    async def deliver(self) -> None:
        """Everything counted so far, in one round trip. Raises RedisUnavailable or RedisRefused; nothing is lost by it
        that could still be sent.
        """
        wire = self._aside.wire
        if self.minute != self._present:
            # Once a minute: clocks drift, and hosts are put to sleep.
            sent = time.monotonic()
            self._learn(await wire.call(time_command()), sent)
        minute = self.minute
        news = present_commands(self._keys, minute, [b.queue for b in self._books]) if minute != self._present else []
        if not self._unsaid:
            self._unsaid.extend(self._taken())
        said: list[Command[Any]] = [*news, *self._unsaid]
        if said:
            await wire.run(said)
        self._unsaid.clear()
        self._present = minute

    def _learn(self, redis_ms: int, sent: float) -> None:
        self.offset_s = redis_ms / 1000 - (sent + time.monotonic()) / 2

    def _taken(self) -> Iterator[Command[int]]:
        for book in self._books:
            for minute, told in book.take().items():
                for part in _parts(told):
                    self._numbers += 1
                    yield record_command(self._keys, self._id, self._numbers, book.queue, minute, part)

    def _give_up(self, sentence: str) -> None:
        # What is refused will be refused again, and memory is bounded.
        self._unsaid.clear()
        if sentence != self._said:
            self._said = sentence
            self._aside.tell(log.warning, "%s", sentence)


class Book:
    """What is counted of one queue until it is taken. Written on the worker's loop, taken on the aside's."""

    def __init__(self, queue: str, of: Recorder) -> None:
        self.queue, self._of = queue, of
        self._cells: dict[tuple[int, str], Figures] = {}

    def record(self, run: Execution, ending: int) -> None:
        """Count a run that has ended: `COMPLETED`, `FAILED` for good, or `RETRIED`. Each job comes by here."""
        of, taken = self._of, run.taken
        started, ended = run.started, run.ended or run.started
        minute, ran = int(ended + of.offset_s) // 60, bucket(ended - started)
        due_ms = taken.first_due_ms
        with of.lock:
            cell = self._cells.get((minute, taken.name))
            if cell is None:
                cell = self._cell(minute, taken.name)
            cell[ending] = cell.get(ending, 0) + 1
            cell[ran] = cell.get(ran, 0) + 1
            if due_ms is not None:
                waited = WAIT + bucket(started + of.offset_s - due_ms / 1000)
                cell[waited] = cell.get(waited, 0) + 1

    def take(self) -> Mapping[int, Mapping[str, Figures]]:
        """By minute and job name; afterwards the book is empty."""
        with self._of.lock:
            cells, self._cells = self._cells, {}
        told: dict[int, dict[str, Figures]] = {}
        for (minute, name), figures in cells.items():
            merge(told.setdefault(minute, {}).setdefault(shown_name(name), {}), figures)
        return told

    def _cell(self, minute: int, name: str) -> Figures:
        if len(self._cells) >= MOST_CELLS:
            name = REST
        return self._cells.setdefault((minute, name), {})


def _parts(told: Mapping[str, Figures]) -> Iterator[dict[str, Figures]]:
    """The same, cut so that no part holds many more figures than one script call may write."""
    part: dict[str, Figures] = {}
    size = 0
    for name, figures in told.items():
        if part and size + len(figures) > MOST_FIGURES:
            yield part
            part, size = {}, 0
        part[name] = figures
        size += len(figures)
    if part:
        yield part
