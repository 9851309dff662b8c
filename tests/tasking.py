"""Django's tasks at work: their queue's Redis, a worker of theirs, and waiting for a result."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from queues import processors
from queues.protocol.blocking import close_blocking
from queues.tasks.api import TaskResultStatus
from queues.worker.worker import Worker
from tests.eventually import eventually
from tests.working import Sight, working

READY, RUNNING = TaskResultStatus.READY, TaskResultStatus.RUNNING
SUCCESSFUL, FAILED = TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED
BACKEND = "queues.tasks.TorilBackend"


@pytest.fixture(name="sight")
def sight_of_tasks(connection: str, client_of_redis: redis.Redis, prefix: str) -> Any:
    yield Sight(client_of_redis, prefix, "default")
    close_blocking()


@asynccontextmanager
async def at_work(queue: str = "default", **options: Any) -> AsyncIterator[Worker]:
    """A worker of the queue's tasks."""
    async with working(queue=queue, registry=processors.registry, **options) as worker:
        yield worker


async def ended(result: Any) -> Any:
    async def look() -> bool:
        await result.arefresh()
        return bool(result.is_finished)

    await eventually(look, what="the task ends")
    return result
