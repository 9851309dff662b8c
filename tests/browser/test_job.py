"""A job's page as people use it: read by keys, searched, copied, followed while it runs; no size freezes it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import violations
from tests.eventually import Stopwatch
from tests.planting import plant_failed
from tests.services import INTEROP, require_node

pytestmark = [pytest.mark.browser, pytest.mark.node]
PYTHON = """Traceback (most recent call last):
  File "/app/jobs.py", line 41, in run
    answer = await client.get(url)
  File "/usr/lib/python3.12/site-packages/httpx/_client.py", line 9, in get
    return await self.send(request)
  File "/app/llm.py", line 88, in send
    raise TimeoutError("model did not answer")
TimeoutError: model did not answer
"""
NODE = "Error: no answer\n    at run (/app/src/jobs.js:4:2)\n    at x (/app/node_modules/bullmq/dist/worker.js:394:28)"
DATA = {
    "conversationId": "8d0f",
    "authToken": "s3cret-value",
    "user": {"id": 12345678901234567890, "odd key": {"street": "Main <b>5</b>", "geo": {"lat": 1, "more": [{"z": 1}]}}},
    "papers": [{"id": n, "title": f"Paper {n}", "tags": ["a", "b" * 60]} for n in range(12)],
}
#: The longest the page's own thread was busy, in ms.
WATCH = """window.longest = 0;
new PerformanceObserver((all) => { for (const e of all.getEntries()) longest = Math.max(longest, e.duration); })
.observe({type: "longtask", buffered: true});"""


class Jobs:
    """Jobs planted by hand in this file's queue."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client, self.base = client, f"{prefix}:job-page:"
        client.hset(self.base + "meta", "version", "bullmq:6.7.0")

    def add(self, job_id: str, state: str, **fields: Any) -> str:
        now = int(time.time() * 1000)
        told = {"name": "chat", "data": "{}", "opts": "{}", "timestamp": now - 90_000, "processedOn": now - 40_000}
        told |= {"finishedOn": now - 10_000, "ats": 1, "atm": 1} if state in ("failed", "completed") else {"ats": 1}
        self.client.hset(self.base + job_id, mapping=told | fields)
        if state == "active":
            self.client.lpush(self.base + "active", job_id)
            self.client.set(self.base + job_id + ":lock", "x")
        else:
            self.client.zadd(self.base + state, {job_id: now})
        return f"/admin/queues/queue/job-page/{job_id}"

    def log(self, job_id: str, *lines: str) -> None:
        for at in range(0, len(lines), 1000):
            self.client.rpush(f"{self.base}{job_id}:logs", *lines[at : at + 1000])

    def stir(self) -> None:
        """What every event of BullMQ's does: the queue's stream moves, and whoever looks is told."""
        self.client.xadd(self.base + "events", {"event": "progress", "jobId": "x", "data": "1"})


@pytest.fixture
def jobs(redis_server, module_prefix: str) -> Iterator[Jobs]:
    with redis.Redis(port=redis_server.port) as client:
        yield Jobs(client, module_prefix)


@pytest.fixture(scope="module", autouse=True)
def elsewhere(redis_server, module_prefix: str) -> None:
    """A second queue, there before anybody looks."""
    with redis.Redis(port=redis_server.port) as client:
        plant_failed(client, module_prefix, "elsewhere", 1)


