"""Processors for tests that run real workers: each does what the job's data asks."""

import asyncio
from typing import Any

from queues import processor


@processor("chat")
async def chat(job: Any) -> Any:
    """{"fail": n} fails the first n attempts; {"sleep_s": s} takes that long; else it answers its data."""
    asked = job.data or {}
    await job.log(f"attempt {job.attempt}")
    if asked.get("sleep_s"):
        await job.progress({"stage": "sleeping", "percent": 50})
        await asyncio.sleep(asked["sleep_s"])
    if job.attempt <= asked.get("fail", 0):
        raise TimeoutError(f"model did not answer on attempt {job.attempt}")
    return {"echo": asked}
