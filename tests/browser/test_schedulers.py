"""Schedulers and flows as a person steers them: with the keyboard alone, in either theme, on a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import violations
from tests.services import INTEROP, require_node

pytestmark = [pytest.mark.browser, pytest.mark.node]


@pytest.fixture(scope="module")
def axe() -> str:
    require_node()
    return Path(INTEROP / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def planted(redis_server, module_prefix, stand) -> Iterator[redis.Redis]:
    """A scheduler and a flow of three levels, made by our own producer as another process would."""
    made = """
import asyncio
from queues import queue
async def plant():
    rule = {"pattern": "0 4 * * *", "tz": "Europe/Berlin"}
    await queue("chat").upsert_scheduler("nightly", **rule, name="digest", data={"n": 1})
    pages = [{"name": f"page {n}", "job_id": f"page{n}"} for n in range(3)]
    await queue("chat").add_flow("report", job_id="report", children=[
        {"name": "chapter", "job_id": "chapter", "children": pages}, {"name": "cover", "job_id": "cover"}])
asyncio.run(plant())
"""
    stand.manage("shell", "--verbosity", "0", "--command", made)
    with redis.Redis(port=redis_server.port, decode_responses=True) as client:
        yield client


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element with this name has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        told = page.evaluate("(document.activeElement.innerText || document.activeElement.name || '').trim()")
        if told.startswith(name):
            return
    raise AssertionError(f"Tab never reached {name}")


def test_a_scheduler_is_run_paused_resumed_changed_and_removed_by_keyboard(
    page: Page, planted, module_prefix, axe
) -> None:
    key = f"{module_prefix}:chat:repeat"
    page.goto("/admin/queues/job-schedulers")
    expect(page.get_by_role("row", name="nightly")).to_contain_text("At 04:00")
    page.get_by_role("link", name="nightly", exact=True).focus()
    press(page, "Enter")
    expect(page.get_by_role("heading", name="nightly")).to_contain_text("scheduled")
    expect(page.locator(".moments li")).to_have_count(5)
    assert violations(page, axe) == "[]"

    tab_to(page, "Run now")
    press(page, "Enter")
    expect(page.locator("#notices")).to_contain_text("was added as scheduler “nightly” makes them")
    assert planted.llen(f"{module_prefix}:chat:wait") == 5
    assert planted.zscore(key, "nightly") is not None

    page.locator("#main").focus()
    tab_to(page, "Pause…")
    press(page, "Enter")
    tab_to(page, "Pause")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="nightly")).to_contain_text("paused")
    expect(page.locator("#scheduler")).to_contain_text("Paused by ana")
    assert planted.zscore(key, "nightly") is None
    assert violations(page, axe) == "[]"
    page.emulate_media(color_scheme="dark")
    assert violations(page, axe) == "[]"

    page.locator("#main").focus()
    tab_to(page, "Resume")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="nightly")).to_contain_text("scheduled")
    assert planted.zscore(key, "nightly") is not None

    page.locator("#main").focus()
    tab_to(page, "Edit")
    press(page, "Enter")
    expect(page.get_by_label("Cron pattern").last).to_be_visible()
    assert violations(page, axe) == "[]"
    page.locator("input[name=pattern]").focus()
    press(page, "Control+a")
    page.keyboard.type("30 6 * * 1-5")
    expect(page.locator("#scheduler-preview")).to_contain_text("At 06:30, Monday through Friday")
    expect(page.locator("#scheduler-preview li")).to_have_count(5)
    page.keyboard.type("9")
    expect(page.locator("#scheduler-preview")).to_contain_text("cannot be read")
    press(page, "Backspace")
    expect(page.locator("#scheduler-preview")).to_contain_text("At 06:30")
    press(page, "Enter")
    expect(page.locator("#notices")).to_contain_text("was changed")
    assert planted.hget(f"{key}:nightly", "pattern") == "30 6 * * 1-5"
    assert json.loads(planted.hget(f"{key}:nightly", "data")) == {"n": 1}

    page.goto("/admin/queues/job-schedulers")
    page.get_by_role("button", name="Remove nightly").press("Enter")
    expect(page.locator("#schedulers")).to_contain_text("was removed by ana")
    page.get_by_role("button", name="Put back nightly").press("Enter")
    expect(page.get_by_role("row", name="nightly")).to_contain_text("At 06:30")


def test_a_flow_is_walked_by_arrow_keys_and_its_lines_are_links(page: Page, planted, axe) -> None:
    page.goto("/admin/queues/flows")
    expect(page.locator("table.flows")).to_contain_text("report")
    assert violations(page, axe) == "[]"
    page.get_by_role("link", name="report", exact=True).click()
    root = page.locator("[data-flow] summary").first
    root.focus()
    # Which child comes first is Redis's affair.
    for _ in range(3):
        if "chapter" in (page.evaluate("document.activeElement.innerText") or ""):
            break
        press(page, "ArrowDown")
    press(page, "ArrowRight")
    expect(page.get_by_role("link", name="page 1")).to_be_visible()
    assert violations(page, axe) == "[]"
    press(page, "ArrowRight")
    assert page.evaluate("document.activeElement.innerText").startswith("page")
    press(page, "ArrowLeft")
    assert "chapter" in page.evaluate("document.activeElement.innerText")
    press(page, "ArrowLeft")
    expect(page.get_by_role("link", name="page 1")).to_be_hidden()
    page.get_by_role("link", name="cover").press("Enter")
    page.wait_for_url("**/queue/chat/cover")


@pytest.mark.parametrize(
    "path",
    ["job-schedulers", "job-schedulers?queue=chat&id=nightly", "job-schedulers?form=add", "flows?queue=chat&id=report"],
)
def test_a_phone_shows_all_of_it_without_scrolling_sideways(page: Page, planted, axe, path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/admin/queues/{path}")
    assert violations(page, axe) == "[]"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
