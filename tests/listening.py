"""Programs that listen, without a server between: what they are told, as a list that grows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dashboard.credentials.identity import Credential, Identity, Kind
from dashboard.grants import Grants, Pattern
from dashboard.live.commands import Commands
from dashboard.live.follower import Follower
from dashboard.live.listener import Listener
from queues.actions.actor import Actor
from queues.lookups import snapshot as snapshots
from tests.eventually import eventually


def identity(
    *abilities: str, queues: str = "", own: Mapping[str, str] | None = None, caller: str = "key:1"
) -> Identity:
    """Somebody with these abilities, on all queues or on those that fit."""
    held = frozenset(abilities or ("view", "view_payload"))
    actor = Actor(None, caller)
    grants = Grants(actor, patterns=(Pattern("*", queues, held),)) if queues else Grants(actor, held)
    return Identity(grants, caller, Credential(Kind.TOKEN), own=own or {})


class Ear(Listener):
    """A listener that takes all at once, and keeps it."""

    def __init__(self, follower: Follower, who: Identity, connection: str = "default") -> None:
        super().__init__(who, connection, None)
        self.heard: list[dict[str, Any]] = []
        self.commands = Commands(self, follower)
        self._reading = asyncio.create_task(self._read(), name="ear")

    async def _read(self) -> None:
        while (told := await self.next()) is not None:
            self.heard.append(json.loads(told.text))

    async def say(self, **said: Any) -> None:
        await self.commands.hear(json.dumps(said))

    async def subscribe(self, **said: Any) -> dict[str, Any]:
        """Returns the answer."""
        before = len(self.answers("subscribed", "error"))
        await self.say(action="subscribe", **said)
        await eventually(lambda: self.answers("subscribed", "error")[before:], what="it is answered")
        return self.answers("subscribed", "error")[before]

    def answers(self, *types: str) -> list[dict[str, Any]]:
        return [each for each in self.heard if each["type"] in types]

    @property
    def told(self) -> list[dict[str, Any]]:
        """What is told of jobs."""
        return [each for each in self.heard if "jobId" in each and each["type"] not in ("subscribed", "unsubscribed")]

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(each["jobId"], each["type"]) for each in self.told]

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait({self._reading})


@asynccontextmanager
async def listening(*who: Identity, connection: str = "default") -> AsyncIterator[list[Any]]:
    """A follower, and an ear for each; yields `[follower, *ears]`."""
    follower = Follower(connection)
    ears = [Ear(follower, each, connection) for each in who]
    for ear in ears:
        follower.join(ear)
    try:
        yield [follower, *ears]
    finally:
        for ear in ears:
            follower.leave(ear)
            await ear.close()
        await follower.stop()
        await follower.stop()
        await snapshots.forget()
