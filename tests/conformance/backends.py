"""What Django's tests ask of its own two backends, on top of ours."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from queues.errors import JobNotFound
from queues.processors import registry
from queues.producer import queue
from queues.protocol.connections import close_wires
from queues.tasks import TorilBackend
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.eventually import eventually


class DummyBackend(TorilBackend):
    """Remembers what was enqueued. Jobs lie in Redis, and no worker looks at them."""

    _ids: list[str] = []  # noqa: RUF012 every thread has a backend of its own

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result = super().enqueue(task, args, kwargs)
        self._ids.append(result.id)
        return result

    async def aenqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result = await super().aenqueue(task, args, kwargs)
        self._ids.append(result.id)
        return result

    @property
    def results(self) -> list[Any]:
        with ThreadPoolExecutor(1) as another_thread:
            return list(another_thread.map(self.get_result, self._ids))

    def clear(self) -> None:
        for name, _, job_id in (result_id.partition("/") for result_id in self._ids):
            # An earlier test's jobs lie under another prefix.
            with suppress(JobNotFound):
                queue(name).sync.remove(job_id)
        self._ids.clear()


class ImmediateBackend(TorilBackend):
    """Has a worker run what was enqueued, and waits for that."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result = super().enqueue(task, args, kwargs)
        with ThreadPoolExecutor(1) as another_thread:
            another_thread.submit(lambda: asyncio.run(_work_until_finished(result))).result()
        result.refresh()
        return result

    async def aenqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        result = await super().aenqueue(task, args, kwargs)
        await asyncio.to_thread(lambda: asyncio.run(_work_until_finished(result)))
        await result.arefresh()
        return result


async def _work_until_finished(result: Any) -> None:
    name = result.task.queue_name
    worker = Worker([QueuePlan(name, registry.of(name))])
    worker.start()

    async def is_finished() -> bool:
        return bool((await result.task.get_backend().aget_result(result.id)).is_finished)

    try:
        await eventually(is_finished, timeout_s=10)
    finally:
        await worker.stop(5)
        await close_wires()
