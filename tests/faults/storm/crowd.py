"""Those who look on: people on pages, tabs at the live socket, programs that go on where they left, one who acts, and
bulk work. Each writes down what it was answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import redis
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.eventually import eventually
from tests.faults.storm.house import House
from tests.listening import service
from tests.planting import plant_failed
from tests.watching import Screen

PAGES = (
    "",
    "queue/work?status=completed",
    "queue/work?status=failed",
    "queue/work?status=active",
    "queue/told",
    "queue/odd",
    "queue/desk/d1",
    "workers",
    "redis",
    "check",
    "failures",
    "metrics-history",
    "operations",
    "audit",
    "alerts",
    "webhooks",
    "job-schedulers",
    "flows",
    "search?q=name:raise",
    "settings",
    "keys",
    "api/queues",
)
OTHERS = ("/api/health", "/readyz", "/livez")
#: What an honest page says while something is broken.
HONEST = {200, 503}
WAIT_S = 60.0
SHELVES, ON_A_SHELF = 200, 200


class Crowd:
    """`join()` begins; `leave()` ends, and waits for what is under way."""

    def __init__(self, house: House, seed: int) -> None:
        self.house, self.dice = house, random.Random(seed)
        self.answers: Counter[str] = Counter()
        self.dishonest: list[str] = []
        self.slowest_s = 0.0
        #: id of each promoted job → how often it was asked for; whether somebody said it was done.
        self.asked: Counter[str] = Counter()
        self.granted: set[str] = set()
        self.shelves = 0
        self.program = Program(house)
        self.tab = Tab(house)
        self._cookies: dict[str, str] = {}
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, viewers: int) -> None:
        with contextlib.closing(await asyncio.to_thread(self.house.stand.signed_in)) as client:
            self._cookies = dict(client.cookies)
        works: list[Callable[[], Awaitable[None]]] = [self._look] * viewers
        works += [self._promote, self._shelve]
        self._tasks = [asyncio.create_task(self._until_over(work)) for work in works]
        self._tasks += [asyncio.create_task(self.program.listen()), asyncio.create_task(self.tab.watch(self._cookies))]
        # What ends before it has subscribed for the first time nobody has promised to tell it.
        await eventually(lambda: self.program.has_subscribed, WAIT_S, "the program has subscribed")

    async def leave(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks[:-2])

    async def end(self) -> None:
        """Program and tab listen for longer: what they hear last is what is compared."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_over(self, work: Callable[[], Awaitable[None]]) -> None:
        while not self._over.is_set():
            await work()

    def client(self, timeout_s: float = WAIT_S) -> httpx.AsyncClient:
        address = self.dice.choice(self.house.addresses)
        headers = {"X-CSRFToken": self._cookies["toril_csrf"], "Referer": address}
        return httpx.AsyncClient(base_url=address, cookies=self._cookies, headers=headers, timeout=timeout_s)

    async def ask(self, path: str, method: str = "GET", **more: Any) -> httpx.Response | None:
        """None where the connection was cut: whoever was asked was killed."""
        began = time.monotonic()
        try:
            async with self.client() as client:
                answer = await client.request(method, path, **more)
        except httpx.TransportError as error:
            self.answers["timed out" if isinstance(error, httpx.TimeoutException) else "cut"] += 1
            return None
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.answers[str(answer.status_code)] += 1
        return answer

    async def _look(self) -> None:
        path = self.dice.choice(PAGES + OTHERS)
        path = path if path.startswith("/") else f"/admin/queues/{path}"
        answer = await self.ask(path)
        # A job that nobody has added yet, and a queue that nobody has broken yet, are not there.
        missing = answer is not None and answer.status_code == 404 and path.endswith(("d1", "odd"))
        if answer is not None and answer.status_code not in HONEST and not missing:
            self.dishonest.append(f"{answer.status_code} {path}: {answer.text[:200]}")
        await asyncio.sleep(self.dice.uniform(0.1, 0.5))

    async def _promote(self) -> None:
        """One delayed job after the other, by Bull Board's route, each until it waits."""
        job_id = f"d{len(self.asked) + 1}"
        try:
            await asyncio.to_thread(self._plant_delayed, job_id)
        except redis.RedisError:
            return
        for _ in range(30):
            self.asked[job_id] += 1
            answer = await self.ask(f"/admin/queues/api/queues/desk/{job_id}/promote", "PUT")
            if answer is not None and answer.status_code in (200, 204):
                self.granted.add(job_id)
                return
            if answer is not None and answer.status_code in (400, 404, 409):
                # It is not delayed any more: a former request did it, whose answer was lost.
                return
            if answer is not None and answer.status_code not in HONEST:
                self.dishonest.append(f"{answer.status_code} promote {job_id}: {answer.text[:200]}")
            await asyncio.sleep(0.5)

    def _plant_delayed(self, job_id: str) -> None:
        keys, later = self.house.keys("desk"), int(time.time() * 1000) + 86_400_000
        job = {"name": "later", "data": "{}", "opts": "{}", "timestamp": later - 86_400_000, "delay": 86_400_000}
        with self.house.client() as client:
            pipe = client.pipeline(transaction=True)
            pipe.hset(keys("meta"), mapping={"version": "bullmq:6.7.0", "opts.maxLenEvents": 100_000})
            pipe.hset(keys.job(job_id), mapping={**job, "priority": 0})
            pipe.zadd(keys("delayed"), {job_id: later * 4096})
            pipe.execute()

    async def _shelve(self) -> None:
        """A shelf of failed jobs, and an operation that retries them: one, under one key, however often it is asked."""
        if self.shelves >= SHELVES:
            await self._over.wait()
            return
        name = f"shelf{self.shelves + 1}"
        try:
            await asyncio.to_thread(self._plant_shelf, name)
        except redis.RedisError:
            await asyncio.sleep(0.5)
            return
        self.shelves += 1
        body = {"action": "retry", "target": {"queues": [name], "states": ["failed"]}, "reason": "a storm"}
        for _ in range(60):
            answer = await self.ask("/api/v1/operations", "POST", json=body, headers={"Idempotency-Key": name})
            if answer is not None and answer.status_code == 201:
                break
            if answer is not None and answer.status_code not in (*HONEST, 404, 409):
                self.dishonest.append(f"{answer.status_code} {name}: {answer.text[:200]}")
            await asyncio.sleep(0.5)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), 10)

    def _plant_shelf(self, name: str) -> None:
        with self.house.client() as client:
            plant_failed(client, self.house.keys(name).prefix, name, ON_A_SHELF)
            client.hset(self.house.keys(name)("meta"), "opts.maxLenEvents", 100_000)


