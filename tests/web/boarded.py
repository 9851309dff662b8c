"""Asking Bull Board's routes in web tests, and queues to ask about."""

from __future__ import annotations

import base64
import json
from typing import Any

import redis

from queues import queue
from tests.planting import plant_failed
from tests.web.browser import Browser

API = "/admin/queues/api"


async def ask(browser: Browser, method: str, path: str, sent: Any = None, **more: Any) -> tuple[int, Any]:
    """Status and body; a path below this API. What is `sent` goes as JSON."""
    if sent is not None:
        more |= {"data": json.dumps(sent), "content_type": "application/json"}
    answer = await getattr(browser, method.lower())(f"{API}{path}", **more)
    return answer.status_code, json.loads(answer.content) if answer.content else None


async def plant_board(client: redis.Redis, prefix: str) -> redis.Redis:
    """The queues of the recorded answers. Returns a connection that a worker of Node's would have: close it."""
    stacks = json.dumps(["Error: first\n    at a", "Error: SMTP 550\n    at b"])
    opts = '{"attempts":2,"backoff":{"delay":50,"type":"fixed"}}'
    more = {
        "opts": opts,
        "pb": "mailer-1",
        "progress": '{"progress":40,"step":"smtp"}',
        "atm": 2,
        "ats": 2,
        "stacktrace": stacks,
    }
    plant_failed(client, prefix, "Emails.Welcome", 10, reason="SMTP 550", **more)
    client.rpush(f"{prefix}:Emails.Welcome:10:logs", "info: a", "warn: b", "error: c")
    for kind in ("completed", "failed"):
        client.hset(f"{prefix}:Emails.Welcome:metrics:{kind}", mapping={"count": 20, "prevTS": 5, "prevCount": 0})
        client.rpush(f"{prefix}:Emails.Welcome:metrics:{kind}:data", 3, 0, 2)
    await queue("reports").upsert_scheduler("nightly", pattern="0 3 * * *", tz="Europe/Paris", data={"kind": "n"})
    await queue("reports").upsert_scheduler("every-30s", every_ms=30_000, limit=1000, name="tick", data={"kind": "t"})
    # As it is when the worker has begun the first run.
    client.hset(f"{prefix}:reports:repeat:every-30s", "ic", 2)
    charges = [
        {"queue": "flow-children", "name": "charge", "data": {"n": 1}, "job_id": "one"},
        {"queue": "flow-children", "name": "charge", "data": {"n": 2}, "job_id": "two", "delay_ms": 99_999},
    ]
    await queue("Payments").add_flow("charge-batch", {"batch": 7}, children=charges, job_id="batch")
    await queue("video").add("transcode", {"file": "v1.mp4"}, job_id="v1")
    await queue("video").add("transcode-prio", {"file": "p4.mp4"}, job_id="p4", priority=5)
    worker = redis.Redis(port=client.connection_pool.connection_kwargs["port"])
    worker.client_setname(f"{prefix}:{base64.b64encode(b'Emails.Welcome').decode()}:w:mailer-1")
    return worker
