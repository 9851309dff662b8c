"""PyPI's bullmq Worker on one queue, set up as well as it can be (socket_timeout, its version read first)."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import redis.asyncio
from bullmq import Worker


async def _nothing(job: Any, token: str) -> None:
    return None


async def main() -> None:
    client = redis.asyncio.Redis(port=int(os.environ["REDIS_PORT"]), decode_responses=True, socket_timeout=None)
    options = {
        "connection": client,
        "prefix": os.environ["PREFIX"],
        "concurrency": int(os.environ["CONCURRENCY"]),
        "autorun": False,
    }
    worker = Worker(os.environ["QUEUE"], _nothing, options)
    await worker.blockingRedisConnection.getRedisVersion()
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
