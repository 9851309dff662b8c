"""Two web processes behind nginx, under a sub-path, replaced one by one while people and programs are there."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest
import redis
from playwright.sync_api import BrowserContext, expect
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from queues.protocol.keys import Keys
from tests.browser.conftest import (  # noqa: F401
    _no_wires_left,
    browser,
    browser_context_args,
    browser_type,
    browser_type_launch_args,
    launch_browser,
    module_prefix,
    playwright,
)
from tests.deploy.proxied import Nginx
from tests.eventually import eventually_sync
from tests.stand import PASSWORD, Stand

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]
JOBS_BETWEEN = 10
BETWEEN_S = 0.1


class Site:
    """nginx, two webs and workers."""

    def __init__(self, stand: Stand, nginx: Nginx) -> None:
        self.stand, self.nginx = stand, nginx
        self.root = f"{nginx.address}/toril"

    def start_web(self, number: int) -> None:
        port = self.nginx.behind[number]
        options = ["-v", "0", "-b", "127.0.0.1", "-p", str(port), "--ping-interval", "5", "--ping-timeout", "10"]
        self.stand.start(f"web{number}", sys.executable, "-m", "daphne", *options, "dashboard.asgi:application")
        eventually_sync(lambda: is_up(port), 60, f"web {number} answers")

    def replace_web(self, number: int) -> None:
        self.stand.stop(f"web{number}")
        self.start_web(number)

    def signed_in(self) -> httpx.Client:
        client = httpx.Client(verify=self.nginx.trust, timeout=60)
        page = client.get(f"{self.root}/sign-in")
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        answer = client.post(
            f"{self.root}/sign-in",
            data={"username": "ana", "password": PASSWORD, "csrfmiddlewaretoken": token},
            headers={"Referer": f"{self.root}/sign-in"},
        )
        assert answer.status_code in (302, 303), answer.text[:500]
        return client


def is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def site(tmp_path_factory, redis_server, module_prefix) -> Iterator[Site]:  # noqa: F811
    nginx = Nginx(tmp_path_factory.mktemp("nginx"))
    settings = {"HTTPS": "true", "ROOT_PATH": "/toril", "ALLOWED_HOSTS": "localhost"}
    stand = Stand(tmp_path_factory.mktemp("stand"), redis_server.url, module_prefix, **settings)
    with closing(stand), nginx.running():
        made = Site(stand, nginx)
        for number in (0, 1):
            made.start_web(number)
        stand.workers()
        yield made


class Caller:
    """A program that adds jobs all the while, and takes no error for an answer."""

    def __init__(self, site: Site, key: str) -> None:
        self.ids: list[str] = []
        self.refused: list[str] = []
        self._site, self._over = site, threading.Event()
        self._headers = {"Authorization": f"Bearer {key}"}
        self._thread = threading.Thread(target=self._call, daemon=True)
        self._thread.start()

    def _call(self) -> None:
        with httpx.Client(verify=self._site.nginx.trust, headers=self._headers, timeout=60) as client:
            while not self._over.is_set():
                answer = client.post(f"{self._site.root}/api/v1/queues/chat/jobs", json={"name": "n", "data": {}})
                if answer.status_code == 201:
                    self.ids.append(answer.json()["id"])
                else:
                    self.refused.append(f"{answer.status_code} {answer.text[:200]}")
                # As fast as it can it would only take the cores from what is tested.
                self._over.wait(BETWEEN_S)

    def goes_on(self) -> None:
        count = len(self.ids) + JOBS_BETWEEN
        eventually_sync(lambda: self.refused or len(self.ids) >= count, 60, "jobs are added")

    def stop(self) -> None:
        self._over.set()
        self._thread.join(90)


class Ear:
    """A program at the socket, which comes back where it was cut off and goes on from the last id it saw."""

    def __init__(self, site: Site, key: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self.sessions = 0
        self._site, self._headers, self._over = site, {"Authorization": f"Bearer {key}"}, threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in list(self.heard) if one["type"] == kind]

    def _listen(self) -> None:
        address = self._site.root.replace("https://", "wss://") + "/api/ws"
        while not self._over.is_set():
            with (
                suppress(WebSocketException, OSError, TimeoutError),
                connect(address, ssl=self._site.nginx.trust, additional_headers=self._headers) as socket,
            ):
                since = next(({"since": one["id"]} for one in reversed(self.heard) if "id" in one), {})
                socket.send(json.dumps({"action": "subscribe", "queue": "chat", **since}))
                self.sessions += 1
                self._take(lambda: socket.recv(timeout=0.5))
            self._over.wait(0.1)

    def _take(self, read: Callable[[], Any]) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                self.heard.append(json.loads(read()))

    def stop(self) -> None:
        self._over.set()
        self._thread.join(90)


@pytest.fixture
def context(browser, site) -> Iterator[BrowserContext]:  # noqa: F811
    opened = browser.new_context(ignore_https_errors=True)
    opened.set_default_timeout(60_000)
    yield opened
    opened.close()


def test_the_two_are_replaced_and_nothing_is_refused_lost_or_told_wrong(site, context, redis_server, module_prefix):  # noqa: F811
    key = site.stand.manage("queues", "keys", "add", "roller", "--may", "view,view_payload,add").strip()
    program = Caller(site, key)
    ear = Ear(site, key)
    eventually_sync(lambda: ear.of("subscribed"), 60, "the program is heard")
    program.goes_on()
    with closing(site.signed_in()) as person:
        pages = {person.get(f"{site.root}/admin/queues/").status_code for _ in range(6)}
        assert pages == {200}, "a session holds in both"
        context.add_cookies([{"name": n, "value": v, "url": site.nginx.address} for n, v in person.cookies.items()])
    page = context.new_page()
    page.goto(f"{site.root}/admin/queues/")
    completed = page.locator("#queues tr[data-name=chat] [data-n=completed]")
    expect(completed).to_be_visible()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    for number in (0, 1):
        site.replace_web(number)
        program.goes_on()
    program.stop()
    assert program.refused == []
    keys = Keys(module_prefix, "chat")
    with redis.Redis(port=redis_server.port) as client:
        eventually_sync(lambda: client.zcard(keys("completed")) == len(program.ids), 90, "each job is run")
    eventually_sync(lambda: set(program.ids) <= {one["jobId"] for one in ear.of("job:completed")}, 90, "each is told")
    ear.stop()
    assert ear.of("gap") == []
    assert ear.sessions >= 2
    expect(completed).to_have_attribute("data-value", str(len(program.ids)), timeout=60_000)
    expect(page.locator("#live-status")).to_have_text("live")
    assert {url.partition("?")[0] for url in sockets} == {site.root.replace("https", "wss") + "/admin/queues/live"}


def test_both_answer_whoever_asks_and_no_log_has_a_token(site):
    with httpx.Client(verify=site.nginx.trust, timeout=60) as client:
        for _ in range(4):
            assert client.get(f"{site.root}/api/events", params={"token": "s3cret"}).status_code == 401
        plain = client.get(f"http://127.0.0.1:{site.nginx.plain_port}/toril/", follow_redirects=False)
        assert (plain.status_code, plain.headers["Location"]) == (301, "https://127.0.0.1/toril/")
        assert client.get(f"{site.nginx.address}/admin/queues/").status_code == 404
        page = client.get(f"{site.root}/sign-in", headers={"X-Forwarded-Proto": "http", "Forwarded": "for=1.2.3.4"})
        assert "Secure" in page.headers["Set-Cookie"]
    eventually_sync(lambda: site.nginx.log().count("/toril/api/events") >= 4, 30)
    logs = [site.nginx.log(), site.nginx.log("toril.error.log"), site.stand.log("web0"), site.stand.log("web1")]
    assert "s3cret" not in "".join(logs)
    assert all(f"127.0.0.1:{port}" in site.nginx.log() for port in site.nginx.behind)
