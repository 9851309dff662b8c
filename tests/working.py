"""Workers for tests: started in the test's own loop, stopped and checked for leftovers when it ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from queues.options import QueueOptions, get_options
from queues.processors import Registry
from queues.protocol.keys import Keys
from queues.worker.control import operate
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.eventually import eventually


@asynccontextmanager
async def working(
    function: Callable[[Any], Any] | None = None,
    queue: str = "chat",
    *,
    job_name: str | None = None,
    registry: Registry | None = None,
    worker_name: str = "tester",
    drain_s: float = 2.0,
    before_start: Callable[[Worker], object] | None = None,
    **options: Any,
) -> AsyncIterator[Worker]:
    """A worker that runs `function` for the queue's jobs. Afterwards nothing of it is left: no task, thread, child or
    connection.
    """
    registry = registry or Registry()
    if function is not None:
        registry.processor(queue, name=job_name)(function)
    before = set(asyncio.all_tasks()), set(threading.enumerate())
    worker = Worker([QueuePlan(queue, registry.of(queue), QueueOptions(**options))], name=worker_name)
    if before_start is not None:
        before_start(worker)
    worker.start()
    try:
        yield worker
        assert not worker.died.done(), worker.died.result()
    finally:
        await worker.stop(drain_s)
        await eventually(lambda: not _left(before), what="the worker's tasks and threads end")
        assert _children() == set(), "a child outlived the worker"
        await eventually(lambda: not _connections_of(worker), what="the worker's connections end")


def operating(
    function: Callable[[Any], Any], on_stop: Callable[[], None] = lambda: None, **more: Any
) -> AbstractAsyncContextManager[Worker]:
    """The same with the heartbeat and the ear that `runworkers` gives its workers."""
    return working(function, before_start=lambda worker: operate(worker, on_stop), **more)


def _left(before: tuple[set[Any], set[threading.Thread]]) -> list[Any]:
    tasks, threads = before
    lasting = ("ThreadPoolExecutor", "asyncio_")
    new = [thread for thread in threading.enumerate() if thread not in threads]
    own = [task for task in asyncio.all_tasks() - tasks if task.get_name() != "proxy"]
    return own + [thread for thread in new if not thread.name.startswith(lasting)]


def _children() -> set[str]:
    """Command lines of this process's children that ran jobs."""
    found = set()
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            with suppress(OSError):
                found.add(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return {line for line in found if "queues.runs" in line}


def _connections_of(worker: Worker) -> list[str]:
    """What Redis, where it answers and is one server, still holds open for it."""
    told = get_options().connection(worker.connection)
    if len(told.hosts) > 1:
        return []
    try:
        with redis.Redis.from_url(told.url, socket_timeout=1) as client:
            return [one["name"] for one in client.client_list() if one["name"].endswith(worker.id)]
    except redis.RedisError:
        return []


class Sight:
    """What lies in Redis, for assertions: text instead of bytes."""

    def __init__(self, client: redis.Redis, prefix: str, queue: str = "chat") -> None:
        self.client, self.keys = client, Keys(prefix, queue)

    def job(self, job_id: str) -> dict[str, str]:
        fields: Any = self.client.hgetall(self.keys.job(job_id))
        return {name.decode(): value.decode("utf-8", "surrogateescape") for name, value in fields.items()}

    def ids(self, state: str) -> list[str]:
        key = self.keys(state)
        found: Any = self.client.lrange(key, 0, -1) if state in ("wait", "active") else self.client.zrange(key, 0, -1)
        return [job_id.decode() for job_id in found]

    def logs(self, job_id: str) -> list[str]:
        found: Any = self.client.lrange(self.keys.logs(job_id), 0, -1)
        return [line.decode() for line in found]

    def events(self, *types: str) -> list[dict[str, str]]:
        found: Any = self.client.xrange(self.keys("events"))
        events = [{k.decode(): v.decode("utf-8", "replace") for k, v in fields.items()} for _, fields in found]
        return [event for event in events if not types or event["event"] in types]

    def started_ms(self) -> list[int]:
        """When jobs became active, by Redis's own clock: how busy this machine is makes no difference."""
        found: Any = self.client.xrange(self.keys("events"))
        return [int(at.split(b"-")[0]) for at, fields in found if fields[b"event"] == b"active"]

    async def until(self, state: str, *job_ids: str, timeout_s: float = 5.0) -> None:
        wanted = set(job_ids)
        await eventually(lambda: wanted <= set(self.ids(state)), timeout_s, f"{', '.join(job_ids)} become {state}")

    async def until_count(self, state: str, count: int, timeout_s: float = 5.0) -> None:
        await eventually(lambda: len(self.ids(state)) == count, timeout_s, f"{count} jobs become {state}")

    def assert_all_over(self) -> None:
        """Nothing is active, no lock is left, the stalled set is empty."""
        assert self.ids("active") == []
        assert [key for key in self.client.scan_iter(self.keys.base + b"*") if key.endswith(b":lock")] == []
        assert self.client.scard(self.keys("stalled")) == 0


def now_ms() -> int:
    return time.time_ns() // 1_000_000
