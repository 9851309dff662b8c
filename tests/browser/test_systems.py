"""The five systems' forms in a browser: what is asked for shows its end without a reload, and axe has no complaints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import axe, violations
from tests.conftest import RedisServer
from tests.stand import Stand

__all__ = ["axe"]
pytestmark = [pytest.mark.browser, pytest.mark.node]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, module_prefix: str) -> Iterator[Stand]:
    """With the samples, and workers that run them."""
    environ = {"DJANGO_SETTINGS_MODULE": "tests.systems_settings", "TORIL_DEMO": "1"}
    opened = Stand(tmp_path_factory.mktemp("stand"), redis_server.url, module_prefix, **environ)
    opened.workers("--queues", "scan")
    opened.web()
    yield opened
    opened.close()


def test_what_is_asked_for_in_a_form_shows_what_became_of_it_by_itself(page: Page, axe: str) -> None:
    page.get_by_role("link", name="Five systems").click()
    page.get_by_role("link", name="Scan service").click()
    page.get_by_label("Site").fill("https://shop.example.com")
    page.get_by_label("Plan").select_option("premium")
    page.get_by_role("button", name="Add").click()
    lines = page.locator("#systems-lines")
    expect(lines.get_by_text("https://shop.example.com (premium)")).to_be_visible()
    page.evaluate("window.isTheSame = true")
    expect(lines.get_by_text("completed")).to_be_visible()
    expect(lines.get_by_text("Score")).to_be_visible()
    assert page.evaluate("window.isTheSame")
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert violations(page, axe) == "[]"
    page.emulate_media(color_scheme="dark")
    assert violations(page, axe) == "[]"
    # Nothing runs these here: what is open stays so.
    page.goto("/admin/queues/systems/chat")
    page.get_by_label("Message").fill("Why <b>not</b>?")
    page.get_by_role("button", name="Add").click()
    expect(lines.get_by_text("queued")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page, axe) == "[]"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
