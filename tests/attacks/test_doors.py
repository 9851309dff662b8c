"""What no browser sends, to a real server: half requests, two in one, more connections than it has files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import httpx
import pytest

from tests.attacks.raw import Raw
from tests.eventually import eventually_sync
from tests.stand import Stand

SECOND = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HOST = b"Host: localhost\r\n"
BODY = b"0\r\n\r\n"
#: Each is two things to two servers, or is no request at all.
BROKEN = {
    "a length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    "chunks and a length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + BODY,
    "one length twice": b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "a length of two": b"Content-Length: 0, 5\r\n\r\n",
    "a length with a sign": b"Content-Length: +0\r\n\r\n",
    "a length below nothing": b"Content-Length: -1\r\n\r\n",
    "a length in hex": b"Content-Length: 0x0\r\n\r\n",
    "a space before the colon": b"Content-Length : 0\r\n\r\n",
    "chunked in two ways": b"Transfer-Encoding: chunked, identity\r\n\r\n" + BODY,
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    "nearly chunked": b"Transfer-Encoding: xchunked\r\n\r\n" + BODY,
    "chunked behind a control": b"Transfer-Encoding: \x0bchunked\r\n\r\n" + BODY,
    "a chunk below nothing": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a chunk in another hex": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "a chunk of spaces": b"Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n",
    "a chunk whose extension is a line": b"Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n",
    "a NUL in a value": b"X-A: a\0b\r\n\r\n",
    "a line break in a value": b"X-A: a\nOrigin: http://localhost\r\n\r\n",
    "a return in a value": b"X-A: a\rOrigin: http://localhost\r\n\r\n",
    "a space in a name": b"X A: b\r\n\r\n",
    "a bracket in a name": b"X(A: b\r\n\r\n",
    "no colon": b"X-A\r\n\r\n",
    "no name": b": x\r\n\r\n",
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    told = {"DJANGO_SETTINGS_MODULE": "tests.scarce_settings"}
    stand = Stand(tmp_path_factory.mktemp("web"), "redis://127.0.0.1:1", "none", **told)
    stand.web()
    yield stand
    stand.close()


@pytest.fixture
def raw(web: Stand) -> Iterator[Callable[[], Raw]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Raw(web.address)))


@pytest.mark.parametrize("name", BROKEN)
def test_what_two_servers_could_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(raw, name) -> None:
    client = raw()
    client.say(b"POST /livez HTTP/1.1\r\n" + HOST + BROKEN[name] + SECOND)
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", client.to_the_end())
    assert statuses == [b"400"]


@pytest.mark.parametrize(
    "line",
    [
        b"GET  /livez HTTP/1.1",
        b"GET /livez",
        b"GET /livez HTTP/1.1 x",
        b"\x16\x03\x01\x02\x00",
        b"GET /l\xffivez HTTP/1.1",
        b"GET " + b"/a" * 9_000 + b" HTTP/1.1",
    ],
)
def test_a_line_that_begins_no_request_is_refused(raw, line) -> None:
    client = raw()
    client.say(line + b"\r\n" + HOST + b"Connection: close\r\n\r\n" + SECOND)
    heard = client.to_the_end()
    assert re.findall(rb"HTTP/1\.1 (\d+)", heard) in ([b"400"], [b"404"], [])


def test_a_socket_whose_origin_holds_a_control_is_refused(raw) -> None:
    client = raw()
    client.say(
        b"GET /api/ws HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nOrigin: a\x0bb\r\nConnection: close\r\n\r\n"
    )
    assert client.to_the_end().startswith(b"HTTP/1.1 400 ")


def test_requests_that_trickle_are_cut_and_others_are_answered(web: Stand, raw) -> None:
    begun = [b"", b"GET /livez HTTP/1.1\r\n" + HOST + b"X-A: ", SECOND[:9]]
    begun += [
        b"POST /sign-in HTTP/1.1\r\n" + HOST + more
        for more in (b"Content-Length: 9999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\na")
    ]
    clients = [raw() for _ in range(10) for _ in begun]
    for number, client in enumerate(clients):
        client.say(begun[number % len(begun)])

    def are_cut() -> bool:
        left = [client for client in clients if not client.is_cut()]
        for client in left:
            client.say(b"a")
        assert httpx.get(f"{web.address}/livez", timeout=60).status_code == 200
        return not left

    eventually_sync(are_cut, 60, "every one of them is cut")
    assert all(not client.heard or client.heard.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400")) for client in clients)
    assert sum(client.heard.startswith(b"HTTP/1.1 408") for client in clients) >= len(clients) // 2


def test_with_more_connections_than_files_whoever_is_in_is_served_and_the_others_are_told_to_wait(
    web: Stand, raw
) -> None:
    with closing(web.signed_in("ana")) as ana:
        clients = []
        for _ in range(300):
            clients.append(raw())
            clients[-1].say(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
        eventually_sync(lambda: all(client.is_cut() or client.heard for client in clients), 60, "each has its answer")
        served = [client for client in clients if client.heard.startswith(b"HTTP/1.1 200")]
        assert 100 < len(served) < 200
        # Whoever says something while it is refused may lose the answer on the way.
        told = {client.heard[:12] for client in clients}
        assert {b"HTTP/1.1 503"} < told <= {b"HTTP/1.1 200", b"HTTP/1.1 503", b""}
        # A page opens the database's files and Redis' connection.
        assert ana.get("/admin/queues").status_code in (200, 503)
        assert "Too many open files" not in web.log("web")
        for client in clients:
            client.close()
    eventually_sync(lambda: httpx.get(f"{web.address}/livez").status_code == 200, 60, "there is room again")
    assert "Traceback" not in web.log("web")
