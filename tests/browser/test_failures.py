"""From failing jobs to a group that is looked after, with the mirror that groups them as a process."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.stand import Stand

pytestmark = pytest.mark.browser
PATIENT_MS = 60_000


def test_a_group_is_found_resolved_comes_back_and_is_split(page: Page, stand: Stand, plant) -> None:
    stand.mirror()
    plant("billing", 4, reason="PlanError: tenant 3 has no plan", name="charge")
    plant("chat", 9, reason="TimeoutError: no answer within 30 s", name="summarize")
    page.goto("/admin/queues/")
    page.get_by_role("link", name="Failures").click()
    # It comes by itself.
    timeouts = page.get_by_role("row").filter(has_text="TimeoutError")
    expect(timeouts).to_contain_text("9", timeout=PATIENT_MS)
    expect(page.get_by_role("row").filter(has_text="PlanError")).to_contain_text("charge", timeout=PATIENT_MS)
    page.get_by_role("searchbox", name="Error, job name or frame").fill("plan")
    page.get_by_role("button", name="Filter").click()
    expect(timeouts).to_have_count(0)
    page.get_by_role("row").filter(has_text="PlanError").get_by_role("link").first.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("PlanError tenant number has no plan")
    expect(page.get_by_role("link", name="Retry 4 jobs")).to_have_attribute("href", re.compile(r"do=retry"))
    page.get_by_label("A note for whoever looks next").fill("The importer forgets plans")
    page.get_by_role("button", name="Add the note").click()
    expect(page.get_by_text("The importer forgets plans")).to_be_visible()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Assign").click()
    page.get_by_role("button", name="To me").click()
    expect(page.get_by_text("given to ana")).to_be_visible()
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#failure-facts")).to_contain_text("resolved by ana")

    # The same jobs fail once more, one of them for another tenant: the page tells it by itself.
    plant("billing", 5, reason="PlanError: tenant 4 has no plan", name="charge")
    facts = page.locator("#failure-facts")
    expect(facts).to_contain_text("failed again after it was resolved", timeout=PATIENT_MS)
    expect(facts).to_contain_text("failed 9 times", timeout=PATIENT_MS)
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Split").click()
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Tell them apart").click()
    page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link", name="Failures").click()
    split = page.get_by_role("row").filter(has_text="PlanError tenant 4 has no plan")
    expect(split).to_be_visible(timeout=PATIENT_MS)
    split.get_by_role("link").first.click()
    page.get_by_role("table").first.get_by_role("link").first.click()
    page.get_by_role("link", name="failures like this one").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("tenant 4 has no plan")