@pytest.fixture(scope="module")
def axe() -> str:
    require_node()
    return Path(INTEROP / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def browser_context_args() -> dict[str, Any]:
    return {"permissions": ["clipboard-read", "clipboard-write"]}


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_a_failed_job_is_read_by_keys_alone(page: Page, jobs: Jobs, axe) -> None:
    runs = [[1, int(time.time() * 1000) - 80_000, int(time.time() * 1000) - 50_000, "web-1"]]
    address = jobs.add(
        "read",
        "failed",
        data=json.dumps(DATA),
        opts=json.dumps({"attempts": 2, "backoff": {"type": "exponential", "delay": 1000}}),
        ats=2,
        atm=2,
        pb="web-3",
        failedReason="model did not answer",
        stacktrace=json.dumps([NODE, PYTHON]),
        **{"toril:runs": json.dumps(runs)},
    )
    jobs.log("read", "fetching", "\x1b[31mit broke\x1b[0m", "WARN slow password=hunter2")
    page.goto(address)
    timeline = page.get_by_role("list", name="What happened")
    expect(timeline).to_contain_text("Attempt 1 failed on web-1")
    expect(timeline).to_contain_text("ran 30.0 s, then waited 10.0 s")
    expect(page.locator(".failure .headline")).to_have_text(["TimeoutError model did not answer", "Error no answer"])
    first = page.locator(".failure").first
    expect(first.locator(".frame.own b")).to_have_text(["jobs.py:41", "llm.py:88"])
    library = first.locator(".lib summary")
    expect(library).to_have_text("1 frame in httpx")
    library.focus()
    page.keyboard.press("Enter")
    expect(first.locator(".lib .frame")).to_be_visible()
    expect(page.locator("#payload-opts")).to_contain_text("2 attempts, exponential backoff from 1.0 s")
    expect(page.locator("#kin")).to_contain_text("Jobs called chat")
    # The tree: one stop of the tab key, then arrows.
    page.locator('#json-data [tabindex="0"]').focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("c")
    assert clipboard(page) == "12345678901234567890"
    page.keyboard.press("p")
    assert clipboard(page) == "data.user.id"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    assert clipboard(page) == 'data.user["odd key"].street'
    page.keyboard.press("c")
    assert clipboard(page) == "Main <b>5</b>"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("c")
    assert json.loads(clipboard(page)) == DATA["user"]["odd key"]  # type: ignore[index]
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Main <b>5</b>")).to_be_hidden()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy value")).to_be_focused()
    assert "s3cret-value" not in page.content()
    assert "hunter2" not in page.content()
    expect(page.locator(".log li").nth(1)).to_have_text(re.compile("^error it broke$"))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert violations(page, axe) == "[]"


def test_a_value_is_searched_for_and_unfolded(page: Page, jobs: Jobs, axe) -> None:
    page.goto(jobs.add("search", "completed", data=json.dumps(DATA)))
    card = page.locator("#payload-data")
    card.locator('[aria-level="2"][aria-expanded]').last.click()
    expect(card.get_by_text("Paper 7")).to_be_hidden()
    card.get_by_role("button", name="Search").click()
    page.keyboard.type("pAPer ")
    expect(card.locator("output")).to_have_text("1 of 12")
    page.keyboard.press("Enter")
    expect(card.locator("output")).to_have_text("2 of 12")
    expect(card.locator(".here")).to_have_text(re.compile("Paper 1"))
    expect(card.get_by_text("Paper 7")).to_be_visible()
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(card.locator("output")).to_have_text("12 of 12")
    card.get_by_role("searchbox").fill("nothing (has [this")
    expect(card.locator("output")).to_have_text("not found")
    assert violations(page, axe) == "[]"
    page.keyboard.press("Escape")
    expect(card.get_by_role("button", name="Search")).to_be_focused()
    card.get_by_role("link", name="Raw").click()
    expect(card.locator("pre")).to_contain_text('"user": {"id": 12345678901234567890')
    card.get_by_role("link", name="Tree").click()
    expect(card.get_by_role("tree")).to_be_visible()


def test_the_page_follows_a_running_job_and_keeps_what_the_reader_has_done(page: Page, jobs: Jobs) -> None:
    page.goto(jobs.add("live", "active", data=json.dumps(DATA), progress="1"))
    folded = page.locator('#json-data [aria-level="2"][aria-expanded]').first
    folded.click()
    expect(folded).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#logs")).to_contain_text("none yet")
    jobs.log("live", *[f"line {n}" for n in range(1, 41)])
    jobs.client.hset(jobs.base + "live", "progress", "45")
    jobs.stir()
    expect(page.locator("#payload-progress")).to_contain_text("45")
    expect(page.locator(".log li")).to_have_count(40)
    expect(folded).to_be_focused()
    expect(folded).to_have_attribute("aria-expanded", "false")
    # A pause holds the lines back, and says how many wait.
    page.get_by_role("button", name="Follow").click()
    jobs.log("live", "line 41", "line 42")
    jobs.stir()
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("data-waiting", "2 new")
    expect(page.locator(".log li")).to_have_count(40)
    page.get_by_role("button", name="Follow").click()
    expect(page.locator(".log li")).to_have_count(42)
    jobs.client.lrem(jobs.base + "active", 0, "live")
    jobs.add("live", "completed", data=json.dumps(DATA), progress="100")
    jobs.stir()
    expect(page.locator("h1")).to_contain_text("completed")
    expect(page.locator("#said")).to_have_text("This job is completed now.")
    expect(folded).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".log li")).to_have_count(42)


