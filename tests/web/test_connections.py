"""Two connections side by side, one over TCP and one over a Unix socket, with queues and jobs of the same names."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import closing
from html import unescape

import httpx
import pytest
import redis

from tests.conftest import RedisServer
from tests.eventually import eventually, eventually_sync
from tests.stand import Stand
from tests.tabs import tab
from tests.web.planted import text_of

#: Of each connection a word that no page of the other may show.
WORDS = {"default": "krill", "billing": "plover"}
PAGES = [
    "", "queue/chat", "queue/chat/1", "search?q=name:{word}", "failures", "job-schedulers", "flows", "workers", "redis",
    "metrics-history", "operations", "alerts", "webhooks", "audit", "keys", "settings", "sessions", "check",
    "jump?q=chat",
]  # fmt: skip
PROGRAMS = [
    "/api/v1/queues", "/api/v1/queues/chat/jobs/1", "/api/v1/workers",
    "/admin/queues/api/queues?activeQueue=chat&status=completed", "/admin/queues/api/queues/chat/1",
]  # fmt: skip
HREF = re.compile(r'(?:href|hx-get|hx-ws:connect)="(/admin/queues[^"#]*)')


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("two")
    for name in WORDS:
        (folder / name).mkdir()
    one, other = RedisServer(folder / "default"), RedisServer(folder / "billing")
    there = {"billing": {"URL": f"unix://{other.socket_path}", "PREFIX": "there"}}
    opened = Stand(
        folder / "var", one.url, "here", REDIS_CONNECTIONS=json.dumps(there), SECRET_KEY=secrets.token_urlsafe(48)
    )
    opened.web()
    opened.mirror()
    try:
        with redis.Redis(port=one.port) as here, redis.Redis(unix_socket_path=str(other.socket_path)) as far:
            for (name, word), client, prefix in zip(WORDS.items(), (here, far), ("here", "there"), strict=True):
                opened.start(f"workers-{name}", sys.executable, "manage.py", "runworkers", "--connection", name)
                opened.manage("queues", "add", "chat", word, json.dumps({"said": word}), "--connection", name)
                done = f"{prefix}:chat:completed"
                eventually_sync(lambda c=client, k=done: c.zcard(k) == 1, 60, f"a worker of {name} runs its job")
        yield opened
    finally:
        opened.close()
        one.stop()
        other.stop()


@pytest.fixture(scope="module")
def ana(stand: Stand) -> Iterator[httpx.Client]:
    with closing(stand.signed_in("ana")) as client:
        yield client


def path_of(path: str, connection: str) -> str:
    """`default` is not said, as pages do not say it."""
    path = path.format(word=WORDS[connection])
    return path if connection == "default" else f"{path}{'&' if '?' in path else '?'}connection={connection}"


def others(connection: str) -> str:
    return next(word for name, word in WORDS.items() if name != connection)


@pytest.mark.parametrize("connection", WORDS)
def test_every_page_tells_its_connection_stays_on_it_and_leads_to_the_other(stand, ana, connection):
    for page in PAGES:
        answer = ana.get(f"/admin/queues/{path_of(page, connection)}")
        html, path = answer.text, page.partition("?")[0]
        assert answer.status_code == 200, (page, html[:500])
        assert others(connection) not in html, page
        assert f'<span class="tag at" title="{connection}">' in html, page
        assert f" · {connection} · " in html.partition("</title>")[0], page
        led = [unescape(href) for href in HREF.findall(html)]
        # One link of each page leaves it: that of the other connection.
        leaving = {href for href in led if ("connection=billing" in href) != (connection == "billing")}
        kept = "" if path.startswith(("queue", "jump")) else path
        expected = f"/admin/queues/{kept}" + ("?connection=billing" if connection == "default" else "")
        assert leaving == {expected}, page


@pytest.mark.parametrize("connection", WORDS)
def test_programs_are_told_of_the_connection_that_they_name(ana, connection):
    for path in PROGRAMS:
        answer = ana.get(path_of(path, connection))
        assert answer.status_code == 200, (path, answer.text)
        assert others(connection) not in answer.text, path
        assert WORDS[connection] in answer.text or "jobs/" not in path, path
    told = ana.get(path_of("/metrics", connection)).text
    assert re.search(r'bullmq_job_count\{[^}]*queue="chat"[^}]*state="completed"[^}]*\} 1\.0', told), told[:3000]


def test_commands_look_at_the_connection_that_they_name(stand):
    for verb in (["job", "chat", "1"], ["workers"], ["verify"], ["doctor"]):
        said = stand.manage("queues", *verb, "--connection", "billing", "--json")
        assert WORDS["default"] not in said, verb
        assert WORDS["billing"] in said or "billing" in said or verb == ["workers"], said


def test_the_mirror_keeps_both_and_a_search_tells_whose_a_job_is(stand, ana):
    for connection, word in WORDS.items():
        path = path_of("/admin/queues/search?q=name:{word}", connection)
        eventually_sync(lambda p=path, w=word: text_of(ana.get(p).text).count(w) > 1, 60, f"{word} is found")


async def test_what_is_pushed_is_of_the_connection_that_the_page_shows(stand, ana):
    async with tab(stand, ana, queue="chat", connection="billing") as there, tab(stand, ana, queue="chat") as here:
        await eventually(lambda: here.count("chat", "completed") == 1, 30)
        await eventually(lambda: there.count("chat", "completed") == 1, 30)
        stand.manage("queues", "add", "chat", WORDS["billing"], "{}", "--connection", "billing")
        await eventually(lambda: there.count("chat", "completed") == 2, 30)
        assert here.count("chat", "completed") == 1


def test_a_click_acts_on_the_connection_of_its_page(stand, ana):
    assert ana.put("/admin/queues/api/queues/chat/pause?connection=billing").status_code == 200
    paused = {name: ana.get(path_of("/api/v1/queues/chat", name)).json()["is_paused"] for name in WORDS}
    assert paused == {"default": False, "billing": True}
    ana.put("/admin/queues/api/queues/chat/resume?connection=billing")


def test_a_connection_that_is_not_configured_is_named_with_those_that_are(ana):
    for path in ("/admin/queues/", "/api/v1/queues", "/admin/queues/api/queues", "/metrics"):
        answer = ana.get(f"{path}?connection=nope")
        assert answer.status_code == 404, path
