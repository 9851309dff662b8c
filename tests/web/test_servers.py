"""One short walk on each server that is said to do: Valkey 9, Redis 6.2 and 7.0, and TEST_REDIS_SERVER's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from queues import queue
from queues.options import reset_options
from queues.protocol.connections import close_wires
from tests.conftest import RedisServer
from tests.mirroring import in_step, mirror_running
from tests.redises import SERVERS, running
from tests.web.browser import Browser
from tests.working import Sight, working

PAGES = [
    "", "queue/chat?status=waiting", "queue/chat?status=completed", "queue/chat?status=failed", "queue/chat/1",
    "search?q=x", "failures", "job-schedulers", "flows", "workers", "metrics-history", "operations", "redis", "check",
    "api/queues", "settings", "audit",
]  # fmt: skip
#: docs/redis.md names them; the prefix is each test's own.
RULES = {
    "look": "+@read +@connection -client +client|list +client|setname +info +time +role +config|get +slowlog|get",
    "steer": "+@write +@scripting +@transaction +publish",
    "work": "+@blocking",
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(tmp_path_factory.mktemp(request.param), request.param) as server:
        yield server


@pytest.fixture
def enter(server: RedisServer, settings: Any, prefix: str) -> Iterator[Any]:
    def enter(user: str = "", *rules: str) -> None:
        login = f"{user}:secret@" if user else ""
        if user:
            with redis.Redis(port=server.port) as client:
                client.execute_command("ACL", "SETUSER", user, "reset", "on", ">secret", f"~{prefix}:*", *rules)
        url = server.url.replace("redis://", f"redis://{login}")
        settings.TORIL = {"CONNECTIONS": {"default": {"URL": url, "PREFIX": prefix}}}
        reset_options()

    enter()
    yield enter
    reset_options()


@pytest.fixture
def sight(server: RedisServer, prefix: str) -> Iterator[Sight]:
    with redis.Redis(port=server.port) as client:
        yield Sight(client, prefix)


def rules(*names: str) -> list[str]:
    return [word for name in names for word in RULES[name].split()]


async def opened(browser: Browser, *pages: str) -> dict[str, str]:
    """Each page's text; none may break."""
    said = {}
    for page in pages:
        answer = await browser.get(f"/admin/queues/{page}")
        said[page] = answer.content.decode()
        assert answer.status_code == 200, (page, answer.status_code, said[page][:600])
    return said


async def work(job: Any) -> str:
    if job.name == "fails":
        raise ValueError("as it should")
    return "done"


async def everything(sight: Sight) -> None:
    """Jobs of several manners are added and run; one fails."""
    chat = queue("chat")
    async with working(work, concurrency=3):
        for name in ("now", "fails"):
            await chat.add(name)
        await chat.add("later", delay_ms=50)
        await chat.add("first", priority=1)
        await sight.until_count("completed", 3, 30)
        await sight.until_count("failed", 1, 30)
    sight.assert_all_over()


async def test_jobs_run_pages_show_them_and_the_mirror_keeps_step(enter, admin, sight):
    await everything(sight)
    async with mirror_running():
        await in_step(timeout_s=30)
        said = await opened(admin, *PAGES)
    assert "as it should" in said["queue/chat?status=failed"]


async def test_each_documented_user_does_what_it_is_for_and_is_told_what_it_may_not(enter, admin, sight):
    enter("work", *rules("look", "steer", "work"))
    await everything(sight)
    await close_wires()
    (failed,) = sight.ids("failed")
    retried = f"/admin/queues/api/queues/chat/{failed}/retry"
    enter("look", *rules("look"))
    await opened(admin, *PAGES)
    answer = await admin.put(retried)
    assert "no permission to call EVAL" in answer.content.decode()
    assert sight.ids("failed") == [failed]
    await close_wires()
    enter("steer", *rules("look", "steer"))
    assert (await admin.put(retried)).status_code < 300
    await queue("chat").pause()
    assert await queue("chat").is_paused()
    await close_wires()


def test_the_users_in_the_docs_are_those_that_ran():
    said = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    for last, names in enumerate(list(RULES), 1):
        allowed = " ".join(rules(*list(RULES)[:last]))
        assert f"ACL SETUSER toril-{names:<5} on >secret resetkeys ~bull:* {allowed}\n" in said
