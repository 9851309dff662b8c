"""Somebody who looks, without a socket: gathers what the live view hands over, as a page would show it."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dashboard.grants import Grants, Sight
from dashboard.links import fragment_id
from dashboard.live.codes import Close
from dashboard.live.viewer import Place
from dashboard.live.watcher import Watcher
from tests.eventually import eventually

_PARTIAL = re.compile(r'<hx-partial hx-target="#([\w-]+)" hx-swap="outerMorph">(.*?)</hx-partial>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def partials(frame: str) -> list[tuple[str, str]]:
    """(target, html) of everything in a message; fails on anything else in it."""
    assert not _PARTIAL.sub("", frame), frame
    return _PARTIAL.findall(frame)


def text(fragment: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", fragment)).split())


class Screen:
    """What a page shows after the messages it got: the last fragment for each element, and how often each came."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.times: dict[str, int] = {}

    def take(self, frame: str) -> None:
        for target, fragment in partials(frame):
            self.shown[target] = fragment
            self.times[target] = self.times.get(target, 0) + 1

    def clear(self) -> None:
        self.shown.clear()
        self.times.clear()

    def text(self, kind: str, *names: str) -> str | None:
        """What an element says; None where it never came."""
        shown = self.shown.get(kind if not names else fragment_id(kind, *names))
        return None if shown is None else text(shown)

    def count(self, queue: str, state: str) -> int | None:
        """The number in a queue's tab."""
        said = self.text("count", queue, state)
        return None if said is None else int(said.replace(",", ""))


class Onlooker(Screen):
    """A viewer as watcher and registry know one."""

    def __init__(self, queue: str = "", job: str = "", *, session: str = "s", **more: Any) -> None:
        super().__init__()
        self.place = Place(queue=queue, job=job, **more)
        self.topics = self.place.topics
        self.sight: Sight | None = None
        self.session_key = session
        self.behind_since: float | None = None
        self.looks = 0
        self.dismissed: Close | None = None

    def offer(self, frames: list[str]) -> None:
        for frame in frames:
            self.take(frame)

    def look(self) -> None:
        self.looks += 1

    def rescope(self, grants: Grants) -> None:
        self.sight = grants.sight(self.place.connection)

    def dismiss(self, code: Close) -> None:
        self.dismissed = code


@asynccontextmanager
async def watching(*viewers: Onlooker, connection: str = "default") -> AsyncIterator[Watcher]:
    """A watcher with these viewers, from its first figures on."""
    watcher = Watcher(connection)
    try:
        for viewer in viewers:
            await watcher.join(viewer)
        await eventually(lambda: watcher.board.snapshot, what="the watcher has its first figures")
        for viewer in viewers:
            await eventually(lambda seen=viewer: seen.shown, what="what is current arrives")
        yield watcher
    finally:
        await watcher.stop()
        await watcher.stop()