def test_a_hundred_thousand_log_lines_are_read_from_their_end_filtered_and_gone_back_through(
    page: Page, jobs: Jobs, record_property, watch: Stopwatch
) -> None:
    address = jobs.add("long", "completed")
    jobs.log("long", *[f"line {n} of (many" + (" NEEDLE" if n % 1000 == 0 else "") for n in range(1, 100_001)])
    page.goto(address)
    page.evaluate(WATCH)
    expect(page.locator("#logs header")).to_contain_text("100,000 lines")
    expect(page.locator(".log li")).to_have_count(200)
    assert page.evaluate("document.querySelector('.log').scrollTop > 0")
    page.get_by_role("link", name="Earlier lines").click()
    expect(page.locator(".log li")).to_have_count(700)
    expect(page.locator(".log li").first).to_have_attribute("data-n", "99301")
    began = time.monotonic()
    page.get_by_role("searchbox", name="Filter the log").fill("needle")
    expect(page.locator("#log-lines")).to_contain_text("100 of the last 100,000 lines hold it.")
    record_property("figures", f"filtering 100,000 lines {time.monotonic() - began:.2f} s")
    expect(page.locator(".log li")).to_have_count(100)
    page.get_by_role("searchbox", name="Filter the log").fill("(many NEEDLE[")
    expect(page.locator("#log-lines")).to_contain_text("0 of the last 100,000 lines hold it.")
    page.get_by_role("searchbox", name="Filter the log").fill("")
    expect(page.locator(".log li")).to_have_count(200)
    assert page.evaluate("longest") < 400 * watch.slowness


def test_fifty_megabytes_freeze_nothing(page: Page, jobs: Jobs, record_property) -> None:
    data = json.dumps({"rows": [{"id": n, "text": "x" * 60, "deep": {"list": [{"n": n}]}} for n in range(430_000)]})
    assert len(data) > 48_000_000
    address = jobs.add("fifty", "completed", data=data, returnvalue="[" * 65_536)
    page.add_init_script(WATCH)
    watch = Stopwatch()
    page.goto(address)
    shown_s = watch.calm_s
    card = page.locator("#payload-data")
    expect(card).to_contain_text("Too large to be shown without being asked for.")
    expect(page.locator("#payload-returnvalue")).to_contain_text("nested deeper")
    assert len(page.content()) < 120_000
    began = time.monotonic()
    card.get_by_role("link", name="Show its beginning").click()
    expect(card).to_contain_text(re.compile(r"of \d\d MB are shown"))
    beginning_s = time.monotonic() - began
    rows = card.get_by_role("treeitem").count()
    began = time.monotonic()
    card.get_by_role("link", name="Show more").click()
    expect(card.get_by_role("treeitem")).not_to_have_count(rows)
    more_s, longest = time.monotonic() - began, page.evaluate("longest")
    card.get_by_role("treeitem").nth(rows + 5).focus()
    page.keyboard.press("p")
    assert re.match(r"data\.rows\[\d+\]", clipboard(page))
    record_property(
        "figures",
        f"page {shown_s:.2f} s, beginning {beginning_s:.2f} s, more {more_s:.2f} s, longest task {longest:.0f} ms",
    )
    assert shown_s < 3
    assert longest < 400 * watch.slowness


def test_on_a_phone_a_job_is_one_column_with_its_actions_by_the_thumb(page: Page, jobs: Jobs, axe) -> None:
    address = jobs.add(
        "phone", "failed", data=json.dumps(DATA), failedReason="x" * 300, stacktrace=json.dumps([PYTHON])
    )
    jobs.log("phone", "ERROR " + "y" * 300)
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto(address)
    expect(page.locator("#kin")).to_contain_text("Jobs called chat")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    retry = page.get_by_role("button", name="Retry", exact=True).bounding_box()
    assert retry is not None
    assert retry["y"] > 700
    errors, kin = page.locator(".failure").first.bounding_box(), page.locator("#kin").bounding_box()
    assert errors is not None
    assert kin is not None
    assert errors["y"] < kin["y"]
    page.get_by_text('"8d0f"').click()
    expect(page.get_by_role("button", name="Copy value")).to_be_visible()
    assert violations(page, axe) == "[]"


def test_a_job_that_is_nowhere_says_where_it_may_be(page: Page, jobs: Jobs, watched, axe) -> None:
    watched.expected = ("404",)
    page.goto("/admin/queues/queue/job-page/1")
    expect(page.locator("main")).to_contain_text("Queue “job-page” has no job “1”.")
    assert violations(page, axe) == "[]"
    page.get_by_role("link", name="elsewhere", exact=True).last.click()
    page.wait_for_url("**/queue/elsewhere/1")
