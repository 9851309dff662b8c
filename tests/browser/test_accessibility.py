"""axe-core finds nothing to complain of on any page: light, dark, on a phone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.services import INTEROP, require_node

pytestmark = [pytest.mark.browser, pytest.mark.node]
RUN = """async () => (await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa",
"best-practice"]})).violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.map((n) => n.html).slice(0, 3)}))"""

PAGES = {
    "overview": "/admin/queues/",
    "group confirmation": "/admin/queues/?confirm=retry-all",
    "favourite": "/admin/queues/?star=axe",
    "redis": "/admin/queues/redis",
    "self-check": "/admin/queues/check",
    "no queues found": "/admin/queues/?q=nothing-has-this-name",
    "search": "/admin/queues/search",
    "what a search found": "/admin/queues/search?q=state:failed",
    "a search that cannot be read": "/admin/queues/search?q=state:odd",
    "failed jobs": "/admin/queues/queue/axe?status=failed",
    "empty state": "/admin/queues/queue/axe?status=completed",
    "confirmation": "/admin/queues/queue/axe?status=failed&confirm=retry-all",
    "clean form": "/admin/queues/queue/axe?status=failed&confirm=clean",
    "job": "/admin/queues/queue/axe/1",
    "failures": "/admin/queues/failures",
    "unknown job": "/admin/queues/queue/axe/none",
    "API keys": "/admin/queues/keys",
    "the API": "/api/v1/docs",
    "a new API key": "/admin/queues/keys/new",
    "operations": "/admin/queues/operations",
    "alerts": "/admin/queues/alerts",
    "alerts that have cleared": "/admin/queues/alerts?show=past",
    "new operation": "/admin/queues/operations/new?do=retry&queue=axe&state=failed",
    "webhooks": "/admin/queues/webhooks",
    "new webhook": "/admin/queues/webhooks/new",
    "unknown queue": "/admin/queues/queue/none",
}


@pytest.fixture(scope="module")
def axe() -> str:
    require_node()
    return Path(INTEROP / "node_modules" / "axe-core" / "axe.min.js").read_text()


def violations(page: Page, axe: str) -> str:
    page.evaluate(axe)
    return json.dumps(page.evaluate(RUN), indent=1)


@pytest.mark.parametrize("name", PAGES)
def test_a_wide_page_has_no_violations_in_either_theme(page: Page, watched, axe, plant, name) -> None:
    watched.expected = ("404",)
    plant("axe", 3)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(PAGES[name])
    assert violations(page, axe) == "[]"
    page.emulate_media(color_scheme="dark")
    assert violations(page, axe) == "[]"


@pytest.mark.parametrize("name", ["overview", "failed jobs", "job", "what a search found"])
def test_a_phone_page_has_no_violations_and_does_not_scroll_sideways(page: Page, axe, plant, name) -> None:
    plant("axe", 3)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(PAGES[name])
    assert violations(page, axe) == "[]"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_door_has_no_violations(anonymous: Page, axe) -> None:
    anonymous.goto("/sign-in")
    assert violations(anonymous, axe) == "[]"
