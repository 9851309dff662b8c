"""What happened since a program last listened: read once for all who come back at the same time, and told to each of
them before what happens now.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.live.codes import Close
from dashboard.live.facts import Known
from dashboard.live.listener import Listener
from dashboard.live.notice import Message, Notice, message, notice_of
from dashboard.live.pace import Pace
from dashboard.live.source import Source
from dashboard.live.subscription import Index, Subscription
from queues.errors import TorilError
from queues.protocol.events import Event, position
from queues.protocol.together import START, Batch, Mark, Position, event_id

log = logging.getLogger(__name__)

#: Who takes nothing for so long is not waited for by the others.
ROOM_S = 1.0


@dataclass(eq=False)
class Return:
    """A listener that comes back. `until`: up to where it is told by what happens now."""

    listener: Listener
    wanted: Subscription
    queues: tuple[str, ...]
    since: Mark
    until: Mapping[str, Mark]
    #: Of which queues it was told that something is lost; and how much of them nobody knows whose it was.
    lost: set[str] = field(default_factory=set)
    unseen: Counter[str] = field(default_factory=Counter)

    def may_find(self, notice: Notice, wanted: Subscription) -> bool:
        return self.listener.may_find(notice, wanted)

    def is_for(self, event: Event) -> bool:
        if event.queue not in self.queues or event.queue not in self.until:
            return False
        return self.since.of(event.queue) < position(event.id) <= self.until[event.queue].position


def lost(queue: str, *, missed: int | None = None, unseen: int | None = None) -> Message:
    """That events of this queue were lost; or that some were of jobs of which nothing is known any more."""
    counts: dict[str, Any] = {"missed": missed, "unseen": unseen}
    return message("gap", **{"queue": queue, **{name: count for name, count in counts.items() if count}})


class Histories:
    """One pass at a time; who comes meanwhile is served by the next."""

    def __init__(self, connection: str, source: Source, present: Known) -> None:
        self._connection, self._source, self._present = connection, source, present
        self._waiting: list[Return] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, back: Return) -> None:
        back.listener.catching_up += 1
        self._waiting.append(back)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(
                self._serve(), name=f"histories of {self._connection}", context=contextvars.Context()
            )

    async def stop(self) -> None:
        """Callable at any time, twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _serve(self) -> None:
        while self._waiting:
            returns, self._waiting = self._waiting, []
            try:
                await self._pass(returns)
            except Exception as error:
                if not isinstance(error, TorilError | TimeoutError):
                    log.exception("a look back failed")
                for back in returns:
                    # It comes again with the same place.
                    back.listener.dismiss(Close.LATER)
            finally:
                for back in returns:
                    back.listener.caught_up()

    async def _pass(self, returns: list[Return]) -> None:
        queues = {queue for back in returns for queue in back.queues}
        since = min((back.since.of(queue) for back in returns for queue in back.queues), default=START)
        until = max((mark.position for back in returns for mark in back.until.values()), default=START)
        past = Known(self._connection, self._source.carried, self._present)
        index: Index[Return] = Index()
        pace, is_first = Pace(), True
        for back in returns:
            index.add(back, back.wanted)
        async for batch in self._source.history(queues, Mark(since), Mark(until)):
            await past.learn(event for event in batch.events if notice_of(event, None) is not None)
            if is_first:
                _tell_deleted(batch, returns)
            is_first = False
            _tell_lost(batch, returns)
            for event in batch.events:
                await pace.breathe()
                _tell(event, past, index, returns)
            await _room(back.listener for back in returns)
        for back in returns:
            for queue, count in back.unseen.items():
                back.listener.put(lost(queue, unseen=count))


def _tell_deleted(batch: Batch, returns: Iterable[Return]) -> None:
    """To whoever was told an event of a stream that is another one now."""
    for back in returns:
        at, queue = back.since
        is_asked = queue in back.queues and back.listener.sees(queue)
        if is_asked and queue in batch.streams and batch.streams[queue].is_younger(event_id(at)):
            back.lost.add(queue)
            back.listener.put(lost(queue))


def _tell_lost(batch: Batch, returns: Iterable[Return]) -> None:
    first: dict[str, Position] = {}
    for event in batch.events:
        first.setdefault(event.queue, position(event.id))
    for queue, count in batch.missed.items():
        for back in returns:
            # Who was told more than the others may have missed nothing.
            has_missed = queue in back.queues and (queue not in first or back.since.of(queue) < first[queue])
            if has_missed and queue not in back.lost and back.listener.sees(queue):
                back.lost.add(queue)
                back.listener.put(lost(queue, missed=count or None))


def _tell(event: Event, past: Known, index: Index[Return], returns: Iterable[Return]) -> None:
    notice = notice_of(event, past.of(event))
    if notice is None:
        return
    for back in index.of(notice):
        if back.is_for(event) and (shown := back.listener.view(notice)) is not None:
            back.listener.put(shown)
    if event.job_id and notice.facts is None:
        for back in returns:
            if back.is_for(event) and back.listener.may_have_missed(event.queue, back.wanted, past):
                back.unseen[event.queue] += 1


async def _room(listeners: Iterable[Listener]) -> None:
    """Until all of them have room for more, but not for ever."""
    waiting = {asyncio.ensure_future(listener.room()) for listener in set(listeners) if listener.is_full}
    if waiting:
        try:
            await asyncio.wait(waiting, timeout=ROOM_S)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
    else:
        await asyncio.sleep(0)
