"""One box over everything: typed into, narrowed, kept, written down, acted on; and a job that Redis forgot is found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import axe, violations  # noqa: F401
from tests.conftest import RedisServer
from tests.eventually import Stopwatch
from tests.stand import Stand

pytestmark = [pytest.mark.browser, pytest.mark.node]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def mirrored(stand: Stand) -> Iterator[Stand]:
    stand.mirror()
    yield stand
    stand.stop("mirror")


def found(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("table.found td.id").all_inner_texts()]


def until(page: Page, is_so: Callable[[], bool]) -> None:
    """What the mirror takes in shows when the page is asked again."""
    watch = Stopwatch()
    while not is_so():
        assert not watch.is_over(PATIENCE_S), page.locator("main").inner_text()
        time.sleep(0.2)
        page.reload()


def test_a_search_from_the_first_key_to_a_job_that_is_gone(
    page: Page,
    mirrored: Stand,
    plant: Any,
    redis_server: RedisServer,
    module_prefix: str,
    axe: str,  # noqa: F811
) -> None:
    ids = plant("chat", 3, reason="TimeoutError: no answer")
    plant("mail", 2, reason="refused")
    page.goto("/admin/queues/workers")
    box, options = page.locator("#seek"), page.locator("#seek-list [role=option]")

    # Typed and suggested: an arrow chooses, Enter takes, Enter searches.
    page.keyboard.press("/")
    page.keyboard.type("state:fai")
    expect(options).to_have_count(1)
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "seek-1")
    page.keyboard.press("Enter")
    expect(box).to_have_value("state:failed ")
    page.keyboard.press("Escape")
    expect(page.locator("#seek-list")).to_be_hidden()
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/queues/search?q=state%3Afailed*")
    until(page, lambda: len(found(page)) == 5)
    assert violations(page, axe) == "[]"

    # Narrowed by a link, kept under a name, found again in the box.
    box.fill("state:failed error:timeout")
    box.press("Enter")
    page.wait_for_url("**error%3Atimeout*")
    until(page, lambda: len(found(page)) == 3)
    page.get_by_role("link", name="24 h").click()
    expect(box).to_have_value("state:failed error:timeout since:24h")
    page.locator(".save-view summary").click()
    page.get_by_label("Name", exact=True).fill("Timeouts")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("Kept as “Timeouts”.")
    page.goto("/admin/queues/")
    box.click()
    expect(options.first).to_contain_text("Timeouts")
    options.first.click()
    page.wait_for_url("**/admin/queues/search?q=state%3Afailed+error%3Atimeout+since%3A24h")

    # All of it as a file.
    until(page, lambda: len(found(page)) == 3)
    page.locator(".export summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="All that fit as CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("connection,queue,id,name,state")

    # Ticked by keys, and shown before anything is done.
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-picked]")).to_have_text("1 ticked")
    page.locator("#selection").get_by_role("button", name="Retry…").click()
    page.wait_for_url("**/admin/queues/operations/new*")
    expect(page.locator("main")).to_contain_text("1 job")

    # Redis forgets one: it is found all the same, and its page is what the mirror kept.
    with redis.Redis(port=redis_server.port) as client:
        key = f"{module_prefix}:chat"
        client.zrem(f"{key}:failed", ids[0])
        client.delete(f"{key}:{ids[0]}")
        client.xadd(f"{key}:events", {"event": "removed", "jobId": ids[0], "prev": "failed"})
    page.goto("/admin/queues/search?q=queue:chat+is:removed")
    until(page, lambda: found(page) == [ids[0]])
    expect(page.locator("table.found")).to_contain_text("removed")
    expect(page.locator("table.found")).to_contain_text("TimeoutError: no answer")
    page.locator("table.found td.id a").click()
    expect(page.locator("h1")).to_contain_text("no longer in Redis")
    expect(page.locator("main")).to_contain_text("TimeoutError: no answer")
