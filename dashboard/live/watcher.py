"""One watcher per event loop and connection turns what happens in Redis into fragments for everyone who looks.

It asks Redis the same whether one looks or a thousand do, and nothing while nobody does.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import time
from collections.abc import Collection, Sequence
from contextlib import suppress

from dashboard.live import fragments
from dashboard.live.board import Board
from dashboard.live.fragments import NAMES, STATUS, Status, Topic
from dashboard.live.viewer import FRESH_S, Viewer, seen
from queues.errors import RedisRefused, RedisUnavailable, TorilError
from queues.lookups import snapshot as snapshots
from queues.lookups.snapshot import Snapshot
from queues.protocol import connections, events
from queues.protocol.reads.marks import JobMark, job_marks
from queues.protocol.wire import Wire

log = logging.getLogger(__name__)

#: A burst becomes one push …
REST_S = 0.25
#: … and a rest is this many times the processor time of the work before: many busy queues may not fill the loop.
REST_PER_WORK, LONGEST_REST_S = 4, 2.0
#: Short enough that Redis's silence is told within 5 s, even on a half-open connection.
BLOCK_MS = 1_500
#: What happens without an event (workers, raw writes, new queues) is seen after this.
SWEEP_S = 5.0
#: With hundreds of queues somewhat later: it is to take one part in so many of Redis's time.
SWEEP_REST, LONGEST_SWEEP_S = 100, 10.0
#: More than the age of figures that a sweep may share with a page.
RECENT_MS = 3_000
#: Where XREAD is forbidden the counts are read this often instead.
POLL_S = 1.0
#: Progress and logs of one job make its viewers fetch it no more often than this.
NOTE_S = 1.0
LONGEST_OUTAGE_REST_S, LONGEST_CRASH_REST_S = 1.0, 10.0


class Watcher:
    """1. Block on the event streams of every queue. 2. Let the burst end. 3. Take Redis's time, then the counts of what
    changed. 4. Hand them to the board. 5. Every few seconds read everything, for what has no event. 6. Say when Redis
    is away, and come back by itself.
    """

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self.board = Board()
        self._is_live: bool | None = None
        self._names: set[str] | None = None
        self._cursors: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._marks: dict[Topic, JobMark] = {}
        self._told_at: dict[Topic, float] = {}
        self._owed: set[Topic] = set()
        self._sweep_at = 0.0
        #: Not before this does the next work begin.
        self._rests_until = 0.0
        self._wire: Wire | None = None
        self._task: asyncio.Task[None] | None = None

    # --- start and stop

    def start(self) -> None:
        """Callable at any time, twice."""
        if self._task is None or self._task.done() or self._task.cancelling():
            # A fresh context: the first viewer's language, time zone or log context must not colour what all get.
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name=f"live watcher {self.connection}", context=contextvars.Context()
            )

    async def stop(self) -> None:
        """Callable at any time, twice; afterwards nothing of it is left."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.wait({task})

    async def join(self, viewer: Viewer) -> None:
        self.start()
        if viewer.place.queue:
            # Perhaps not discovered yet, or not even there: its page comes to life with its first event.
            self._cursors.setdefault(viewer.place.queue, "0-0")
        await self._show_what_pages_know()
        await self.board.join(viewer)
        if topic := viewer.place.job_topic:
            with suppress(TorilError):
                await self._compare(viewer, topic)

    def leave(self, viewer: Viewer) -> None:
        self.board.leave(viewer)

    @property
    def idle_s(self) -> float:
        """How long nobody has looked."""
        return self.board.idle_s

    def catch_up(self, viewer: Viewer, since: float) -> None:
        """Send what this viewer missed from that moment (epoch seconds) on."""
        self.board.catch_up(viewer, since)
        if topic := viewer.place.job_topic:
            viewer.offer(fragments.frames([fragments.of_job(self.connection, topic)]))

    async def _show_what_pages_know(self) -> None:
        """A button refreshes the shared snapshot before its event comes; nothing older may follow the page it drew."""
        if self.board.snapshot is None:
            return
        with suppress(TorilError):
            known = await snapshots.snapshot(self.connection, max_age_s=math.inf)
            if known is not self.board.snapshot and not known.error:
                await self.board.show(known)

    async def _compare(self, viewer: Viewer, topic: Topic) -> None:
        """A page that was drawn before its job moved fetches it again."""
        if topic not in self._marks:
            [self._marks[topic]] = await self._read_marks([topic])
        is_fresh = time.time() - viewer.place.since < FRESH_S
        if not is_fresh or viewer.place.seen != seen(self._marks[topic]):
            viewer.offer(fragments.frames([fragments.of_job(self.connection, topic)]))

    # --- the loop

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._begin()
                while True:
                    await self._turn()
                    failures = 0
            except TorilError as error:
                self._say_stale(str(error))
                longest_s = LONGEST_OUTAGE_REST_S
            except Exception:
                log.exception("live watcher %s failed and starts again", self.connection)
                self._say_stale("The live view failed.")
                longest_s = LONGEST_CRASH_REST_S
            finally:
                await self._hang_up()
            failures += 1
            await asyncio.sleep(min(0.1 * 2 ** min(failures, 10), longest_s))

    async def _begin(self) -> None:
        self._cursors.clear()
        await self._sweep()

    def _listening(self) -> Wire:
        """A connection of its own: a blocking read would hold up everybody else's commands."""
        if self._wire is None:
            self._wire = connections.open_wire(self.connection, name="toril-live")
        return self._wire

    async def _hang_up(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def _turn(self) -> None:
        changed = await self._read(self._patience_ms())
        if changed:
            # Whoever comes after a pause does not wait for the work before it.
            await asyncio.sleep(max(REST_S, self._rests_until - time.monotonic()))
            # What else the burst held: it would otherwise wait until after the next one. Not without a block, which
            # would also be without an end where Redis hangs just now.
            changed |= await self._read(1)
        if changed:
            began = time.thread_time()
            await self._refresh(changed)
            worked_s = time.thread_time() - began
            self._rests_until = time.monotonic() + min(LONGEST_REST_S, REST_PER_WORK * worked_s)
        if is_due := time.monotonic() >= self._sweep_at:
            await self._sweep()
        await self._look_at_jobs(changed, all_of_them=is_due)

    def _patience_ms(self) -> int:
        """How long to block: until something else is to be done."""
        now = time.monotonic()
        owed = [self._told_at[topic] + NOTE_S for topic in self._owed]
        return max(1, min(BLOCK_MS, *(int((at - now) * 1000) for at in (self._sweep_at, *owed))))

    # --- what changed

    async def _read(self, block_ms: int) -> set[str]:
        """The queues with news. One whose stream cannot be read waits for the sweep; where none can, all are polled."""
        asked = {name: at for name, at in self._cursors.items() if name not in self._unreadable}
        if not asked:
            await asyncio.sleep(min(POLL_S, block_ms / 1000))
            return set(self._unreadable)
        wire, prefix = self._listening(), connections.prefix(self.connection)
        try:
            return await events.changed(wire, prefix, asked, block_ms)
        except RedisRefused:
            readable = await events.readable(connections.wire(self.connection), prefix, list(asked))
            # All can be read, and yet it is refused: then XREAD itself is forbidden.
            self._unreadable |= asked.keys() - set(readable) or asked.keys()
            return set()

    async def _refresh(self, changed: set[str]) -> None:
        """Redis's time leaves before the counts, in the same write: what happens after it is news again."""
        position = connections.wire(self.connection).submit(events.now_command())
        # Retrieved even if the counts fail first, or asyncio would complain.
        position.add_done_callback(lambda done: done.cancelled() or done.exception())
        snapshot = await snapshots.refresh(self.connection, changed)
        _check(snapshot)
        self._cursors |= dict.fromkeys(changed, await position)
        await self.board.show(snapshot, changed)

    async def _sweep(self) -> None:
        """Everything anew, and the queues that came or went."""
        began = time.monotonic()
        # The counts may be those that a page has just read: what happened since then is news again.
        position = await self._position()
        snapshot = await snapshots.snapshot(self.connection)
        _check(snapshot)
        took_s = time.monotonic() - began
        self._sweep_at = began + min(max(SWEEP_S, SWEEP_REST * took_s), LONGEST_SWEEP_S)
        self._unreadable.clear()
        names = {queue.name for queue in snapshot.queues}
        watched = names | {topic.queue for topic in self.board.topics if topic.queue}
        self._cursors = {name: self._cursors.get(name, position) for name in watched}
        before, self._names = self._names, names
        self.board.forget(set() if before is None else before - names)
        await self.board.show(snapshot)
        if before is not None and before != names:
            self.board.tell(NAMES, fragments.of_names(sorted(names - before), sorted(before - names)))
        self._say_live()

    async def _position(self) -> str:
        return await events.server_now(connections.wire(self.connection), RECENT_MS)

    # --- jobs that somebody looks at

    async def _read_marks(self, topics: Sequence[Topic]) -> list[JobMark]:
        return await job_marks(self.connection, [(t.queue, t.job, self._marks.get(t)) for t in topics])

    async def _look_at_jobs(self, changed: Collection[str], *, all_of_them: bool) -> None:
        watched = {topic for topic in self.board.topics if topic.kind == "job"}
        for kept in (self._marks, self._told_at):
            for topic in kept.keys() - watched:
                del kept[topic]
        self._owed &= watched
        asked = [t for t in watched if all_of_them or t.queue in changed or t in self._owed]
        marks = await self._read_marks(asked)
        for topic, mark in zip(asked, marks, strict=True):
            self._judge(topic, mark)

    def _judge(self, topic: Topic, mark: JobMark) -> None:
        """Its steps are told at once, its progress and logs in their measure."""
        before, now = self._marks.get(topic), time.monotonic()
        is_step = before is not None and before.life != mark.life
        is_early = now - self._told_at.get(topic, 0.0) < NOTE_S
        if before is not None and before != mark and not is_step and is_early:
            self._owed.add(topic)
            return
        self._owed.discard(topic)
        self._marks[topic] = mark
        if before is not None and before != mark:
            self._told_at[topic] = now
            self.board.push(topic, fragments.of_job(self.connection, topic))

    # --- whether the figures move

    def _say_live(self) -> None:
        if self._is_live is not True:
            if self._is_live is False:
                log.info("live watcher %s: Redis answers again", self.connection)
            self._is_live = True
            self.board.tell(STATUS, fragments.of_status(Status()))

    def _say_stale(self, reason: str) -> None:
        if self._is_live is not False:
            log.warning("live watcher %s: %s", self.connection, reason)
            self._is_live = False
            known = self.board.snapshot
            status = Status(is_live=False, as_of=known.taken_at if known else None, reason=reason)
            self.board.tell(STATUS, fragments.of_status(status))


def _check(snapshot: Snapshot) -> None:
    if snapshot.error:
        raise RedisUnavailable(snapshot.error)
