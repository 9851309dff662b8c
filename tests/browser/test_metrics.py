"""The charts as somebody reads them: hovered, zoomed, as tables, growing, in both themes and on a phone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_accessibility import violations
from tests.eventually import eventually_sync
from tests.services import INTEROP
from tests.stand import Stand

pytestmark = [pytest.mark.browser, pytest.mark.node]
PAGE = "/admin/queues/metrics-history?queue=charted"
SAVE = """
import time
from queues.mirror.sample_rows import Backlog, Minute, SampleRows
from queues.protocol.samples import Ended
class AnyLeader:
    def check(self): pass
def ended(n, failed=0):
    return Ended(n, failed, 0, {70: n}, {60: n})
minutes = []
for back, n in PLANTED:
    names = {"send": ended(n, 2), "<b>markup</b>": ended(1)}
    whole = Ended()
    for one in names.values(): whole.add(one)
    minutes.append(Minute("charted", NOW - back, "w", names, whole, Backlog(n, 1, 4_000)))
SampleRows("default", AnyLeader()).save(minutes, NOW)
"""


@pytest.fixture
def save(stand: Stand) -> Callable[[list[tuple[int, int]], int], None]:
    """Minutes so far back from `now`, with so many jobs each."""

    def saved(planted: list[tuple[int, int]], now: int) -> None:
        command = SAVE.replace("PLANTED", repr(planted)).replace("NOW", str(now))
        stand.manage("shell", "--verbosity", "0", "--command", command)

    return saved


def over(chart: Locator, share: float) -> None:
    """The mouse over the chart, so far from its left."""
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    chart.page.mouse.move(box["x"] + box["width"] * share, box["y"] + 60)


def told(chart: Locator) -> list[str]:
    return [text.strip() for text in chart.locator(".u-legend .u-value").all_inner_texts()]


def test_charts_are_hovered_zoomed_read_as_tables_and_grow(
    page: Page,
    stand: Stand,
    save: Callable[[list[tuple[int, int]], int], None],
) -> None:
    axe = (INTEROP / "node_modules" / "axe-core" / "axe.min.js").read_text()
    now = int(time.time()) // 60
    # Twenty minutes, then ten that nobody recorded, then the last thirty.
    save([(back, back) for back in range(1, 61) if not 30 < back <= 40], now)
    stand.manage("queues", "mark_deploy", "v1.2.3")
    page.goto(PAGE)
    chart = page.locator("figure[data-chart=throughput]")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.locator("svg.lines")).to_be_hidden()
    expect(page.locator("#metrics-deploys")).to_contain_text("v1.2.3")

    # --- twelve hours where they were chosen
    page.context.add_cookies([{"name": "toril_clock", "value": "12", "url": stand.address}])
    page.reload()
    over(chart, 0.25)
    assert re.search(r"\d (AM|PM)$", told(chart)[0].replace("\u202f", " ")), told(chart)
    page.context.clear_cookies(name="toril_clock")
    page.reload()

    # --- what is hovered is what stands in the table
    over(chart, 0.25)
    at, completed, failed, retried = told(chart)
    rows = page.locator("#numbers-throughput tbody tr")
    texts = [
        row.split("\t")
        for row in rows.evaluate_all(
            "rows => rows.map((r) => [...r.cells].map((c) => c.textContent.trim()).join('\\t'))"
        )
    ]
    minute = re.search(r"\d\d:\d\d", at)
    assert minute is not None
    (row,) = [cells for cells in texts if minute[0] in cells[0]]
    assert [completed, failed, retried] == row[1:4]
    assert (failed, retried) == ("2", "0")
    over(chart, 0.42)
    assert told(chart)[1:] == ["–", "–", "–"]

    # --- zoom, all charts together, and back
    reset = page.get_by_role("button", name="Reset the zoom")
    expect(reset).to_be_hidden()
    over(chart, 0.6)
    page.mouse.down()
    over(chart, 0.8)
    page.mouse.up()
    expect(reset).to_be_visible()
    over(chart, 0.01)
    zoomed = told(chart)
    assert zoomed[0] > at
    run = page.locator("figure[data-chart=run]")
    over(run, 0.01)
    assert told(run)[0] == zoomed[0]
    reset.click()
    expect(reset).to_be_hidden()
    over(chart, 0.01)
    assert told(chart)[0] < at

    # --- the table, by keyboard
    summary = page.locator("#numbers-throughput summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(rows.first).to_be_visible()
    expect(rows.nth(35)).to_contain_text("not recorded")

    # --- it grows, and what was opened stays open
    later = int(time.time()) // 60
    # The minute that runs now, too: it may be over before the page is drawn.
    save([(0, 999), (1, 999)], later)
    page.evaluate("htmx.trigger('#metrics', 'every')")
    expect(rows.first).to_contain_text("1,000")
    expect(rows.first).to_be_visible()

    def newest() -> str:
        over(chart, 0.99)
        over(chart, 0.999)
        return told(chart)[1]

    eventually_sync(lambda: newest() == "1,000")

    # --- nothing to complain of
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert violations(page, axe) == "[]"
    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page, axe) == "[]"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_script_there_are_lines_and_tables(
    browser, stand: Stand, save: Callable[[list[tuple[int, int]], int], None]
) -> None:
    save([(back, back) for back in range(1, 61)], int(time.time()) // 60)
    context = browser.new_context(base_url=stand.address, java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("Name", exact=True).fill("vera")
        page.get_by_label("Password").fill("correct horse battery staple")
        page.get_by_role("button", name="Sign in").click()
        page.goto(PAGE)
        expect(page.locator("figure[data-chart=throughput] svg.lines")).to_be_visible()
        page.locator("#numbers-throughput summary").click()
        expect(page.locator("#numbers-throughput tbody tr").first).to_be_visible()
        expect(page.locator("#metrics-totals")).to_contain_text("<b>markup</b>")
    finally:
        context.close()
