"""A queue's list as operators use it: by keyboard alone, with ranges, in the dark, on a phone, for a screen reader."""

from __future__ import annotations

import json

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import axe, violations  # noqa: F401  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.node]
ROWS = "#list tbody tr[data-row]"


@pytest.fixture
def failed(redis_server, module_prefix, plant):
    """Twenty-five failed jobs of two names, and how to fail some more."""

    def more(count: int) -> None:
        with redis.Redis(port=redis_server.port) as client:
            base = f"{module_prefix}:flow:"
            for n in range(count):
                client.hset(f"{base}late{n}", mapping={"name": "late", "data": "{}", "opts": "{}", "timestamp": 1})
                client.zadd(f"{base}failed", {f"late{n}": 9_000_000_000_000 + n})
                client.xadd(f"{base}events", {"event": "failed", "jobId": f"late{n}"})

    with redis.Redis(port=redis_server.port) as client:
        for key in client.scan_iter(f"{module_prefix}:flow:*"):
            client.delete(key)
    plant("flow", 25, data=json.dumps({"password": "hunter2", "order": 7}))
    with redis.Redis(port=redis_server.port) as client:
        for n in range(1, 26, 2):
            client.hset(f"{module_prefix}:flow:{n}", "name", "odd")
    return more


def ticked(page: Page) -> list[str]:
    found: list[str] = page.evaluate("[...document.querySelectorAll('[data-pick]:checked')].map((box) => box.value)")
    return found


def test_by_keyboard_alone_jobs_are_read_ticked_retried_and_removed(page: Page, failed, axe) -> None:  # noqa: F811
    page.emulate_media(reduced_motion="reduce")
    page.goto("/admin/queues/queue/flow?status=failed")
    expect(page.locator(ROWS)).to_have_count(25)
    for _ in range(8):
        page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(f"{ROWS}:focus")).to_contain_text("19")
    page.keyboard.press("Enter")
    unfolded = page.locator("#list tr.more")
    expect(unfolded).to_contain_text("TimeoutError: no answer")
    expect(unfolded).to_contain_text("•••")
    expect(unfolded).not_to_contain_text("hunter2")
    assert violations(page, axe) == "[]"
    page.keyboard.press("Enter")
    expect(unfolded).to_have_count(0)
    # A range over the ninth and the tenth line, and the ninth and tenth job: places are numbers, not words.
    page.keyboard.press("x")
    for _ in range(5):
        page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    assert ticked(page) == ["19", "18", "17", "16", "15", "14"]
    expect(page.locator("[data-picked]")).to_have_text("6 ticked")
    assert violations(page, axe) == "[]"
    page.keyboard.press("r")
    expect(page.locator("#notices")).to_contain_text("6 retried.")
    expect(page.locator(ROWS)).to_have_count(19)
    assert ticked(page) == []
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.locator("#selection button[value=remove]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#panel")).to_contain_text("Remove 1 job?")
    assert violations(page, axe) == "[]"
    page.get_by_label("to confirm").focus()
    page.keyboard.type("flow")
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("1 removed.")
    expect(page.locator(ROWS)).to_have_count(18)


def test_what_fits_a_filter_is_retried_together_in_the_dark(page: Page, failed, axe) -> None:  # noqa: F811
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.goto("/admin/queues/queue/flow?status=failed")
    page.get_by_label("Name contains").fill("odd")
    page.keyboard.press("Enter")
    expect(page.locator(".searched")).to_contain_text("13 of all 25 failed jobs")
    assert violations(page, axe) == "[]"
    page.get_by_role("link", name="Retry all…").click()
    expect(page.locator("#panel")).to_contain_text("Retry 13 jobs?")
    page.locator("#panel").get_by_role("button", name="Retry 13 jobs").click()
    expect(page.locator("#notices")).to_contain_text("13 retried.")
    expect(page.locator("#list")).to_contain_text("No job fits")
    assert violations(page, axe) == "[]"


def test_new_lines_are_announced_and_nothing_moves_until_asked(page: Page, failed) -> None:
    page.goto("/admin/queues/queue/flow?status=failed")
    expect(page.locator("#live-status")).to_have_text("live")
    # What the test before left in the queue is not news of this one.
    expect(page.locator(".standing .notice")).to_have_count(0)
    first = page.locator(ROWS).first
    before = first.bounding_box()
    failed(3)
    link = page.locator("[data-since]")
    expect(link).to_have_text("3 new")
    assert page.locator(".since-slot").get_attribute("aria-live") == "polite"
    assert first.bounding_box() == before
    expect(first).to_contain_text("25")
    link.click()
    expect(page.locator(ROWS)).to_have_count(28)
    expect(page.locator("[data-since]")).to_be_hidden()


def test_columns_stay_chosen_in_this_browser_and_ranges_follow_the_mouse(page: Page, failed) -> None:
    page.goto("/admin/queues/queue/flow?status=failed")
    page.locator(".choose summary").click()
    page.locator(".choose").get_by_label("Progress").uncheck()
    page.locator(".choose").get_by_label("Added").check()
    page.get_by_role("button", name="Show these").click()
    expect(page.locator("#list thead")).to_contain_text("Added")
    expect(page.locator("#list thead")).not_to_contain_text("Progress")
    assert "columns=" not in page.url
    page.locator("[data-pick]").nth(8).click()
    page.locator("[data-pick]").nth(11).click(modifiers=["Shift"])
    assert ticked(page) == ["17", "16", "15", "14"]
    page.get_by_label("Tick all on this page").check()
    assert len(ticked(page)) == 25


def test_on_a_phone_every_tab_is_in_reach_and_nothing_overflows(page: Page, failed, axe) -> None:  # noqa: F811
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(reduced_motion="reduce")
    page.goto("/admin/queues/queue/flow?status=failed")
    expect(page.locator("#tabs a")).to_have_count(8)
    for tab in page.locator("#tabs a").all():
        box = tab.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    # The list begins on the first screen: the filter is folded, and ticked jobs are offered below, moving nothing.
    first = page.locator("#list tbody tr").first
    before = first.bounding_box()
    assert before is not None
    assert before["y"] + before["height"] < 600
    expect(page.get_by_role("textbox", name="Name contains")).to_be_hidden()
    expect(page.locator("#selection")).to_be_hidden()
    page.locator("[data-pick]").first.check()
    expect(page.locator("#selection").get_by_role("button", name="Retry")).to_be_visible()
    assert first.bounding_box() == before
    page.locator("[data-expand]").nth(1).click()
    expect(page.locator("#list tr.more")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page, axe) == "[]"
    page.goto("/admin/queues/queue/flow?status=latest")
    assert violations(page, axe) == "[]"
