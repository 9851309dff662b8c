"""Bull Board's own client in a real browser, as npm ships it, against our routes of its API."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.conftest import RedisServer
from tests.services import require_browser, require_node
from tests.stand import Stand

pytestmark = [pytest.mark.browser, pytest.mark.node]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, module_prefix: str) -> Iterator[Stand]:
    require_browser()
    require_node()
    folder = tmp_path_factory.mktemp("stand")
    opened = Stand(folder, redis_server.url, module_prefix, STAND_URLCONF="tests.bull_board_urls")
    opened.web()
    yield opened
    opened.close()


def test_bull_boards_client_lists_opens_retries_and_adds(
    page: Page, plant: Callable[..., list[str]], redis_server: RedisServer, module_prefix: str, watched: Watched
) -> None:
    watched.expected = ("was preloaded using link preload",)
    plant("chat", 3, reason="SMTP 550 <b>no</b>", data='{"to":"ana","password":"hunter2"}')
    page.goto("/admin/queues/")
    expect(page.get_by_role("link", name="chat").first).to_be_visible()

    page.goto("/admin/queues/queue/chat?status=failed")
    main = page.get_by_role("main")
    expect(main).to_contain_text("#3")
    expect(main).to_contain_text("SMTP 550 <b>no</b>")
    expect(main.locator("button", has_text="Retry all")).to_be_visible()

    page.goto("/admin/queues/queue/chat/3")
    expect(main).to_contain_text("#3")
    main.locator("button", has_text="Data").first.click()
    expect(main).to_contain_text("ana")
    expect(main).to_contain_text("•••")
    expect(main).not_to_contain_text("hunter2")

    # Its buttons are icons without a name: the first of a failed job is Retry.
    page.goto("/admin/queues/queue/chat?status=failed")
    expect(main).to_contain_text("#3")
    main.get_by_text("#3", exact=True).locator("xpath=following::button[1]").click()
    with page.expect_response("**/queues/chat/3/retry") as retried:
        page.locator("button", has_text="Confirm").click()
    assert retried.value.status == 204

    main.locator("button[aria-haspopup=menu]").first.click()
    page.get_by_role("menuitem", name="Add job").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_placeholder("__default__").fill("by hand")
    with page.expect_response("**/queues/chat/add") as added:
        dialog.get_by_role("button", name="Add", exact=True).click()
    assert added.value.status == 200
    with redis.Redis(port=redis_server.port, decode_responses=True) as client:
        job_id = added.value.json()["job"]["id"]
        assert client.lrange(f"{module_prefix}:chat:wait", 0, -1) == [job_id, "3"]
        assert client.hget(f"{module_prefix}:chat:{job_id}", "name") == "by hand"

    page.goto("/admin/queues/metrics-history")
    expect(main).to_contain_text("chat")


def test_the_requests_of_its_page_in_the_docs_run_as_they_are_written(
    stand: Stand, plant: Callable[..., list[str]]
) -> None:
    plant("chat", 2)
    page = (Path(__file__).resolve().parents[2] / "docs" / "board-api.md").read_text()
    (block,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    said = stand.manage("queues", "keys", "add", "docs", "--may", "admin")
    key = re.search(r"toril_\w{8}_[\w-]+", said)
    assert key, said
    environ = {**os.environ, "KEY": key[0], "SITE": stand.address}
    asked = "set -e\n" + block.replace("curl ", "curl -sSf -w '\\n' ")
    done = subprocess.run(["bash", "-c", asked], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [queue["name"] for queue in told[0]["queues"]] == ["chat"]
    assert len(told[1]["queues"][0]["jobs"]) >= 2
    assert told[2]["retried"] >= 2
    assert (told[3]["job"]["name"], told[3]["status"]) == ("greet", "delayed")
