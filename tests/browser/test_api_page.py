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


def test_a_secret_is_made_once_however_often_its_button_is_pressed_and_gone_when_its_page_is_loaded_anew(
    page: Page, watched
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/admin/queues/keys/new")
    page.get_by_label("Name").fill("pressed-twice")
    page.get_by_role("button", name="Make the key").dblclick()
    expect(page.get_by_text("Made the key “pressed-twice”.")).to_be_visible()
    key = page.locator("#api-key").inner_text()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    expect(page.get_by_role("row").filter(has_text=key[:14])).to_have_count(1)
    assert key not in page.content()

    page.goto("/admin/queues/webhooks/new")
    page.get_by_label("Name").first.fill("Pressed twice")
    page.get_by_label("Address").fill("https://1.1.1.1/")
    page.get_by_role("button", name="Make").dblclick()
    secret = page.locator("#webhook-secret").inner_text()
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pressed twice")
    assert secret not in page.content()
    page.get_by_role("navigation").get_by_role("link", name="Webhooks").first.click()
    expect(page.get_by_role("link", name="Pressed twice")).to_have_count(1)
