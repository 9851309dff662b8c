"""Acting in a real browser: a failed job is edited, its difference looked at, retried, and all of it undone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Page, Route, expect

from tests.browser.test_accessibility import RUN
from tests.eventually import eventually_sync
from tests.services import INTEROP, require_node

pytestmark = [pytest.mark.browser, pytest.mark.node]
DATA = '{"message": "Compare the two papers", "userId": 12345678901234567890, "authToken": "s3cret-token"}'


@pytest.fixture(scope="module")
def axe() -> str:
    require_node()
    return Path(INTEROP / "node_modules" / "axe-core" / "axe.min.js").read_text()


def violations(page: Page, axe: str, part: str = "#panel") -> str:
    """What axe-core finds in the form that is open."""
    page.evaluate(axe)
    return json.dumps(page.evaluate(RUN.replace("axe.run(document,", f"axe.run({json.dumps(part)},")), indent=1)


@pytest.fixture
def stored(redis_server, module_prefix) -> Callable[..., dict[str, str]]:
    def read(queue: str, job_id: str = "1") -> dict[str, str]:
        with redis.Redis(port=redis_server.port, decode_responses=True) as client:
            return client.hgetall(f"{module_prefix}:{queue}:{job_id}")

    return read


def test_edit_look_at_the_difference_retry_and_take_it_back(page: Page, plant, stored, axe) -> None:
    plant("edited", 1, data=DATA)
    page.goto("/admin/queues/queue/edited/1")
    page.get_by_role("link", name=re.compile("Edit")).click()
    editor = page.get_by_label(re.compile("^Data JSON"))
    expect(editor).to_have_value(re.compile("•••"))
    expect(page.locator("#check")).to_contain_text("Nothing is changed so far.")
    # A mistake is told where it stands, and leads there.
    editor.fill(editor.input_value().replace('"message":', '"message"'))
    page.get_by_role("button", name="Line 2, column 13: a colon is missing after the key").click()
    assert page.evaluate("document.activeElement.selectionStart") == len('{\n  "message" "') - 1
    # By keys alone: type, look, save.
    editor.fill(editor.input_value().replace('"message" "Compare', '"message": "Compare, please,'))
    expect(page.locator(".diff tr.gone")).to_have_text(re.compile("Compare the two papers"))
    expect(page.locator(".diff tr.new")).to_have_text(re.compile("Compare, please, the two papers"))
    assert violations(page, axe) == "[]"
    page.emulate_media(color_scheme="dark")
    assert violations(page, axe) == "[]"
    editor.press("Control+Enter")
    notice = page.locator("#notices .notice")
    expect(notice).to_contain_text("The data of job “1” was changed. Job “1” was put back to run again")
    expect(page.locator("#job h1")).to_contain_text("waiting")
    expect(page.locator("#panel textarea")).to_have_count(0)
    saved = stored("edited")
    assert '"userId": 12345678901234567890' in saved["data"]
    assert json.loads(saved["data"])["authToken"] == "s3cret-token"
    expect(notice.get_by_role("button", name="Undo")).to_be_visible()
    notice.get_by_role("button", name="Undo").click()
    expect(notice).to_contain_text("Undone")
    expect(page.locator("#job h1")).to_contain_text("failed")
    assert stored("edited")["data"] == DATA


def test_what_is_typed_stays_while_the_page_lives(page: Page, plant, redis_server, module_prefix) -> None:
    plant("lively", 1, data=DATA)
    page.goto("/admin/queues/queue/lively/1?form=edit")
    editor = page.get_by_label(re.compile("^Data JSON"))
    editor.fill('{"mine": true}')
    with redis.Redis(port=redis_server.port) as client:
        client.hset(f"{module_prefix}:lively:1", "atm", 7)
        client.xadd(f"{module_prefix}:lively:events", {"event": "progress", "jobId": "1", "data": "1"})
    expect(page.locator("#job .facts")).to_contain_text("7")
    expect(editor).to_have_value('{"mine": true}')
    # What comes back for a form that was dismissed meanwhile does not bring it back.
    page.evaluate("window.answers = 0; document.addEventListener('htmx:finally:request', () => { answers++; })")
    held: list[Route] = []
    is_formatting = lambda route: "step=format" in (route.request.post_data or "")  # noqa: E731
    page.route("**/*", lambda route: held.append(route) if is_formatting(route) else route.continue_())
    page.get_by_role("button", name="Format").click()
    eventually_sync(lambda: page.evaluate("1") and held, what="the form is sent")
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("#panel textarea")).to_have_count(0)
    before = page.evaluate("answers")
    held[0].continue_()
    eventually_sync(lambda: page.evaluate("answers") > before, what="the answer is there")
    expect(page.locator("#panel textarea")).to_have_count(0)


def test_the_rarer_acts_are_two_clicks_away(page: Page, plant, stored, axe) -> None:
    plant("rare", 2)
    page.goto("/admin/queues/queue/rare/1")
    page.get_by_label("More for this job").click()
    assert violations(page, axe, "#job .menu-list") == "[]"
    page.get_by_role("button", name="Retry, attempts from 0").click()
    expect(page.locator("#job h1")).to_contain_text("waiting")
    assert "atm" not in stored("rare")
    page.goto("/admin/queues/queue/rare/2")
    page.get_by_label("More for this job").click()
    page.get_by_role("button", name="Retry in").click()
    expect(page.locator("#notices")).to_contain_text("runs again in 10 minutes")
    page.get_by_label("More for this job").click()
    page.get_by_label("Priority").fill("7")
    page.get_by_role("button", name="Set priority").click()
    expect(page.locator("#notices")).to_contain_text("priority")
    page.get_by_role("link", name="Reschedule…").click()
    page.get_by_label("Or at").fill("2031-02-03T04:05:06")
    page.locator("form:has(#reschedule-at)").get_by_role("button", name="Reschedule").click()
    expect(page.locator("#notices")).to_contain_text("is due at another time now")


def test_on_a_phone_a_job_is_added_and_a_removed_one_comes_back(page: Page, plant, stored, axe) -> None:
    plant("pocket", 2)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/queues/queue/pocket?status=failed")
    page.get_by_role("link", name="Add job").click()
    page.get_by_label("Name", exact=True).fill("hello")
    page.get_by_label(re.compile("^Data JSON")).fill('{"n": 12345678901234567890}')
    expect(page.locator("#check")).to_contain_text("This is JSON.")
    assert violations(page, axe) == "[]"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Add job").click()
    expect(page.locator("#notices")).to_contain_text("was added to queue “pocket”")
    assert stored("pocket", "3")["data"] == '{"n": 12345678901234567890}'
    page.goto("/admin/queues/queue/pocket/1")
    page.locator("summary", has_text="Remove").click()
    page.get_by_role("button", name="Remove 1 job").click()
    expect(page.locator("#notices")).to_contain_text("was removed")
    assert stored("pocket") == {}
    page.get_by_role("button", name="Undo").click()
    eventually_sync(lambda: stored("pocket"), what="the removed job is back")
    expect(page.locator("#job h1")).to_contain_text("failed")


def test_limits_and_the_end_of_a_queue(page: Page, watched, plant, axe, redis_server, module_prefix) -> None:
    watched.expected = ("400",)
    plant("doomed", 2)
    page.goto("/admin/queues/queue/doomed?status=failed")
    page.get_by_role("link", name="Limits…").click()
    page.get_by_label(re.compile("^At most")).fill("4")
    assert violations(page, axe) == "[]"
    page.get_by_role("button", name="Set these limits").click()
    expect(page.locator("#notices")).to_contain_text("at most 4 jobs at once")
    expect(page.locator("#queue .facts")).to_contain_text("at most 4 at a time")
    page.get_by_label("More for this queue").click()
    page.get_by_role("link", name="Obliterate…").click()
    page.get_by_label(re.compile("^Type doomed")).fill("dooomed")
    assert violations(page, axe) == "[]"
    page.get_by_role("button", name="Obliterate the queue").click()
    expect(page.locator("#notices")).to_contain_text("Nothing was removed: type the queue’s name")
    page.get_by_label(re.compile("^Type doomed")).fill("doomed")
    page.get_by_role("button", name="Obliterate the queue").click()
    expect(page.locator("#notices")).to_contain_text("Queue “doomed” is gone, with 2 jobs.")
    with redis.Redis(port=redis_server.port) as client:
        assert client.keys(f"{module_prefix}:doomed:*") == []
