"""Programs that listen, without a server between: what they are told, as a list that grows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import jwt
import redis

from dashboard.credentials.identity import Credential, Identity, Kind
from dashboard.grants import Grants, Pattern
from dashboard.live.commands import Commands
from dashboard.live.follower import Follower
from dashboard.live.listener import Listener
from queues.actions.actor import Actor
from queues.lookups import snapshot as snapshots
from queues.protocol.keys import Keys
from tests.eventually import eventually
from tests.working import now_ms

ISSUER, AUDIENCE = "https://issuer.test", "toril"
SECRET = "a secret of the tests that is long enough"
SIGNED = {"AUDIENCE": AUDIENCE, "ALGORITHMS": ["HS256"], "KEY": SECRET}
EVERYTHING = {"abilities": ["view", "view_payload"], "queues": ["*"]}
#: For a stand: tokens of people who see what is their own, and of services that see all.
SETTINGS = {
    "CREDENTIALS": {
        "JWT": [
            {"ISSUER": ISSUER, **SIGNED, "GIVES": {"abilities": ["view"], "queues": ["*"]}, "OWN": {"userId": "sub"}},
            {"ISSUER": f"{ISSUER}/services", **SIGNED, "GIVES": EVERYTHING},
        ]
    },
    "LIVE": {"HEARTBEAT_S": 1, "PER_CALLER": 3, "ORIGINS": ["https://app.example"]},
}


def token(subject: str, issuer: str = ISSUER, lasts_s: float = 600, key: str = SECRET) -> str:
    claims = {"iss": issuer, "aud": AUDIENCE, "sub": subject, "exp": int(now_ms() / 1000 + lasts_s)}
    return jwt.encode(claims, key, algorithm="HS256")


def service(name: str = "service", **more: Any) -> str:
    return token(name, f"{ISSUER}/services", **more)


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


class Told:
    """Events as others write them: what a job carries is in its hash, what happens in the stream."""

    def __init__(self, client: redis.Redis, prefix: str, queue: str = "chat") -> None:
        self.client, self.prefix, self.keys = client, prefix, Keys(prefix, queue)

    def job(
        self, job_id: str, name: str = "talk", queue: str = "chat", timestamp: int | None = None, **data: Any
    ) -> None:
        keys = Keys(self.prefix, queue)
        added_ms = now_ms() if timestamp is None else timestamp
        self.client.hset(keys("meta"), "version", "bullmq:6.7.0")
        self.client.hset(keys.job(job_id), mapping={"name": name, "data": json.dumps(data), "timestamp": added_ms})

    def event(self, kind: str, job_id: str = "", queue: str = "chat", **fields: str) -> str:
        told = {"event": kind, **({"jobId": job_id} if job_id else {}), **fields}
        return self.client.xadd(Keys(self.prefix, queue)("events"), told).decode()
