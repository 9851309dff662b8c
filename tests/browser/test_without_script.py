"""Everything works as plain forms and links where JavaScript is off."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser_context_args() -> dict[str, Any]:
    return {"java_script_enabled": False}


def count(page: Page, state: str) -> str:
    return page.locator(f"#tabs [data-n={state}]").first.get_attribute("data-value") or ""


def test_jobs_are_listed_and_one_is_retried(page: Page, plant) -> None:
    plant("plain", 3)
    page.goto("/admin/queues/queue/plain?status=failed")
    page.get_by_role("button", name="Retry 3", exact=True).click()
    expect(page.locator("#notices")).to_contain_text("3")
    assert (count(page, "failed"), count(page, "waiting")) == ("2", "1")


def test_a_job_page_acts_and_comes_back(page: Page, plant) -> None:
    plant("plainjob", 1)
    page.goto("/admin/queues/queue/plainjob/1")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page).to_have_url("/admin/queues/queue/plainjob/1")
    expect(page.locator("h1 .state")).to_have_text("waiting")


def test_a_queue_is_paused_and_resumed(page: Page, plant) -> None:
    plant("plainpause", 1)
    page.goto("/admin/queues/queue/plainpause")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#queue")).to_contain_text("paused")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()


def test_all_failed_jobs_are_counted_confirmed_and_retried(page: Page, plant) -> None:
    plant("plainbulk", 5)
    page.goto("/admin/queues/queue/plainbulk?status=failed")
    page.get_by_role("link", name="Retry all").click()
    expect(page.locator("#panel")).to_contain_text("5 failed jobs")
    page.locator("#panel").get_by_role("button").click()
    assert (count(page, "failed"), count(page, "waiting")) == ("0", "5")


def test_a_job_is_removed_after_a_second_click(page: Page, plant) -> None:
    plant("plainremove", 2)
    page.goto("/admin/queues/queue/plainremove?status=failed")
    row = page.locator("#list tbody tr").first
    row.locator("summary").click()
    row.get_by_role("button", name="Remove 1 job").click()
    assert count(page, "failed") == "1"


def test_an_operation_is_begun_and_cancelled(page: Page, plant) -> None:
    plant("plainmany", 3)
    page.goto("/admin/queues/operations/new?do=retry&queue=plainmany&state=failed")
    page.get_by_label("Reason").fill("by form alone")
    page.get_by_role("button", name="Retry 3 failed jobs").click()
    expect(page.locator("h1")).to_have_text("Retry 3 failed jobs")
    expect(page.locator("#operation")).to_contain_text("by form alone")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#operation")).to_contain_text("Cancelled")
