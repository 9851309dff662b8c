"""From a rule that is made to an alert that fires by itself, is silenced and clears, with the mirror as a process."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import violations
from tests.services import INTEROP, require_node
from tests.stand import Stand

pytestmark = [pytest.mark.browser, pytest.mark.node]
PATIENT_MS = 120_000


def test_a_rule_is_made_fires_is_silenced_and_clears(
    page: Page, stand: Stand, plant, client_of_redis: redis.Redis, module_prefix: str
) -> None:
    require_node()
    axe = Path(INTEROP / "node_modules" / "axe-core" / "axe.min.js").read_text()
    stand.mirror()
    plant("letters")
    client_of_redis.lpush(f"{module_prefix}:letters:wait", "a", "b", "c")
    page.emulate_media(reduced_motion="reduce")
    page.goto("/admin/queues/")
    page.get_by_role("link", name="Alerts", exact=True).click()
    expect(page.get_by_text("Nothing fires.")).to_be_visible(timeout=PATIENT_MS)
    page.get_by_role("link", name="Add a rule").click()
    page.get_by_label("Name").fill("Somebody must come")
    page.get_by_label("Watches").select_option("no_worker")
    page.get_by_label("Queues").last.fill("letters")
    for label, value in (("Fires from", "1"), ("clears at", "0"), ("when held for", "0")):
        page.get_by_label(label).fill(value)
    assert violations(page, axe) == "[]"
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("is looked at from now on")).to_be_visible()

    firing = page.get_by_role("region", name="Firing").get_by_role("listitem").filter(has_text="Somebody must come")
    expect(firing).to_contain_text("letters 3 jobs waiting, and no worker", timeout=PATIENT_MS)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(page, axe) == "[]"
    firing.get_by_role("link", name="Silence").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No worker: letters")
    assert violations(page, axe) == "[]"
    page.get_by_role("textbox", name="Why").fill("They are on their way")
    page.get_by_role("button", name="Silence").click()
    page.get_by_role("link", name="Alerts", exact=True).first.click()
    silenced = page.get_by_role("region", name="Silenced")
    expect(silenced).to_contain_text("They are on their way · ana")

    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page, axe) == "[]"
    client_of_redis.delete(f"{module_prefix}:letters:wait")
    expect(firing).to_have_count(0, timeout=PATIENT_MS)
    silenced.get_by_role("button", name="End").click()
    expect(silenced).to_have_count(0)
    page.get_by_role("link", name="What has cleared").click()
    page.get_by_role("row").filter(has_text="Somebody must come").get_by_role("link").click()
    expect(page.get_by_role("listitem").filter(has_text="cleared")).to_contain_text("It cleared at 0 jobs.")
    assert violations(page, axe) == "[]"
