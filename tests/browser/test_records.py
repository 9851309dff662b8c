"""Django's admin in a real browser under the strict policy: nothing it does is refused, and it leads to the pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

RECORDS = """
from queues.models import AuditEntry, Job, Queue
Queue.objects.create(name="a/b", failed=1)
Job.objects.create(queue="a/b", job_id="x/1", state="failed", name="<b>", data="{}", timestamp_ms=1)
AuditEntry.objects.create(actor="ana", action="job.retry", queue="a/b", job_id="x/1")
"""


@pytest.fixture(scope="module", autouse=True)
def records(stand) -> None:
    stand.manage("shell", "--verbosity", "0", "--command", RECORDS)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "toril/queue/",
        "toril/job/?state__exact=failed",
        "toril/job/1/change/",
        "toril/auditentry/",
        "auth/user/1/change/",
        "auth/user/add/",
        "password_change/",
    ],
)
def test_the_admin_lives_under_the_strict_policy(page: Page, path: str) -> None:
    answer = page.goto(f"/admin/{path}")
    assert answer is not None
    assert answer.status == 200
    page.wait_for_load_state("networkidle")
    refused = page.evaluate(
        "performance.getEntriesByType('resource').filter(r => r.responseStatus >= 400).map(r => r.name)"
    )
    assert refused == []


def test_a_record_leads_to_the_live_page_and_its_theme_can_be_switched(page: Page) -> None:
    page.goto("/admin/toril/job/")
    page.locator("button.theme-toggle").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("link", name="live page").click()
    expect(page).to_have_url("/admin/queues/queue/a%2Fb/x%2F1")


def test_searching_the_audit_trail_by_date_and_name(page: Page) -> None:
    page.goto("/admin/toril/auditentry/")
    page.get_by_role("searchbox").fill("ana")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 result")).to_be_visible()