class Program:
    """Listens to `told` at /api/ws; comes back with `since`, to whichever web answers."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.heard: Counter[tuple[str, str]] = Counter()
        self.ended: set[str] = set()
        self.gaps: list[dict[str, Any]] = []
        self.connections = 0
        self.has_subscribed = False
        self.since = ""

    async def listen(self) -> None:
        turn = 0
        while True:
            turn += 1
            address = self.house.addresses[turn % 2].replace("http", "ws")
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                headers = {"Authorization": f"Bearer {service('storm', lasts_s=3_000)}"}
                async with connect(f"{address}/api/ws", additional_headers=headers, open_timeout=10) as socket:
                    self.connections += 1
                    since = {"since": self.since} if self.since else {}
                    await socket.send(json.dumps({"action": "subscribe", "queue": "told", **since}))
                    async for text in socket:
                        self._hear(json.loads(text))
            await asyncio.sleep(0.3)

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "gap":
            self.gaps.append(message)
        if "jobId" in message:
            self.heard[message["id"], message["type"]] += 1
            if message["type"] in ("job:completed", "job:failed"):
                self.ended.add(message["jobId"])
        self.has_subscribed |= message["type"] == "subscribed"
        self.since = message.get("id") or self.since

    @property
    def twice(self) -> int:
        return sum(count > 1 for count in self.heard.values())


class Tab:
    """A page's own socket on the queue `told`, which comes back as hx-ws does: it asks for the page, then connects."""

    def __init__(self, house: House) -> None:
        self.house, self.screen, self.connections = house, Screen(), 0

    async def watch(self, cookies: dict[str, str]) -> None:
        headers, turn = {"Cookie": f"toril_session={cookies['toril_session']}"}, 0
        while True:
            turn += 1
            address = self.house.addresses[turn % 2]
            url = f"{address.replace('http', 'ws')}/admin/queues/live?queue=told"
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(url, additional_headers=headers, origin=address, max_size=None) as socket:
                    self.connections += 1
                    self.screen.clear()
                    async for text in socket:
                        self.screen.take(str(text))
            await asyncio.sleep(0.3)
