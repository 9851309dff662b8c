"""Names that addresses usually choke on: each queue and job is reached by clicking, and the right one is acted on."""

from __future__ import annotations

import pytest
import redis
from playwright.sync_api import Page, expect

from dashboard import links

pytestmark = pytest.mark.browser
QUEUES = ["a/b", "a", "..", ".", "%2F", "a b", "🐂", "\"'", "?x=1#y", "\\", "-"]
JOBS = ["b/1", "1", "..", ".", "x/retry", "%2F", "🐂", "\"'", "?action=remove#y"]


@pytest.fixture(scope="module", autouse=True)
def odd(redis_server, module_prefix) -> None:
    with redis.Redis(port=redis_server.port) as client:
        for queue in QUEUES:
            base = f"{module_prefix}:{queue}:"
            client.hset(f"{base}meta", "version", "bullmq:6.7.0")
            for n, job in enumerate(JOBS):
                client.hset(
                    base + job,
                    mapping={"name": f"job {n} of {queue}", "data": "{}", "timestamp": 1, "failedReason": "x"},
                )
                client.zadd(f"{base}failed", {job: n + 1})


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_is_reached_by_clicking(page: Page, queue: str) -> None:
    page.goto("/admin/queues/")
    page.locator("#queues").get_by_role("link", name=queue, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(queue)
    assert page.url.endswith(links.queue_url("default", queue))


@pytest.mark.parametrize("queue", ["a", "..", "a/b"])
def test_each_of_its_jobs_is_reached_by_clicking(page: Page, queue: str) -> None:
    for n, job in enumerate(JOBS):
        page.goto(links.queue_url("default", queue, status="failed"))
        page.locator(f'a[href="{links.job_url("default", queue, job)}"]').first.click()
        expect(page.locator("body")).to_contain_text(f"job {n} of {queue}")


@pytest.mark.parametrize("queue", ["a", ".."])
@pytest.mark.parametrize("job", ["..", "x/retry", "?action=remove#y"])
def test_the_button_on_its_page_acts_on_it_and_on_no_other(
    page: Page, redis_server, module_prefix, queue: str, job: str
) -> None:
    page.goto(links.job_url("default", queue, job))
    page.get_by_role("button", name="Retry").first.click()
    expect(page.locator("#notices")).not_to_be_empty()
    with redis.Redis(port=redis_server.port, decode_responses=True) as client:
        moved = {(other, each) for other in QUEUES for each in client.lrange(f"{module_prefix}:{other}:wait", 0, -1)}
        for other, each in moved:
            client.delete(f"{module_prefix}:{other}:wait")
            client.zadd(f"{module_prefix}:{other}:failed", {each: 1})
    assert moved == {(queue, job)}
