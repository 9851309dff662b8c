"""What is shown to whom: one connection's current fragments, its viewers, and the handing over. Asks Redis nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any

from dashboard.grants import Sight
from dashboard.live import fragments
from dashboard.live.fragments import NAMES, STATUS, Fragment, Topic
from dashboard.live.viewer import SKEW_S, Viewer
from queues.lookups.snapshot import Snapshot
from queues.models import Queue

#: So many fragments are drawn before others get a turn on the loop.
DRAWN_AT_ONCE = 50
Changes = dict[Topic, list[Fragment]]


class Board:
    """Draws a fragment once, whoever looks, and only if somebody does and its values are others than before."""

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.snapshot: Snapshot | None = None
        self._drawn: dict[Topic, dict[tuple[str, str], tuple[Fragment, float]]] = {}
        self._values: dict[tuple[Topic, str], Any] = {}
        self._left_at = time.monotonic()
        # Drawing gives others a turn; without this an older figure could be drawn over a newer one.
        self._drawing = asyncio.Lock()

    @property
    def topics(self) -> set[Topic]:
        return {topic for viewer in self.viewers for topic in viewer.topics}

    # --- viewers

    async def join(self, viewer: Viewer) -> None:
        """Send what has changed since the page was drawn, then every change."""
        watched = self.topics
        self.viewers.add(viewer)
        async with self._drawing:
            if self.snapshot is not None:
                # What nobody looked at meanwhile was not drawn, and may say what is no longer so.
                await self._draw(viewer.topics - watched, self.snapshot.queues)
            self.catch_up(viewer, viewer.place.since - SKEW_S)

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        self._left_at = time.monotonic()

    @property
    def idle_s(self) -> float:
        """How long nobody has looked."""
        return 0.0 if self.viewers else time.monotonic() - self._left_at

    def catch_up(self, viewer: Viewer, since: float) -> None:
        """Send what changed at that moment (epoch seconds) or later."""
        missed = [
            fragment
            for topic in sorted(viewer.topics)
            for fragment, changed_at in self._drawn.get(topic, {}).values()
            if changed_at >= since
        ]
        viewer.offer(fragments.frames(missed, viewer.sight))

    # --- news

    async def show(self, snapshot: Snapshot, names: Collection[str] | None = None) -> None:
        """Draw these queues (None: all) for every topic that somebody looks at, and send what changed."""
        async with self._drawing:
            self.snapshot = snapshot
            queues = [queue for queue in snapshot.queues if names is None or queue.name in names]
            self._send(await self._draw(self.topics, queues))

    def tell(self, topic: Topic, fragment: Fragment) -> None:
        """Send this to everyone who looks at the topic, unless it is what they were told last."""
        if self._put(topic, "", fragment):
            self.push(topic, fragment)

    def push(self, topic: Topic, fragment: Fragment) -> None:
        """Send this to everyone who looks at the topic now, and forget it."""
        self._send({topic: [fragment]})

    def forget(self, names: Iterable[str] = ()) -> None:
        """Keep nothing of these queues, nor of topics that nobody looks at and that can be drawn again."""
        topics, gone = self.topics | {STATUS, NAMES}, set(names)
        for topic in self._drawn.keys() - topics:
            del self._drawn[topic]
        for drawn in self._drawn.values():
            for key in [key for key in drawn if key[0] in gone]:
                del drawn[key]
        self._values = {key: value for key, value in self._values.items() if key[0] in topics and key[1] not in gone}

    # --- drawing and sending

    async def _draw(self, topics: Iterable[Topic], queues: Iterable[Queue]) -> Changes:
        changes: Changes = {topic: [] for topic in sorted(topics)}
        count = 0
        for queue in queues if changes else ():
            values = _values(queue)
            for topic, changed in changes.items():
                if not topic.shows(queue.name) or self._values.get((topic, queue.name)) == values:
                    continue
                changed += self._redraw(topic, queue)
                self._values[topic, queue.name] = values
                count += 1
                if count % DRAWN_AT_ONCE == 0:
                    await asyncio.sleep(0)
        return changes

    def _redraw(self, topic: Topic, queue: Queue) -> list[Fragment]:
        drawn = fragments.of_queue(topic, queue)
        return [fragment for fragment in drawn if self._put(topic, queue.name, fragment)]

    def _put(self, topic: Topic, name: str, fragment: Fragment) -> bool:
        """Whether it says something else than before."""
        drawn = self._drawn.setdefault(topic, {})
        before = drawn.get((name, fragment.id))
        if before is not None and before[0].html == fragment.html:
            return False
        drawn[name, fragment.id] = (fragment, time.time())
        return True

    def _send(self, changes: Changes) -> None:
        made: dict[tuple[frozenset[Topic], Sight | None], list[str]] = {}
        for viewer in tuple(self.viewers):
            eyes = viewer.topics, viewer.sight
            if eyes not in made:
                news = [fragment for topic in sorted(viewer.topics) for fragment in changes.get(topic, ())]
                made[eyes] = fragments.frames(news, viewer.sight)
            if made[eyes] and viewer.behind_since is None:
                viewer.offer(made[eyes])


def _values(queue: Queue) -> tuple[Any, ...]:
    """Everything that a fragment may say of it."""
    return tuple(value for name, value in vars(queue).items() if name != "_state")
