"""A body that never ends is cut off by the real server, and costs it neither memory nor its other visitors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import httpx
import pytest

from tests.procfs import resident
from tests.stand import Stand

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CHUNK = b"a" * 100_000


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    stand = Stand(tmp_path_factory.mktemp("web"), "redis://127.0.0.1:1", "none")
    stand.web()
    yield stand
    stand.close()


def memory_mb(stand: Stand) -> float:
    return resident(stand.processes["web"].pid) / 2**20


@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "in chunks"])
def test_a_body_without_end_is_cut_off(web: Stand, declared: bool) -> None:
    assert httpx.get(web.address + "/sign-in").status_code == 200
    before = memory_mb(web)
    host, port = web.address.removeprefix("http://").split(":")
    length = b"Content-Length: 100000000" if declared else b"Transfer-Encoding: chunked"
    piece = CHUNK if declared else b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK)
    sent = 0
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\n" + length + b"\r\n\r\n")
        # Where the server closes while the client is still sending, the client may not come to read the answer.
        with suppress(ConnectionError):
            while sent < 100_000_000:
                client.sendall(piece)
                sent += len(CHUNK)
    assert sent < 50_000_000
    assert memory_mb(web) - before < 30
    assert httpx.get(web.address + "/livez").status_code == 200


def test_a_form_that_is_only_too_large_gets_a_page_that_says_so(web: Stand) -> None:
    with httpx.Client(base_url=web.address) as client:
        client.get("/sign-in")
        answer = client.post("/sign-in", content=b"username=" + b"a" * 1_500_000, headers=FORM)
    assert answer.status_code == 400
    assert "<html" in answer.text


def test_an_ordinary_form_arrives_whole(web: Stand) -> None:
    with closing(web.signed_in("ana")) as client:
        assert client.get("/sign-in").status_code == 302
