"""What stands around a job: its children and parent, the ones of its name beside it, and the last runs of its name."""

from __future__ import annotations

import re
import time

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.models import QueueGrant
from queues.models import Job
from queues.producer import queue
from tests.web.browser import Browser
from tests.web.planted import plant_job, text_of

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "/admin/queues/queue/chat"


async def kin(browser, job_id: str, of: str = "chat") -> str:
    answer = await browser.get(f"/admin/queues/queue/{of}/{job_id}?fragment=kin", htmx=True)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


async def test_the_last_runs_and_those_beside_it_come_from_redis_where_no_mirror_is(
    viewer, connection, client_of_redis, prefix
):
    now = int(time.time() * 1000)
    for n in range(6):
        name, at = "odd" if n % 2 else "even", now - 100_000 + n * 1_000
        plant_job(client_of_redis, prefix, "chat", str(n), "completed", name=name, processedOn=at - 500, finishedOn=at)
        client_of_redis.zadd(f"{prefix}:chat:completed", {str(n): at})
    html = await kin(viewer, "2")
    assert re.findall(r'<li[^>]*><a href="[^"]*/(\d)">', html) == ["4", "2", "0"]
    assert re.search(r'href="[^"]*/0" rel="prev"', html)
    assert re.search(r'href="[^"]*/4" rel="next"', html)
    assert "completed 500 ms" in text_of(html)
    assert "Among the newest 6 ended jobs in Redis." in text_of(html)


async def test_where_the_mirror_has_rows_removed_jobs_count_too(viewer, connection, client_of_redis, prefix):
    plant_job(client_of_redis, prefix, "chat", "now", "completed", name="reply")
    for n in range(15):
        await Job.objects.acreate(
            queue="chat",
            job_id=f"old-{n}",
            name="reply" if n != 7 else "other",
            state="failed" if n % 2 else "completed",
            timestamp_ms=n + 1,
            processed_on_ms=1_000 * n,
            finished_on_ms=1_000 * n + 250,
            removed_at=timezone.now(),
        )
    html = await kin(viewer, "now")
    assert re.findall(r"/old-(\d+)\?added=", html) == [str(n) for n in range(14, 3, -1) if n != 7]
    assert "250 ms" in text_of(html)
    assert "jobs that the mirror keeps" in text_of(html)


async def test_children_are_counted_and_named_but_none_of_a_hidden_queue(connection, viewer, client_of_redis, prefix):
    children = [{"queue": name, "name": "fetch"} for name in ("pages", "secret")]
    family = await queue("chat").add_flow("digest", {}, children=children)
    html = await kin(viewer, family.job.id)
    assert "2 of 2 pending" in text_of(html)
    assert "/queue/pages/" in html
    assert "/queue/secret/" in html
    user = await User.objects.acreate_user("porter", is_staff=True)
    for name in ("chat", "pages"):
        await QueueGrant.objects.acreate(user=user, connection="*", queue=name, abilities=["view"])
    porter = Browser()
    await porter.aforce_login(user)
    html = await kin(porter, family.job.id)
    assert "/queue/pages/" in html
    assert "secret" not in html
    assert "2 of 2" not in text_of(html)
    plant_job(client_of_redis, prefix, "chat", "7", parentKey=f"{prefix}:secret:9")
    assert "secret" not in (await porter.get(f"{QUEUE}/7")).content.decode()
    assert "child of secret / 9" in text_of((await viewer.get(f"{QUEUE}/7")).content.decode())
