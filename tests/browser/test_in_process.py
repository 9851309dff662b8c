"""USE_JOB_QUEUE=false in a real browser: the web runs jobs itself, says so, and its pages move without any Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.inprocess import Adder, ClosedPort
from tests.services import require_browser
from tests.stand import Stand

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    require_browser()
    port = ClosedPort()
    opened = Stand(tmp_path_factory.mktemp("stand"), port.url, "bull", USE_JOB_QUEUE="false")
    opened.web()
    yield opened
    opened.close()
    dialled = port.was_dialled()
    port.close()
    assert not dialled, "somebody spoke to Redis"


@pytest.fixture(scope="module")
def adder(stand: Stand) -> Iterator[Adder]:
    opened = Adder(stand)
    yield opened
    opened.close()


def test_counts_move_by_themselves_and_the_page_says_where_jobs_run(page: Page, adder: Adder) -> None:
    expect(page.locator("main")).to_contain_text("Jobs run in this process; there is no Redis.")
    adder.add("add('hello', {'n': 1})")
    expect(page.locator("#queue-names")).to_contain_text("chat")
    page.get_by_role("link", name="Show").click()
    expect(page.locator("#live-status")).to_have_text("live")
    completed = page.locator("#queues tr[data-name=chat] [data-n=completed]")
    expect(completed).to_have_attribute("data-value", "1")
    page.evaluate("window.stillHere = true")
    adder.add("add('hello', {'n': 2})")
    expect(completed).to_have_attribute("data-value", "2")
    assert page.evaluate("window.stillHere")


def test_a_failed_job_is_retried_by_the_web_itself_and_seen_to_complete(page: Page, adder: Adder) -> None:
    job_id = adder.add("add('summarize', {'fail': 1})")
    page.goto(f"/admin/queues/queue/chat/{job_id}")
    expect(page.locator("h1 .state")).to_have_text("failed")
    expect(page.locator("#logs")).to_contain_text("attempt 1")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("h1 .state")).to_have_text("completed")
    expect(page.locator("#logs")).to_contain_text("attempt 2")


def test_a_running_job_shows_its_progress_and_then_its_end_by_itself(page: Page, adder: Adder) -> None:
    job_id = adder.add("add('summarize', {'sleep_s': 2.5})")
    page.goto(f"/admin/queues/queue/chat/{job_id}")
    expect(page.locator("#job")).to_contain_text("sleeping")
    expect(page.locator("h1 .state")).to_have_text("completed")


def test_a_queue_is_paused_and_resumed(page: Page, adder: Adder) -> None:
    page.goto("/admin/queues/queue/chat")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#queue")).to_contain_text("paused")
    job_id = adder.add("add('hello', {})")
    expect(page.locator("#tabs [data-n=waiting]").first).to_have_attribute("data-value", "1")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator("#tabs [data-n=waiting]").first).to_have_attribute("data-value", "0")
    page.goto(f"/admin/queues/queue/chat/{job_id}")
    expect(page.locator("h1 .state")).to_have_text("completed")
