"""The page of the API in a real browser: requests are sent from it with one's own rights, under the strict policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_a_request_is_tried_and_its_answer_shown(page: Page, watched, plant) -> None:
    watched.expected = ("401", "400")
    plant("tried", 2)
    page.goto("/api/v1/docs")
    request = page.locator("#addJob")
    request.locator("> summary").click()
    request.get_by_label("queue").fill("tried")
    expect(request.locator(".curl")).to_contain_text("/api/v1/queues/tried/jobs")
    request.get_by_role("button", name="Send").click()
    expect(request.locator(".status")).to_have_text("201 Created")
    expect(request.locator(".told")).to_contain_text('"is_new": true')
    request.get_by_label("Body").fill("{")
    request.get_by_role("button", name="Send").click()
    expect(request.locator(".status")).to_have_text("400 Bad Request")
    listed = page.locator("#listJobs")
    listed.locator("> summary").click()
    listed.get_by_label("queue").fill("tried")
    listed.get_by_label("state").select_option("failed")
    listed.get_by_role("button", name="Send").click()
    expect(listed.locator(".told")).to_contain_text('"total": 2')
    # With a key nothing of the session counts.
    page.get_by_label("Ask as a program does").fill("toril_no_key")
    listed.get_by_role("button", name="Send").click()
    expect(listed.locator(".status")).to_have_text("401 Unauthorized")
