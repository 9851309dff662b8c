"""The system's Chromium for pytest-playwright; nothing is ever downloaded."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, Playwright, expect, sync_playwright

from tests.conftest import RedisServer
from tests.planting import plant_failed
from tests.services import require_browser
from tests.stand import PASSWORD, Stand

LAUNCH_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Guards against hanging, not promises: those name their own seconds.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": require_browser(), "args": LAUNCH_ARGUMENTS}


# Playwright's sync interface keeps an event loop running in this thread for as long as it is started, and no async test
# can run beside it. pytest-playwright starts it for the session; here it lives for one file.


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser_context_args() -> dict[str, Any]:
    """What each test's context is opened with; a file may override it."""
    return {}


@pytest.fixture(scope="module")
def browser_type(playwright: Playwright) -> BrowserType:
    return playwright.chromium


@pytest.fixture(scope="module")
def launch_browser(browser_type_launch_args: dict[str, Any], browser_type: BrowserType) -> Callable[..., Browser]:
    return lambda **options: browser_type.launch(**{**browser_type_launch_args, **options})


@pytest.fixture(scope="module")
def browser(launch_browser: Callable[..., Browser]) -> Iterator[Browser]:
    launched = launch_browser()
    yield launched
    launched.close()


@pytest.fixture(autouse=True)
def _no_wires_left() -> None:
    """Browser tests open no wires of their own, and the async fixture of this name cannot run beside Playwright."""


class Watched:
    """What the browser complained of: every test ends with none of it, or names what it expects in `expected`."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("dialog", lambda dialog: (self._note("error", f"dialog: {dialog.message}"), dialog.dismiss()))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def unexpected(self) -> list[str]:
        return [text for text in self.complaints if not any(part in text for part in self.expected)]


@pytest.fixture(scope="module")
def module_prefix() -> str:
    return f"b{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, module_prefix: str) -> Iterator[Stand]:
    """The web as a process, for all tests of one file."""
    require_browser()
    opened = Stand(tmp_path_factory.mktemp("stand"), redis_server.url, module_prefix)
    opened.web()
    yield opened
    opened.close()


@pytest.fixture
def context(browser: Browser, stand: Stand, browser_context_args: dict[str, Any]) -> Iterator[BrowserContext]:
    size = {"width": 1440, "height": 1000}
    opened = browser.new_context(base_url=stand.address, viewport=size, **browser_context_args)
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture
def anonymous(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def watched(anonymous: Page) -> Iterator[Watched]:
    watching = Watched(anonymous)
    yield watching
    assert watching.unexpected() == []


def sign_in(page: Page, user: str = "ana") -> None:
    page.goto("/sign-in")
    page.get_by_label("Name", exact=True).fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/queues/**")


@pytest.fixture
def page(anonymous: Page, watched: Watched, context: BrowserContext, stand: Stand) -> Page:
    """Signed in as ana, who may everything, and at the overview."""
    with closing(stand.signed_in()) as client:
        cookies = dict(client.cookies)
    context.add_cookies([{"name": name, "value": value, "url": stand.address} for name, value in cookies.items()])
    anonymous.goto("/admin/queues/")
    return anonymous


@pytest.fixture
def plant(redis_server: RedisServer, module_prefix: str) -> Callable[..., list[str]]:
    """Plant failed jobs in a queue of this file's prefix: `plant("chat", 3, reason=…)`."""

    def planted(queue: str, count: int = 1, **more: Any) -> list[str]:
        with redis.Redis(port=redis_server.port) as client:
            return plant_failed(client, module_prefix, queue, count, **more)

    return planted
