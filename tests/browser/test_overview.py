"""The overview in a browser: groups fold, favourites move up, sums follow what is pushed, 500 queues stay smooth."""

from __future__ import annotations

import re
import time

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import axe, violations
from tests.conftest import RedisServer
from tests.planting import plant_failed

__all__ = ["axe"]
pytestmark = [pytest.mark.browser, pytest.mark.node]
#: On a machine that counts as fast as this; on a slower, or a busy one, in proportion.
COUNTED_MS, TYPED_MS, PAINTED_MS, DEAF_MS = 10, 400, 2_500, 2_000
COUNT = """() => {
    const took = [];
    for (let run = 0; run < 9; run++) {
        const began = performance.now();
        let sum = 0;
        for (let n = 0; n < 10_000_000; n++) sum += n % 7;
        took.push(performance.now() - began + sum * 0);
    }
    return took.sort((a, b) => a - b)[4];
}"""


def sum_of(page: Page, group: str, state: str = "failed") -> str:
    return page.locator(f'tbody[data-group="{group}"] [data-sum="{state}"]').inner_text()


def names(page: Page) -> list[str]:
    return page.locator("#queues tr[data-name]:visible").evaluate_all("rows => rows.map((row) => row.dataset.name)")


def see_new_queues(page: Page, name: str) -> None:
    """As one who looks is told of them: new ones are found within seconds, and shown when asked for."""
    expect(page.locator("#queue-names")).to_contain_text(name)
    page.get_by_role("link", name="Show", exact=True).click()


def test_groups_favourites_and_a_group_that_is_paused(page: Page, plant, redis_server, module_prefix, axe):
    for name, count in {"mail.in": 2, "mail.out": 3, "scan.a": 1, "scan.b": 1, "chat": 1}.items():
        plant(name, count)
    see_new_queues(page, "scan.b")
    expect(page.locator("#queues tr[data-name]")).to_have_count(5)
    assert sum_of(page, "mail") == "5"

    # Folded, by the keyboard, and still so when one comes back.
    mail = page.get_by_role("link", name="mail", exact=True)
    mail.focus()
    page.keyboard.press("Enter")
    expect(mail).to_have_attribute("aria-expanded", "false")
    assert names(page) == ["chat", "scan.a", "scan.b"]
    page.reload()
    assert names(page) == ["chat", "scan.a", "scan.b"]

    # What is sought is found in a folded group too, and groups without it leave.
    page.locator("[data-find]").fill("mail.o")
    assert names(page) == ["mail.out"]
    expect(page.locator('tbody[data-group="scan"]')).to_be_hidden()
    page.locator("[data-find]").fill("")
    assert names(page) == ["chat", "scan.a", "scan.b"]

    # A favourite moves to the top at once, and stands there when one comes back.
    page.locator('tr[data-name="scan.b"] [data-star]').click()
    assert names(page)[0] == "scan.b"
    page.reload()
    assert names(page) == ["scan.b", "chat", "scan.a"]
    page.locator('tr[data-name="scan.b"] [data-star]').click()
    expect(page.locator("#starred tr")).to_have_count(0)

    # Pushed rows change the sums of their group and of the board, folded or not.
    with redis.Redis(port=redis_server.port) as client:
        plant_failed(client, module_prefix, "mail.in", 9)
        client.xadd(f"{module_prefix}:mail.in:events", {"event": "failed", "jobId": "9"})
    expect(page.locator('tbody[data-group="mail"] [data-sum="failed"]')).to_have_text("12")
    expect(page.locator('[data-total="failed"]')).to_have_text("15")

    # The group is paused: counted, confirmed, done, and each row says by whom.
    page.locator('tbody[data-group="mail"] details.menu summary').click()
    page.locator('tbody[data-group="mail"]').get_by_role("link", name="Pause…").click()
    expect(page.get_by_text("Pause 2 queues?")).to_be_visible()
    assert violations(page, axe) == "[]"
    page.get_by_role("button", name="Pause 2 queues").click()
    expect(page.locator("#notices")).to_contain_text("2 queues are paused.")
    page.get_by_role("link", name="mail", exact=True).click()
    expect(page.locator('tr[data-name="mail.in"]')).to_contain_text(re.compile("paused.*by ana since", re.DOTALL))
    assert violations(page, axe) == "[]"


def test_five_hundred_queues_stay_smooth(
    page: Page, redis_server: RedisServer, module_prefix: str, record_property, watch
):
    with redis.Redis(port=redis_server.port) as client, client.pipeline(transaction=False) as pipe:
        for n in range(500):
            pipe.hset(f"{module_prefix}:many.{n % 20}.{n:03}:meta", "version", "bullmq:6.7.0")
            pipe.lpush(f"{module_prefix}:many.{n % 20}.{n:03}:wait", "1")
        pipe.execute()
    see_new_queues(page, "many")
    began = time.monotonic()
    page.goto("/admin/queues/")
    expect(page.locator("#queues tr[data-name]")).not_to_have_count(0)
    rows = page.locator("#queues tr[data-name]").count()
    assert rows >= 500
    painted_ms = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    loaded_ms = (time.monotonic() - began) * 1000
    typed_ms = page.evaluate(
        """async () => {
        const field = document.querySelector("[data-find]"), took = [];
        for (const text of ["m", "ma", "man", "many", "many.1", "many.13", "many.13.", ""]) {
            const began = performance.now();
            field.value = text;
            field.dispatchEvent(new Event("input", {bubbles: true}));
            document.body.offsetHeight;
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            took.push(performance.now() - began);
        }
        return Math.max(...took);
    }"""
    )
    # All of them change at once: the longest time for which the page hears nobody.
    page.evaluate(
        """() => {
        window.longest = 0;
        let last = performance.now();
        setInterval(() => {
            const now = performance.now();
            window.longest = Math.max(window.longest, now - last);
            last = now;
        }, 10);
    }"""
    )
    with redis.Redis(port=redis_server.port) as client, client.pipeline(transaction=False) as pipe:
        for n in range(500):
            pipe.lpush(f"{module_prefix}:many.{n % 20}.{n:03}:wait", "2")
            pipe.xadd(f"{module_prefix}:many.{n % 20}.{n:03}:events", {"event": "added", "jobId": "2"})
        pipe.execute()
    expect(page.locator('[data-total="waiting"]')).to_have_text("1,000")
    longest_ms = page.evaluate("window.longest")
    record_property(
        "figures",
        f"{rows} rows: painted after {painted_ms:.0f} ms, there after {loaded_ms:.0f}, a letter {typed_ms:.0f} ms,"
        f" all change: deaf for {longest_ms:.0f} ms",
    )
    slow = max(watch.slowness, page.evaluate(COUNT) / COUNTED_MS)
    assert painted_ms < PAINTED_MS * slow
    assert typed_ms < TYPED_MS * slow
    assert longest_ms < DEAF_MS * slow
