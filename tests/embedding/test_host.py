"""Toril as a guest: a host's project with its own admin, an app labelled `queues`, its own users, templates and policy
for sign-in takes it in by three settings and one include, and a job is retried there under WSGI and under ASGI.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.sync.client import connect

from tests.conftest import RedisServer
from tests.embedding.hosts import PASSWORD, Host, build_wheel
from tests.eventually import eventually_sync

QUEUE = "/admin/queues/queue/receipts"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Host:
    folder = tmp_path_factory.mktemp("host")
    made = Host(folder, build_wheel(folder / "dist"), redis_server.url, f"t{uuid.uuid4().hex[:12]}")
    made.run("furnish.py")
    return made


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def site(request: pytest.FixtureRequest, host: Host) -> Iterator[tuple[str, httpx.Client]]:
    with host.served(request.param) as address, signed_in(address) as client:
        yield request.param, client


@contextmanager
def signed_in(address: str) -> Iterator[httpx.Client]:
    """As the host signs people in: at its own admin, to which our pages send."""
    with httpx.Client(base_url=address, timeout=120, headers={"Referer": f"{address}/"}) as client:
        sent = client.get(QUEUE)
        assert sent.headers["Location"] == "/admin/login/?next=%2Fadmin%2Fqueues%2Fqueue%2Freceipts"
        form = {"username": "ana", "password": PASSWORD, "csrfmiddlewaretoken": token(client.get("/admin/login/").text)}
        answer = client.post(sent.headers["Location"], data=form)
        assert (answer.status_code, answer.headers["Location"]) == (302, QUEUE), answer.text
        yield client


def token(html: str) -> str:
    return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)[1]


def test_pages_are_ours_and_everything_else_stays_the_hosts(site) -> None:
    _, client = site
    page = client.get("/admin/queues/")
    assert page.status_code == 200
    assert "receipts" in page.text
    assert "base of the host" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    # Its own front, its own metrics, its own admin with the app that is labelled like us; ours among its records.
    assert "base of the host" in client.get("/").text
    assert client.get("/metrics").text == "the host's own"
    assert "Select till to change" in client.get("/admin/queues/till/").text
    assert "Django administration" in client.get("/admin/").text
    assert client.get("/admin/toril/auditentry/").status_code == 200
    assert client.get("/admin/toril_dashboard/queuegrant/add/").status_code == 200
    assert client.get("/livez").status_code == 404


def test_its_files_are_among_the_hosts_static_ones(host: Host, site) -> None:
    _, client = site
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/admin/queues/").text)
    assert len(addresses) > 5
    missing = [name for name in addresses if not (host.folder / "collected" / name.removeprefix("/static/")).is_file()]
    assert missing == []
    assert all(name.startswith("/static/toril/") for name in addresses)


def test_what_is_refused_is_refused_in_our_words(site) -> None:
    _, client = site
    unsafe = client.post(f"{QUEUE}?action=pause", headers={"Referer": "https://elsewhere.example/"})
    assert (unsafe.status_code, "too old to act from" in unsafe.text) == (403, True)
    assert "There is no queue named" in client.get("/admin/queues/queue/none").text
    with httpx.Client(base_url=client.base_url) as stranger:
        assert stranger.get("/api/v1/queues").status_code == 401
        assert stranger.get("/api/v1/queues", headers={"X-API-Key": "toril_none"}).status_code == 401


def test_a_failed_job_is_retried_and_the_page_hears_of_it(host: Host, site) -> None:
    way, client = site
    page = client.get(f"{QUEUE}/{way}")
    assert "out of paper" in page.text
    form = {"csrfmiddlewaretoken": token(page.text)}
    with listening(client, way) as heard:
        done = client.post(f"{QUEUE}/{way}?action=retry", data=form)
        assert done.status_code in (200, 303), done.text
        eventually_sync(heard, 120, "the page hears that a job waits")
    host.run("manage.py", "runworkers", "--burst")
    assert '"state":"completed"' in client.get(f"/api/v1/queues/receipts/jobs/{way}").text.replace(" ", "")
    kept = client.get("/admin/toril/auditentry/?action=job.retry").text
    assert f"{way}" in kept


@contextmanager
def listening(client: httpx.Client, way: str):
    """Whether the queue's page was told that a job waits: by its socket, or as it asks every few seconds."""
    page = client.get(QUEUE).text
    is_told = re.compile(r'id="count__receipts__waiting"[^>]*data-value="1"')
    if way == "wsgi":
        assert "asks every 5 s" in page
        address = re.search(r'id="socket" hx-get="([^"]+)" hx-trigger="every 5s"', page)[1].replace("&amp;", "&")
        yield lambda: is_told.search(client.get(address).text)
        return
    assert "asks every" not in page
    address = re.search(r'hx-ws:connect="([^"]+)"', page)[1].replace("&amp;", "&")
    base = str(client.base_url).rstrip("/")
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    url = f"{base.replace('http', 'ws', 1)}{address}"
    with connect(url, origin=base, additional_headers={"Cookie": cookies}) as socket:
        yield lambda: is_told.search(socket.recv(timeout=300))
