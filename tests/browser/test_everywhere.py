"""As a user would: Ctrl K and the keys, the sheet, settings, pausing; and the workers page with real workers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
import redis
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_accessibility import axe, violations
from tests.conftest import RedisServer
from tests.services import INTEROP, require_node
from tests.stand import Stand

__all__ = ["axe"]
pytestmark = [pytest.mark.browser, pytest.mark.node]
#: How long a worker process may take to start, and to be seen.
STARTS_MS = 60_000
#: How long a worker may take to answer what it is asked, and the page to say so.
ANSWERS_MS = 30_000


@pytest.fixture
def node_worker(redis_server: RedisServer, module_prefix: str) -> Iterator[None]:
    environ = {**os.environ, "REDIS_PORT": str(redis_server.port), "PREFIX": module_prefix, "QUEUE": "mail"}
    with subprocess.Popen(
        [require_node(), str(INTEROP / "work.mjs")], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        yield
        # Its job runs on for a minute: it is not waited for.
        process.kill()


def test_the_palette_is_opened_searched_and_left_by_keys_alone(page: Page, axe: str, plant: Callable[..., list[str]]):
    plant("deep-research", 2)
    [job_id] = plant("chat", 1)
    page.goto("/admin/queues/queue/deep-research")
    page.goto("/admin/queues/settings")
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="A queue, a job’s id, a page or an action")
    expect(field).to_be_focused()
    field.press_sequentially("dprs")
    # And that it may be searched for in all jobs.
    expect(page.locator("#palette-list [role=option]")).to_have_count(2)
    chosen = page.locator("#palette-list [aria-selected=true]")
    expect(chosen).to_contain_text("deep-research")
    expect(field).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "")
    expect(page.locator("#said")).to_have_text("2 found.")
    assert violations(page, axe) == "[]"
    field.fill("work")
    expect(page.locator("#palette-list [role=option]")).to_contain_text(["Workers"])
    field.fill("")
    expect(page.locator("#palette-list [role=option]").nth(2)).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#palette-list [role=option]").nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#palette-list [role=option]").last).to_have_attribute("aria-selected", "true")
    field.fill(job_id)
    expect(chosen).to_contain_text("job")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/queue/*/{job_id}")
    page.keyboard.press("Control+k")
    field.press_sequentially("dark theme")
    expect(chosen).to_contain_text("Dark theme")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/queue/*/{job_id}")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()


def test_single_keys_help_until_they_are_turned_off(page: Page, axe: str, plant: Callable[..., list[str]]):
    plant("chat", 1)
    page.goto("/admin/queues/workers")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    assert violations(page, axe) == "[]"
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("#seek")).to_be_focused()
    page.keyboard.type("?g")
    expect(sheet).to_be_hidden()
    page.locator("h1").click()
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/admin/queues/")
    page.goto("/admin/queues/settings")
    page.get_by_role("group", name="Single-key shortcuts").get_by_label("Off").check()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Kept in this browser.")).to_be_visible()
    page.keyboard.press("?")
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(sheet).to_be_hidden()
    assert page.url.endswith("/settings")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-q")).to_be_visible()


def test_pausing_stops_what_moves_and_going_on_catches_up(page: Page, plant: Callable[..., list[str]]):
    plant("paced", 1)
    page.goto("/admin/queues/queue/paced?status=failed")
    expect(page.locator("[data-socket=open]")).to_be_visible()
    failed = page.locator("#tabs [data-n=failed]")
    expect(failed).to_have_text("1")
    page.get_by_role("button", name="Pause refreshing").click()
    expect(page.get_by_text("paused, figures from")).to_be_visible()
    expect(page.locator("[data-socket=closed]")).to_have_count(1)
    plant("paced", 4)
    page.goto("/admin/queues/settings")
    page.goto("/admin/queues/queue/paced?status=failed")
    expect(page.locator("html")).to_have_attribute("data-refresh", "paused")
    expect(page.locator("[data-socket=closed]")).to_have_count(1)
    plant("paced", 6)
    page.get_by_role("button", name="Go on refreshing").click()
    expect(page.locator("[data-socket=open]")).to_be_visible()
    expect(failed).to_have_text("6")


def test_times_are_told_in_the_chosen_zone_with_script_and_without(page: Page, context: BrowserContext, plant, browser):
    plant("timed", 1)
    page.goto("/admin/queues/settings")
    page.get_by_label("Time zone").select_option("Asia/Kolkata")
    page.get_by_label("As day and time").check()
    page.get_by_role("group", name="Day and time").get_by_label("PM").check()
    page.get_by_role("button", name="Keep").click()
    path = "/admin/queues/queue/timed?status=failed"
    page.goto(path)
    with_script = page.locator("#list time[data-time=ago]").first
    expect(with_script).to_have_text(re.compile(r"\d+:\d\d:\d\d [AP]M$"))
    told = with_script.inner_text()
    plain = browser.new_context(base_url=page.url.partition("/admin")[0], java_script_enabled=False)
    plain.add_cookies(context.cookies())
    reader = plain.new_page()
    reader.goto(path)
    assert reader.locator("#list time[data-time=ago]").first.inner_text().endswith(f"{told} IST")
    plain.close()


def test_workers_are_looked_at_quieted_and_cancelled(
    page: Page, stand: Stand, axe: str, node_worker: None, redis_server: RedisServer, module_prefix: str
):
    add = "from queues import queue; print(queue('chat').sync.add('nap', {'sleep_s': 120}).id); "
    job_id = stand.manage("shell", "-v0", "-c", add + "queue('mail').sync.add('slow', {'ms': 60000})").strip()
    stand.workers("--name", "anna")
    page.goto("/admin/queues/workers")
    anna = page.locator("tr[data-row]", has_text="anna")
    expect(anna.get_by_role("link", name="nap")).to_be_visible(timeout=STARTS_MS)
    node = page.locator(".foreign tr", has_text="node-worker")
    expect(node.get_by_role("link", name="slow")).to_be_visible(timeout=STARTS_MS)
    expect(node.get_by_role("button")).to_have_count(0)
    for size in ({"width": 1440, "height": 1000}, {"width": 390, "height": 844}):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            assert violations(page, axe) == "[]"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1440, "height": 1000})

    anna.get_by_role("button", name="Quiet").press("Enter")
    expect(page.locator("#notices")).to_contain_text("Worker “anna” takes no new jobs.", timeout=ANSWERS_MS)
    expect(page.locator("#asked")).to_contain_text("takes no new jobs")
    page.locator("h1").hover()
    expect(anna.get_by_text("quiet", exact=True)).to_be_visible()
    anna.get_by_role("button", name="Resume").click()
    expect(page.locator("#notices")).to_contain_text("takes jobs again", timeout=ANSWERS_MS)

    page.get_by_role("link", name="Stop all…").click()
    question = page.locator("section.confirm")
    expect(question).to_contain_text("Stop 1 worker process? 1 running job may finish")
    expect(question).to_be_focused()
    question.get_by_role("link", name="Cancel").click()
    expect(question).to_have_count(0)

    anna.get_by_role("link", name="Cancel").click()
    page.wait_for_url(f"**/queue/chat/{job_id}?form=cancel")
    page.locator("#panel").get_by_role("button").first.click()
    with redis.Redis(port=redis_server.port) as client:
        expect(page.locator("h1")).to_contain_text("failed")
        assert client.zscore(f"{module_prefix}:chat:failed", job_id)
    page.goto("/admin/queues/workers")
    expect(anna.get_by_text("idle")).to_be_visible()
    stand.stop("workers")
    page.locator("h1").hover()
    expect(anna).to_have_count(0)
    expect(page.get_by_text("No worker process")).to_be_visible()
