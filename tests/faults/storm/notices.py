"""What is told outside: webhooks of failed jobs, and an alert that fires and clears again and again."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter

import redis

from tests.eventually import eventually
from tests.faults.storm.house import House
from tests.receiving import Receiver

MAKE = """
from django.contrib.auth.models import User
from django.utils import timezone
from queues.delivery import sealing
from queues.models import Endpoint
secret = sealing.new_secret()
kinds = ("job.failed", "alert.fired", "alert.cleared", "operation.ended")
for kind in kinds:
    Endpoint.objects.create(name=kind, url="{url}", kinds=f'["{{kind}}"]', secret=sealing.seal(secret),
        queues='["told"]' if kind == "job.failed" else "[]", maker=User.objects.get(username="ana"), maker_name="ana",
        since=timezone.now())
"""
WAITING = 20
PATIENCE_S = 240.0


class Notices:
    """`cycles`: how often there was something to fire for and something to clear."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self.house, self.receiver, self.cycles = house, receiver, 0
        self._task: asyncio.Task[None] | None = None
        self._over = asyncio.Event()

    async def begin(self) -> None:
        await self.house.shell(MAKE.format(url=self.receiver.url))
        self._task = asyncio.create_task(self._alarm(), name="alarm")

    async def end(self) -> None:
        self._over.set()
        assert self._task is not None
        await self._task

    async def _alarm(self) -> None:
        while not self._over.is_set():
            await self._redis(self._fill)
            await eventually(lambda: self.told("alert.fired") > self.cycles, PATIENCE_S, "the alert is told")
            await self._redis(self._empty)
            await eventually(lambda: self.told("alert.cleared") > self.cycles, PATIENCE_S, "its end is told")
            self.cycles += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), 5)

    async def _redis(self, act: object) -> None:
        """Until Redis has done it."""
        while True:
            try:
                await asyncio.to_thread(act)  # type: ignore[arg-type]
                return
            except redis.RedisError:
                await asyncio.sleep(0.2)

    def _fill(self) -> None:
        keys = self.house.keys("alarm")
        with self.house.client() as client:
            pipe = client.pipeline(transaction=True)
            pipe.hset(keys("meta"), "version", "bullmq:6.7.0")
            pipe.delete(keys("wait"))
            for number in range(1, WAITING + 1):
                job = {"name": "ring", "data": "{}", "opts": "{}", "timestamp": 1_700_000_000_000 + number}
                pipe.hset(keys.job(str(number)), mapping=job | {"delay": 0, "priority": 0})
                pipe.lpush(keys("wait"), number)
            pipe.execute()

    def _empty(self) -> None:
        keys = self.house.keys("alarm")
        with self.house.client() as client:
            pipe = client.pipeline(transaction=True)
            pipe.delete(keys("wait"), *(keys.job(str(number)) for number in range(1, WAITING + 1)))
            pipe.execute()

    def told(self, kind: str) -> int:
        """How many different messages of that kind arrived."""
        return len({one.id for one in self.receiver.received if one.told["type"] == kind})

    def failures(self) -> Counter[str]:
        """Of each failed job, how many different messages told of it."""
        found = {(one.id, one.data["jobId"]) for one in self.receiver.received if one.told["type"] == "job.failed"}
        return Counter(job_id for _, job_id in found)

    @property
    def repeated(self) -> int:
        """Messages that came again under their own id: whoever sent them was killed before it noted the answer."""
        return len(self.receiver.received) - len({one.id for one in self.receiver.received})

    def kinds(self) -> dict[str, int]:
        return dict(Counter(json.loads(one.body)["type"] for one in self.receiver.received))
