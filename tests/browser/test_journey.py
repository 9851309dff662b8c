"""What an operator does on an ordinary night, in a real browser with real workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page, expect

from queues.protocol.blocking import close_blocking
from tests.browser.conftest import sign_in

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def workers(stand):
    return stand.workers()


@pytest.fixture
def add(redis_server, module_prefix, settings):
    """Add a job as an application does: `add("chat", {...})`."""
    from queues import queue
    from queues.options import reset_options

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": redis_server.url, "PREFIX": module_prefix}}}
    reset_options()
    # Playwright's loop runs in this thread, where the producer's sync door rightly refuses to block.
    with ThreadPoolExecutor(1) as elsewhere:
        yield lambda name, data: elsewhere.submit(queue(name).sync.add, "summarize", data).result()
    close_blocking()
    reset_options()


def test_a_wrong_password_stays_at_the_door(anonymous: Page) -> None:
    anonymous.goto("/admin/queues/queue/chat?status=failed")
    anonymous.get_by_label("Name", exact=True).fill("ana")
    anonymous.get_by_label("Password").fill("wrong")
    anonymous.get_by_role("button", name="Sign in").click()
    expect(anonymous.get_by_role("alert")).to_be_visible()


def test_after_signing_in_the_page_asked_for_opens(anonymous: Page, add) -> None:
    add("chat", {})
    anonymous.goto("/admin/queues/queue/chat?status=completed")
    anonymous.get_by_label("Name", exact=True).fill("ana")
    anonymous.get_by_label("Password").fill("correct horse battery staple")
    anonymous.get_by_role("button", name="Sign in").click()
    expect(anonymous).to_have_url("/admin/queues/queue/chat?status=completed")


def test_a_count_moves_without_a_reload(page: Page, add) -> None:
    add("counted", {})
    expect(page.locator("#queue-names")).to_contain_text("counted")
    page.get_by_role("link", name="Show").click()
    expect(page.locator("#live-status")).to_have_text("live")
    waiting = page.locator("#queues tr[data-name=counted] [data-n=waiting]")
    expect(waiting).to_have_attribute("data-value", "1")
    page.evaluate("window.stillHere = true")
    add("counted", {})
    add("counted", {})
    expect(waiting).to_have_attribute("data-value", "3")
    assert page.evaluate("window.stillHere")


def test_a_failed_job_is_retried_from_its_page_and_seen_to_complete(page: Page, add) -> None:
    job = add("chat", {"fail": 1})
    page.goto(f"/admin/queues/queue/chat/{job.id}")
    expect(page.locator("h1 .state")).to_have_text("failed")
    expect(page.locator("#job")).to_contain_text("TimeoutError: model did not answer on attempt 1")
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator("h1 .state")).to_have_text("completed")
    expect(page.locator("#job")).to_contain_text("echo")


def test_a_running_job_shows_its_progress_and_then_its_end_by_itself(page: Page, add) -> None:
    job = add("chat", {"sleep_s": 1.5})
    page.goto(f"/admin/queues/queue/chat/{job.id}")
    expect(page.locator("#job")).to_contain_text("sleeping")
    expect(page.locator("h1 .state")).to_have_text("completed")


def test_one_row_is_retried_in_place(page: Page, plant) -> None:
    plant("unworked", 3)
    page.goto("/admin/queues/queue/unworked?status=failed")
    page.get_by_role("button", name="Retry 2", exact=True).click()
    row = page.locator("#list tbody tr").nth(1)
    expect(row).to_contain_text("waiting")
    expect(page.locator("#tabs [data-n=failed]").first).to_have_attribute("data-value", "2")


def test_a_queue_is_paused_and_resumed(page: Page, add) -> None:
    page.goto("/admin/queues/queue/chat")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#queue")).to_contain_text("paused")
    job = add("chat", {})
    expect(page.locator("#tabs [data-n=waiting]").first).to_have_attribute("data-value", "1")
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator("#tabs [data-n=waiting]").first).to_have_attribute("data-value", "0")
    page.goto(f"/admin/queues/queue/chat/{job.id}")
    expect(page.locator("h1 .state")).to_have_text("completed")


def test_all_failed_jobs_are_counted_and_then_retried(page: Page, plant) -> None:
    plant("bulk", 30)
    page.goto("/admin/queues/queue/bulk?status=failed")
    page.get_by_role("link", name="Retry all").click()
    expect(page.locator("#panel")).to_contain_text("30 failed jobs")
    page.locator("#panel").get_by_role("button").click()
    expect(page.locator("#tabs [data-n=waiting]").first).to_have_attribute("data-value", "30")
    expect(page.locator("#tabs [data-n=failed]").first).to_have_attribute("data-value", "0")


def test_old_jobs_are_cleaned_after_the_number_was_shown(page: Page, plant) -> None:
    plant("attic", 12)
    page.goto("/admin/queues/queue/attic?status=failed")
    page.get_by_role("link", name="Clean…").click()
    button = page.locator("#panel").get_by_role("button", name="12")
    page.get_by_label("Type attic to confirm").fill("attic")
    button.click()
    expect(page.locator("#tabs [data-n=failed]").first).to_have_attribute("data-value", "0")


def test_ten_thousand_failed_jobs_are_paged_through(page: Page, plant) -> None:
    plant("deep", 10_000)
    page.goto("/admin/queues/queue/deep?status=failed")
    expect(page.locator(".pager")).to_contain_text("1–50 of 10,000")
    expect(page.locator("#list tbody tr").first).to_contain_text("10000")
    page.locator(".pager a[rel=next]").click()
    expect(page.locator(".pager")).to_contain_text("51–100 of 10,000")
    page.goto("/admin/queues/queue/deep?status=failed&page=200")
    expect(page.locator(".pager")).to_contain_text("9,951–10,000 of 10,000")
    expect(page.locator("#list tbody tr").last.locator(".id")).to_have_text("1")


def test_thirty_failed_jobs_fit_on_a_tall_screen(page: Page, plant) -> None:
    plant("dense", 40)
    page.set_viewport_size({"width": 1440, "height": 1400})
    page.goto("/admin/queues/queue/dense?status=failed&jobsPerPage=50")
    seen = page.evaluate(
        "[...document.querySelectorAll('#list tbody tr')]"
        ".filter((row) => row.getBoundingClientRect().bottom <= innerHeight).length"
    )
    assert seen >= 30


def test_a_queue_is_found_by_name_on_the_overview_and_by_slash(page: Page, plant) -> None:
    plant("findable", 1)
    expect(page.locator("#queue-names")).to_contain_text("findable")
    page.get_by_role("link", name="Show").click()
    expect(page.locator("#queues tr[data-name=findable]")).to_be_visible()
    page.get_by_role("searchbox", name="Find a queue").fill("findab")
    expect(page.locator("#queues tbody tr[data-name]:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("findable")
    page.goto("/admin/queues/workers")
    page.keyboard.press("/")
    page.keyboard.type("findab")
    expect(page.locator("#seek-list [role=option]").first).to_contain_text("findable")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("findable")


def test_someone_who_may_only_look_sees_no_buttons(anonymous: Page, watched, plant) -> None:
    plant("lookonly", 2)
    sign_in(anonymous, "vera")
    anonymous.goto("/admin/queues/queue/lookonly?status=failed")
    expect(anonymous.locator("#list tbody tr")).to_have_count(2)
    expect(anonymous.locator("#queue form[method=post]")).to_have_count(0)
    expect(anonymous.locator("#queue .acts").get_by_role("link")).to_have_count(0)
    expect(anonymous.locator("#queue").get_by_role("button")).to_have_text(["Filter"])


def test_someone_who_is_not_staff_sees_nothing(anonymous: Page) -> None:
    anonymous.goto("/sign-in")
    anonymous.get_by_label("Name", exact=True).fill("nobody")
    anonymous.get_by_label("Password").fill("correct horse battery staple")
    anonymous.get_by_role("button", name="Sign in").click()
    response = anonymous.goto("/admin/queues/")
    assert response is not None
    assert response.status == 403
