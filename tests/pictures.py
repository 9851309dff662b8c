"""Pictures of every page for docs/images, from the sample systems: `python -m tests.pictures [name …]`.

A Redis, the web, workers, the mirror and sample traffic of their own run meanwhile; nothing is left of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import LAUNCH_ARGUMENTS
from tests.conftest import RedisServer
from tests.eventually import eventually_sync
from tests.services import require_browser
from tests.stand import ROOT, Stand

IMAGES = ROOT / "docs" / "images"
WIDE, PHONE = {"width": 1360, "height": 820}, {"width": 390, "height": 844}
#: So long traffic runs before the first picture: charts of an hour want a few minutes, and nobody waits for more.
WARM_S = 150
PREFIX = "pictures"


@dataclass(frozen=True)
class Picture:
    """`path` may ask the stand for something; `before` is done on the page before the picture is taken."""

    name: str
    path: str | Callable[[Redis], str]
    before: Callable[[Page], None] = lambda page: None
    size: tuple[int, int] = (WIDE["width"], WIDE["height"])
    theme: str = "light"


class Redis:
    """What the samples have brought about, by which pages are chosen."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def count(self, queue: str, state: str) -> int:
        return int(self._client.zcard(f"{PREFIX}:{queue}:{state}"))

    def newest(self, queue: str, state: str) -> str:
        (found,) = self._client.zrevrange(f"{PREFIX}:{queue}:{state}", 0, 0)
        return str(found.decode())

    def waiting(self, queue: str) -> str:
        return str(self._client.lindex(f"{PREFIX}:{queue}:wait", 0).decode())

    def failed_job(self) -> str:
        """The page of the job whose attempts are worth a look."""
        queue = max(("ai-jobs", "webhooks", "curl-generation"), key=lambda name: self.count(name, "failed"))
        return f"queue/{queue}/{quote(self.newest(queue, 'failed'), safe='')}"


def press(keys: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.keyboard.press(keys)
        page.wait_for_timeout(300)

    return act


def follow(name: str) -> Callable[[Page], None]:
    """Click the first link or button called so."""

    def act(page: Page) -> None:
        page.locator("main a, main button").filter(has_text=name).locator("visible=true").first.click()
        page.wait_for_timeout(600)

    return act


def first(selector: str) -> Callable[[Page], None]:
    """Follow the first of these links."""

    def act(page: Page) -> None:
        page.locator(selector).first.click()
        page.wait_for_timeout(1_200)

    return act


def begin(page: Page) -> None:
    """Let the operation that is asked about run, and look at its end."""
    page.locator("input[name=reason]").fill("the provider answers again")
    page.locator("main form .acts button").first.click()
    page.wait_for_timeout(5_000)


PICTURES = [
    Picture("overview", ""),
    Picture("overview-dark", "", theme="dark"),
    Picture("queue", "queue/ai-jobs?status=failed"),
    Picture("phone", "queue/ai-jobs?status=failed", size=(PHONE["width"], PHONE["height"])),
    Picture("why", lambda at: f"queue/chat/{quote(at.waiting('chat'), safe='')}"),
    Picture("job-dark", Redis.failed_job, theme="dark"),
    Picture("job", Redis.failed_job),
    Picture("edit", Redis.failed_job, before=follow("Edit")),
    Picture("add", "queue/ai-jobs?status=failed", before=follow("Add")),
    Picture("search", "search?q=state:failed+since:1h+error:timeout"),
    Picture("failures", "failures"),
    Picture("failure", "failures", before=first("table.failing a.clip")),
    Picture("operation-new", "operations/new?do=retry&queue=ai-jobs&state=failed"),
    Picture("operation", "operations/new?do=retry&queue=curl-generation&state=failed", before=begin),
    Picture("alerts", "alerts"),
    Picture("schedulers", "job-schedulers"),
    Picture("flows", "flows"),
    Picture("workers", "workers"),
    Picture("metrics", "metrics-history"),
    Picture("redis", "redis"),
    Picture("check", "check"),
    Picture("audit", "audit"),
    Picture("settings", "settings"),
    Picture("palette", "", before=press("Control+k")),
    Picture("shortcuts", "", before=press("?")),
]


def main(names: list[str]) -> None:
    wanted = [picture for picture in PICTURES if not names or picture.name in names]
    with tempfile.TemporaryDirectory() as folder, samples(Path(folder)) as (stand, found), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=require_browser(), args=LAUNCH_ARGUMENTS)
        for picture in wanted:
            take(browser, stand, found, picture)
            sys.stdout.write(f"{picture.name}\n")
        browser.close()


@contextmanager
def samples(folder: Path) -> Iterator[tuple[Stand, Redis]]:
    """The five systems at work for a while, something paused, somebody's doings in the audit log."""
    server = RedisServer(folder)
    # The documented settings, without the tests' own processors.
    stand = Stand(folder, server.url, PREFIX, DJANGO_SETTINGS_MODULE="dashboard.settings")
    # As `bin/up` runs them: on a server of the house's own.
    (folder / "redis-url").write_text(server.url)
    stand.environ = {name: value for name, value in stand.environ.items() if name != "REDIS_URL"}
    try:
        stand.web()
        stand.workers()
        stand.mirror()
        stand.start("demo", sys.executable, "manage.py", "demo", "--rate", "12", "--burst", "150", "--seed", "7")
        with redis.Redis(port=server.port) as client:
            found = Redis(client)
            eventually_sync(lambda: found.count("ai-jobs", "failed") > 3, 60, "something has failed")
            busy(stand)
            time.sleep(WARM_S)
            yield stand, found
    finally:
        stand.close()
        server.stop()


def busy(stand: Stand) -> None:
    """What an operator might have done today."""
    stand.manage("queues", "pause", "auto-tagging")
    stand.manage("queues", "retry", "webhooks", "--all", "--yes")


def take(browser: Browser, stand: Stand, found: Redis, picture: Picture) -> None:
    path = picture.path if isinstance(picture.path, str) else picture.path(found)
    width, height = picture.size
    context = browser.new_context(
        base_url=stand.address,
        viewport={"width": width, "height": height},
        color_scheme="dark" if picture.theme == "dark" else "light",
        timezone_id="Europe/Madrid",
    )
    with closing(stand.signed_in()) as client:
        cookies = dict(client.cookies)
    context.add_cookies([{"name": name, "value": value, "url": stand.address} for name, value in cookies.items()])
    page = context.new_page()
    page.goto(f"/admin/queues/{path}")
    page.wait_for_timeout(1_200)
    picture.before(page)
    page.screenshot(path=IMAGES / f"{picture.name}.png")
    context.close()


if __name__ == "__main__":
    main(sys.argv[1:])
