"""Node listens: by Toril's socket and stream to jobs that Node itself runs, by BullMQ to what our processors tell."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from queues import queue
from tests.eventually import eventually
from tests.interop.nodes import Node
from tests.listening import SETTINGS, service
from tests.stand import Stand
from tests.working import working

pytestmark = pytest.mark.node


async def tell(job: Any) -> None:
    await job.notify("message:updated", messageId="m1")


async def test_node_hears_of_jobs_that_node_runs_and_of_what_ours_tell(tmp_path, connection, redis_server, prefix):
    settings = {"STAND_TORIL": json.dumps(SETTINGS), "TORIL_DEMO": "0"}
    stand = await asyncio.to_thread(Stand, tmp_path, redis_server.url, prefix, **settings)
    node = Node(redis_server.port, prefix)
    try:
        await asyncio.to_thread(stand.web)
        async with node.listening(stand.address, service("node")) as heard:
            async with node.working():
                good = await queue("chat").add("good", {"conversationId": "c1"})
                bad = await queue("chat").add("fail", {"conversationId": "c1"})
                for via in ("socket", "stream"):
                    steps = ["job:queued", "job:started", "job:progress", "job:completed"]
                    await eventually(lambda v=via, s=steps: of(heard, v, good.id) == s, 30)
                    await eventually(lambda v=via: of(heard, v, bad.id)[-1:] == ["job:failed"], 30)
            progress = next(each for each in heard if each["type"] == "job:progress")
            assert progress.items() >= {"conversationId": "c1", "progress": {"stage": "node", "percent": 50}}.items()
            async with working(tell):
                ours = await queue("chat").add("good")
                await eventually(lambda: {"bullmq", "socket", "stream"} == told(heard, ours.id), 30)
    finally:
        await asyncio.to_thread(stand.close)


def of(heard: list[Any], via: str, job_id: str) -> list[str]:
    return [each["type"] for each in heard if each.get("via") == via and each.get("jobId") == job_id]


def told(heard: list[Any], job_id: str) -> set[str]:
    found = [each for each in heard if each["type"] == "message:updated" and each["jobId"] == job_id]
    return {each["via"] for each in found if each["messageId"] == "m1"}
