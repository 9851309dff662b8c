"""Bulk work as an operator does it, with a mirror that runs it: asked about in place, followed, undone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import axe, violations  # noqa: F401  # a fixture
from tests.conftest import RedisServer
from tests.eventually import Stopwatch
from tests.stand import Stand

pytestmark = [pytest.mark.browser, pytest.mark.node]
#: The mirror takes the lead, and works, when the machine lets it.
PATIENCE_MS = 90_000


@pytest.fixture(scope="module", autouse=True)
def mirror(stand: Stand) -> Iterator[None]:
    stand.mirror()
    yield
    stand.stop("mirror")


@pytest.fixture
def failed(redis_server: RedisServer, module_prefix: str):  # type: ignore[no-untyped-def]
    """How many jobs of the queue have failed, as Redis has it."""

    def count(queue: str) -> int:
        with redis.Redis(port=redis_server.port) as client:
            return int(client.zcard(f"{module_prefix}:{queue}:failed"))

    return count


def asked_in_place(page: Page, address: str) -> None:
    """Open a confirmation again until the mirror leads, and an operation is offered."""

    watch = Stopwatch()
    while not watch.is_over(60):
        page.goto(address)
        if page.locator(".operation-form").count():
            return
    raise AssertionError("no mirror took the lead")


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_jobs_are_removed_with_progress_and_restored(page: Page, plant, failed, axe) -> None:  # noqa: F811
    page.emulate_media(reduced_motion="reduce")
    plant("bulk", 120)
    asked_in_place(page, "/admin/queues/queue/bulk?status=failed&confirm=clean")
    page.goto("/admin/queues/queue/bulk?status=failed")
    page.get_by_role("link", name="Clean…").first.click()
    panel = page.locator("#panel")
    expect(panel).to_contain_text("Remove 120 failed jobs?")
    expect(panel.locator(".samples tbody tr")).to_have_count(5)
    assert violations(page, axe) == "[]"
    # The form asks for a state: another has none.
    panel.locator("select[name=state]").select_option("completed")
    expect(panel).to_contain_text("There are no completed jobs")
    panel.locator("select[name=state]").select_option("failed")
    expect(panel).to_contain_text("can be restored")
    panel.get_by_label("Reason").fill("from the outage")
    panel.get_by_role("button", name="Remove 120 failed jobs").click()
    page.wait_for_url("**/operations/*")
    here = page.url
    expect(page.locator("h1")).to_have_text("Remove 120 failed jobs")
    expect(page.locator("#operation")).to_contain_text("“from the outage”")
    # By itself: it is not loaded anew.
    expect(page.locator(".far")).to_contain_text("Done.", timeout=PATIENCE_MS)
    expect(page.locator(".figures .done")).to_contain_text("120 of 120")
    expect(page.locator("#operation")).not_to_have_attribute("data-poll", "")
    assert failed("bulk") == 0
    assert violations(page, axe) == "[]"
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert violations(page, axe) == "[]"
    page.set_viewport_size({"width": 390, "height": 844})
    assert fits(page)
    page.get_by_role("button", name="Restore 120 jobs").click()
    page.wait_for_url(lambda url: "/operations/" in url and url != here)
    expect(page.locator(".far")).to_contain_text("Done.", timeout=PATIENCE_MS)
    assert failed("bulk") == 120
    page.get_by_role("link", name="restores what operation").click()
    expect(page).to_have_url(here)
    expect(page.get_by_role("button", name="Restore")).to_have_count(0)


def test_a_slow_one_is_paused_cancelled_and_repeated_from_its_page(page: Page, plant, failed, axe) -> None:  # noqa: F811
    plant("slow", 90)
    page.goto("/admin/queues/operations/new?do=retry&queue=slow&state=failed")
    assert violations(page, axe) == "[]"
    page.get_by_label("At most so many a second").fill("0.5")
    page.get_by_role("button", name="Retry 90 failed jobs").click()
    page.wait_for_url("**/operations/*")
    operation = page.locator("#operation")
    expect(operation).to_contain_text("at most 0.5 a second")
    # The page's own button, not that of what is live.
    operation.get_by_role("button", name="Pause").click()
    expect(operation).to_contain_text("Paused.")
    expect(page.locator("#notices")).to_contain_text("was paused")
    operation.get_by_role("button", name="Resume").click()
    expect(operation.get_by_role("button", name="Pause")).to_be_visible()
    # Cancelled before they are noted down, it would have none to tell of.
    expect(operation.locator(".items tbody tr").first).to_be_visible(timeout=30_000)
    operation.get_by_role("button", name="Cancel").click()
    expect(operation).to_contain_text("Cancelled")
    expect(operation.locator(".items")).to_contain_text("not come to")
    assert failed("slow") > 0
    operation.get_by_role("link", name="Repeat…").click()
    page.get_by_role("link", name="Cancel").click()
    operation.get_by_role("link", name="Repeat…").click()
    expect(page.locator(".operation-form")).to_be_visible()
    assert page.get_by_label("At most so many a second").input_value() == "0.5"
    page.goto("/admin/queues/operations")
    expect(page.locator(".operations tbody tr").first).to_contain_text("failed jobs")
    assert violations(page, axe) == "[]"
    page.set_viewport_size({"width": 390, "height": 844})
    assert fits(page)


def test_a_few_ticked_jobs_that_were_removed_come_back_from_the_notice(page: Page, plant, failed) -> None:
    plant("few", 3)
    page.goto("/admin/queues/queue/few?status=failed")
    page.get_by_label("Tick all on this page").check()
    page.locator("#selection button[value=remove]").click()
    expect(page.locator("#panel")).to_contain_text("You can undo it for ten minutes.")
    page.get_by_label("to confirm").fill("few")
    page.locator("#panel").get_by_role("button", name="Remove 3 jobs").click()
    expect(page.locator("#notices")).to_contain_text("3 removed.")
    assert failed("few") == 0
    page.locator("#notices").get_by_role("button", name="Undo").click()
    expect(page.locator("#notices")).to_contain_text("3 jobs are back")
    assert failed("few") == 3
