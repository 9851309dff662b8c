"""One follower per event loop and connection: reads every event of the queues that programs listen to, and tells each
of them what it wants and may know, in order, and what was lost on the way.

It asks Redis the same whether one listens or a thousand do, and nothing while nobody does.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections import Counter

from dashboard.live.facts import Known
from dashboard.live.histories import Histories, Return, lost
from dashboard.live.listener import Listener
from dashboard.live.notice import Message, Notice, message, notice_of
from dashboard.live.pace import Pace
from dashboard.live.source import InProcess, Source, Streams
from dashboard.live.subscription import Index, Subscription
from queues.errors import TorilError
from queues.models.local import is_in_process
from queues.options import get_options
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.events import Event
from queues.protocol.together import START, Batch, Mark, mark_of

log = logging.getLogger(__name__)

#: Which queues there are is asked this often.
SWEEP_S = 2.0
#: A queue was there for so long at most before it was found.
LOOK_BACK_MS = 60_000
#: After each work a rest of so many times its processor time: a burst becomes one reading, and others get their share.
REST_S, REST_PER_WORK, LONGEST_REST_S = 0.005, 1.0, 0.1
LONGEST_OUTAGE_REST_S, LONGEST_CRASH_REST_S = 1.0, 10.0
#: That jobs came and went unseen is told of a queue no more often.
UNSEEN_EVERY_S = 1.0
#: So many listeners are told before others get a turn on the loop.
TOLD_AT_ONCE = 200


class Follower:
    """1. Find which queues are wanted. 2. Wait for news. 3. Read them all, in one order. 4. Learn what the jobs carry,
    at once, for they may be gone in a moment. 5. Tell. 6. Say when Redis is away, and go on where it was left.
    """

    def __init__(self, connection: str) -> None:
        self.connection = LOCAL_CONNECTION if is_in_process() else connection
        self.source: Source = InProcess() if is_in_process() else Streams(connection)
        self.known = Known(self.connection, self.source.carried)
        self.listeners: set[Listener] = set()
        self.index: Index[Listener] = Index()
        #: Up to here everybody was told, in each followed queue and in all of them.
        self.told: dict[str, Mark] = {}
        self.mark = Mark(START)
        self._named: Counter[str] = Counter()
        self._wide = 0
        self._names: frozenset[str] = frozenset()
        #: Since when all queues are followed; and from where on one that is found.
        self._wide_at: Mark | None = None
        self._since: Mark | None = None
        self._sweep_at = 0.0
        self._asked = self._served = 0
        self._change = asyncio.Event()
        self._serving = asyncio.Condition()
        self._is_current: bool | None = None
        self._unseen: Counter[str] = Counter()
        self._unseen_told_at = 0.0
        #: Read, and not yet told: Redis went away before it said what the jobs carry.
        self._pending: Batch | None = None
        #: Who comes back, until it is known up to where what they ask for is told by what happens now.
        self._returning: list[tuple[Listener, Subscription, Mark]] = []
        self.histories = Histories(self.connection, self.source, self.known)
        self._left_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    # --- start and stop

    def start(self) -> None:
        """Callable at any time, twice."""
        if self._task is None or self._task.done() or self._task.cancelling():
            # A fresh context: what serves everybody must not carry the first listener's.
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name=f"events of {self.connection}", context=contextvars.Context()
            )

    async def stop(self) -> None:
        """Callable at any time, twice."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait({task})
        await self.histories.stop()

    @property
    def idle_s(self) -> float:
        """How long nobody has listened."""
        return 0.0 if self.listeners else time.monotonic() - self._left_at

    # --- listeners

    def join(self, listener: Listener) -> None:
        self.listeners.add(listener)
        self.start()
        if self._is_current is False:
            listener.hear(message("stale"))

    def leave(self, listener: Listener) -> None:
        """Callable at any time, twice."""
        for wanted in tuple(listener.subscriptions):
            self.unsubscribe(listener, wanted)
        self._returning = [each for each in self._returning if each[0] is not listener]
        self.listeners.discard(listener)
        self._left_at = time.monotonic()

    async def subscribe(self, listener: Listener, wanted: Subscription) -> None:
        """Told from now on; returns when its queues are followed indeed, or at once while Redis is away."""
        if wanted not in listener.subscriptions:
            listener.subscriptions.add(wanted)
            self.index.add(listener, wanted)
            self._count(wanted, 1)
        await self._settled()

    def unsubscribe(self, listener: Listener, wanted: Subscription) -> None:
        if wanted in listener.subscriptions:
            listener.subscriptions.discard(wanted)
            self.index.remove(listener, wanted)
            self._count(wanted, -1)

    def _count(self, wanted: Subscription, by: int) -> None:
        if wanted.queue:
            self._named[wanted.queue] += by
            if not self._named[wanted.queue]:
                # Programs may name queues that nobody has, one after another.
                del self._named[wanted.queue]
            return
        self._wide += by
        if not self._wide:
            # Who comes next begins anew.
            self._wide_at, self._sweep_at = None, 0.0

    def catch_up(self, listener: Listener, wanted: Subscription, since: Mark) -> None:
        """Tell it what came after this place, before what comes now; while Redis is away, as soon as it is back."""
        listener.catching_up += 1
        self._returning.append((listener, wanted, since))
        self._look_back()

    def _look_back(self) -> None:
        returning, self._returning = self._returning, []
        for listener, wanted, since in returning:
            if not (wanted.queue in self.told if wanted.queue else self._follows_all):
                self._returning.append((listener, wanted, since))
                continue
            queues = (wanted.queue,) if wanted.queue else tuple(sorted(self.told))
            self.histories.add(Return(listener, wanted, queues, since, dict(self.told)))
            listener.catching_up -= 1

    @property
    def _follows_all(self) -> bool:
        is_blind = self._wide > 0 and not self._sweep_at
        return not is_blind and self._wanted().keys() <= self.told.keys()

    async def _settled(self) -> None:
        if self._follows_all:
            return
        self._asked += 1
        mine = self._asked
        self._change.set()
        async with self._serving:
            await self._serving.wait_for(lambda: self._served >= mine or self._is_current is False)

    # --- the loop

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                while True:
                    await self._turn()
                    failures = 0
            except (TorilError, TimeoutError) as error:
                await self._say_stale(str(error) or "Redis did not answer.")
                longest_s = LONGEST_OUTAGE_REST_S
            except Exception:
                log.exception("the follower of %s failed and starts again", self.connection)
                await self._say_stale("The follower failed.")
                longest_s = LONGEST_CRASH_REST_S
            finally:
                await self.source.close()
            failures += 1
            await asyncio.sleep(min(0.1 * 2 ** min(failures, 10), longest_s))

    async def _turn(self) -> None:
        await self._find_queues()
        self._tell_unseen()
        if self._pending is None and not await self._news():
            return
        began = time.thread_time()
        self._pending = batch = self._pending or await self.source.read()
        await self.known.learn(event for event in batch.events if notice_of(event, None) is not None)
        self._pending = None
        await self._tell(batch)
        worked_s = time.thread_time() - began
        await asyncio.sleep(max(REST_S, min(LONGEST_REST_S, REST_PER_WORK * worked_s)))

    async def _news(self) -> bool:
        """Waits for it; ends early where other queues are wanted."""
        if self._change.is_set():
            return False
        waiting = asyncio.ensure_future(self.source.wait())
        changing = asyncio.ensure_future(self._change.wait())
        try:
            await asyncio.wait({waiting, changing}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                return False
            quiet = waiting.result()
            self.mark = max(self.mark, quiet or self.mark)
            return quiet is None
        finally:
            for task in (waiting, changing):
                task.cancel()
            await asyncio.wait({waiting, changing})

    # --- which queues

    def _wanted(self) -> dict[str, Mark | None]:
        """Which queues, and from where on those that are new: one that was just found has told something before."""
        since = self._since
        names = self._names if self._wide > 0 else frozenset()
        wanted: dict[str, Mark | None] = {queue: since for queue in names if get_options().live.follows(queue)}
        return {queue: None for queue, count in self._named.items() if count > 0} | wanted

    async def _find_queues(self) -> None:
        asked = self._asked
        self._change.clear()
        if self._wide > 0 and time.monotonic() >= self._sweep_at:
            await self._sweep()
        wanted = self._wanted()
        if wanted.keys() != self.told.keys() or self._is_current is not True:
            begun = await self.source.follow(wanted)
            self.told = {queue: self.told.get(queue, mark) for queue, mark in begun.items()}
            # What cannot be followed is not asked for again and again.
            self.told |= {queue: Mark(START) for queue in wanted.keys() - begun.keys()}
        self._say_current()
        self._look_back()
        async with self._serving:
            self._served = asked
            self._serving.notify_all()

    async def _sweep(self) -> None:
        now = await self.source.now()
        self._wide_at = self._wide_at or now
        long_ago = max(0, now.position[0] - LOOK_BACK_MS), 0
        self._since = max(self._wide_at, Mark(long_ago))
        self._names = await self.source.names()
        self._sweep_at = time.monotonic() + SWEEP_S

    # --- telling

    async def _tell(self, batch: Batch) -> None:
        for queue, count in batch.missed.items():
            self._tell_all(lost(queue, missed=count or None), queue)
        told, pace = 0, Pace()
        for event in batch.events:
            await pace.breathe()
            told += self._tell_one(event)
            if told >= TOLD_AT_ONCE:
                told = 0
                await asyncio.sleep(0)
        self.mark = max(self.mark, batch.mark)

    def _tell_one(self, event: Event) -> int:
        self.told[event.queue] = mark_of(event)
        notice = notice_of(event, self.known.of(event))
        if notice is None:
            return 0
        if event.job_id and notice.facts is None:
            self._unseen[event.queue] += 1
        return sum(self._hand(listener, notice) for listener in tuple(self.index.of(notice)))

    def _hand(self, listener: Listener, notice: Notice) -> bool:
        if (shown := listener.view(notice)) is not None:
            listener.hear(shown)
        return shown is not None

    def _tell_all(self, told: Message, queue: str) -> None:
        """To all who listen to the queue and see it."""
        for listener in tuple(self.listeners):
            if listener.sees(queue) and any(each.queue in ("", queue) for each in listener.subscriptions):
                listener.hear(told)

    def _tell_unseen(self) -> None:
        if not self._unseen or time.monotonic() - self._unseen_told_at < UNSEEN_EVERY_S:
            return
        self._unseen_told_at, unseen = time.monotonic(), self._unseen
        self._unseen = Counter()
        for queue, count in unseen.items():
            for listener in tuple(self.listeners):
                if any(listener.may_have_missed(queue, each, self.known) for each in listener.subscriptions):
                    listener.hear(lost(queue, unseen=count))

    # --- whether it is current

    def _say_current(self) -> None:
        if self._is_current is False:
            log.info("the follower of %s goes on", self.connection)
            for listener in tuple(self.listeners):
                listener.hear(message("current"))
        self._is_current = True

    async def _say_stale(self, reason: str) -> None:
        if self._is_current is not False:
            log.warning("the follower of %s: %s", self.connection, reason)
            for listener in tuple(self.listeners):
                listener.hear(message("stale"))
        self._is_current = False
        async with self._serving:
            self._serving.notify_all()
