"""Odd jobs for page tests, written by hand; and reading pages as a person does."""

from __future__ import annotations

import json
import re
import time
from html import unescape
from typing import Any

import redis
from django.utils import timezone

from queues.delivery import sealing
from queues.models import Delivery, DeliveryTry, Endpoint

#: Closes what it may stand in, opens what would run or ask, and is no valid JSON, URL or selector.
EVIL = (
    """</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>'">"""
    """<b hx-get="/evil" hx-trigger="load">{{7*7}}&lt;"""
)


def plant_job(
    client: redis.Redis, prefix: str, queue: str, job_id: str | bytes, state: str = "failed", **fields: Any
) -> None:
    """One job by hand in a sorted-set state; `fields` are hash fields beside or instead of the ordinary ones."""
    base, now = f"{prefix}:{queue}:", int(time.time() * 1000)
    raw_id = job_id if isinstance(job_id, bytes) else job_id.encode()
    client.hset(base + "meta", "version", "bullmq:6.7.0")
    client.zadd(base + state, {raw_id: now * 4096 if state == "delayed" else now})
    ordinary = {"name": "work", "data": "{}", "opts": "{}", "timestamp": now - 60_000, "processedOn": now - 5_000}
    if state in ("failed", "completed"):
        ordinary |= {"finishedOn": now - 1_000, "ats": 1, "atm": 1}
    client.hset(base.encode() + raw_id, mapping={k: v for k, v in (ordinary | fields).items() if v is not None})


def plant_evil(client: redis.Redis, prefix: str, state: str = "failed") -> str:
    """A queue and a job whose every name and field is markup. Returns it."""
    texts = {"name": EVIL, "failedReason": EVIL, "pb": EVIL, "deid": EVIL, "rjk": EVIL, "parentKey": EVIL, "defa": EVIL}
    payload = json.dumps({EVIL: [EVIL]})
    fields = {"data": payload, "opts": payload, "progress": json.dumps(EVIL), "returnvalue": payload}
    plant_job(
        client, prefix, EVIL, EVIL, state, **texts, **fields, stacktrace=json.dumps([EVIL, f"{EVIL}\n at {EVIL}"])
    )
    client.rpush(f"{prefix}:{EVIL}:{EVIL}:logs", EVIL)
    return EVIL


def plant_webhook(number: int, queue: str, said: str, maker: Any = None, **fields: Any) -> Any:
    """A webhook that nobody made, unless somebody is named; with one delivery about a job of this queue that holds what
    the job said, given up after an answer that said it, too.
    """
    now = timezone.now()
    row = Endpoint.objects.create(
        pk=number, name=f"hook {number}", url="https://hooks.example.com/x", kinds='["job.failed"]', maker=maker,
        secret=sealing.seal(sealing.new_secret()), maker_name="somebody", since=now, **fields,
    )  # fmt: skip
    body = json.dumps({"type": "job.failed", "timestamp": "", "data": {"queue": queue, "data": said}})
    sent = Delivery.objects.create(
        pk=number, endpoint=row, message_id=f"msg_{number}", key=f"{number}", kind="job.failed", queue=queue, tries=1,
        job_id="1", body=body, has_payload=True, state="failed", ended_at=now, status=500, error="It answered 500.",
    )  # fmt: skip
    DeliveryTry.objects.create(delivery=sent, at=now, status=500, error="It answered 500.", answer=said)
    return row


def is_inert(html: str) -> bool:
    """Whether none of EVIL's markup came through as markup."""
    return not re.search(r"<img|<script>|<b hx-get|</pre></script>|onerror=alert\(2\)>'\">", html)


def text_of(html: str) -> str:
    """What is read: without tags, spaces put together."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html))).strip()


def cells(html: str) -> list[str]:
    """The ids of the jobs listed, in order."""
    return [text_of(found) for found in re.findall(r'<td class="mono id">(.*?)</td>', html, re.DOTALL)]


def count(html: str, state: str) -> int:
    found = re.search(rf'<span id="count__[^"]*" [^>]*data-n="{state}" data-value="(\d+)"', html)
    assert found, f"no tab for {state}"
    return int(found[1])
