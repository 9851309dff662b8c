"""A webhook reaches no address inside, however its URL is written and wherever its host leads: a canary listens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from queues.delivery import addresses
from queues.delivery.addresses import Place, is_open, read
from queues.delivery.sending import post
from queues.options import load
from tests.receiving import answer, receiver

#: `{p}` is the canary's port; it listens on every local address.
URLS = """
https://127.0.0.1:{p}/ https://localhost:{p}/ https://LOCALHOST:{p}/ https://localhost.:{p}/ https://127.1:{p}/
https://127.0.1:{p}/ https://2130706433:{p}/ https://017700000001:{p}/ https://0x7f000001:{p}/ https://0x7f.0.0.1:{p}/
https://0177.0.0.1:{p}/ https://127.000.000.001:{p}/ https://127.8.9.10:{p}/ https://0:{p}/ https://0.0.0.0:{p}/
https://[::1]:{p}/ https://[::]:{p}/ https://[::ffff:127.0.0.1]:{p}/ https://[::ffff:7f00:1]:{p}/
https://[::127.0.0.1]:{p}/ https://[0:0:0:0:0:ffff:127.0.0.1]:{p}/ https://[64:ff9b::127.0.0.1]:{p}/
https://[64:ff9b:1::7f00:1]:{p}/ https://[2002:7f00:1::]:{p}/ https://[2001:0:7f00:1::1]:{p}/ https://[fe80::1]:{p}/
https://[fe80::1%25lo]:{p}/ https://[fec0::1]:{p}/ https://[fc00::1]:{p}/ https://[fd00:ec2::254]:{p}/
https://[ff02::1]:{p}/ https://10.0.0.1/ https://172.16.0.1/ https://192.168.0.1/ https://100.64.0.1/
https://169.254.169.254/latest/meta-data/ https://168.63.129.16/ https://192.0.0.1/ https://192.0.2.1/
https://198.18.0.1/ https://203.0.113.1/ https://224.0.0.1/ https://240.0.0.1/ https://255.255.255.255/
https://①②⑦.0.0.1:{p}/ https://127。0。0。1:{p}/ https://ⓛocalhost:{p}/ https://ana@127.0.0.1:{p}/
https://ana:pw@127.0.0.1:{p}/ https://1.1.1.1@127.0.0.1:{p}/ https://127.0.0.1:{p}#@1.1.1.1
https://1.1.1.1\\@127.0.0.1:{p}/ https://127.0.0.1%00.example.com:{p}/ https://%6c%6f%63%61%6c%68%6f%73%74:{p}/
http://127.0.0.1:{p}/ http://localhost:{p}/ //127.0.0.1:{p}/ 127.0.0.1:{p} file:///etc/passwd gopher://127.0.0.1:{p}/_x
ftp://127.0.0.1:{p}/ unix:///tmp/x https:///127.0.0.1:{p}/ https://127.0.0.1:99999/ https://:{p}/ javascript:alert(1)
""".split()


@pytest.fixture
async def canary() -> AsyncIterator[tuple[int, list[Any]]]:
    """Its port, and who has come."""
    visits: list[Any] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(writer.get_extra_info("peername"))
        writer.close()

    there = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    there.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    there.bind(("::", 0))
    async with await asyncio.start_server(note, sock=there) as server:
        yield server.sockets[0].getsockname()[1], visits


@pytest.fixture
def told(settings: Any) -> Iterator[None]:
    """Any port may be asked for: the address alone is to refuse it."""

    def say(**options: Any) -> None:
        settings.TORIL = {**settings.TORIL, "WEBHOOKS": options}

    return say


async def test_no_way_of_writing_an_address_leads_inside(canary, told):
    port, visits = canary
    told(PORTS=[443, port])
    found = {url: await post(url.format(p=port), b"{}", {}) for url in URLS}
    assert {url: one.error for url, one in found.items() if one.error == "" or one.address} == {}
    assert visits == []
    assert len(URLS) >= 60
    # Of the others the name is not known, on this machine.
    assert sum(one.is_refused for one in found.values()) >= 60


async def test_the_checked_address_is_the_one_that_is_connected_to(canary, told, monkeypatch):
    """A name server that answers something else each time, as for DNS rebinding."""
    port, visits = canary
    told(PORTS=[port])
    asked: list[str] = []
    answers = [["1.1.1.1"], ["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["2606:4700::1", "::1"]]

    def look_up(host: str, _port: int) -> list[Any]:
        asked.append(host)
        return [ip_address(one) for one in answers[len(asked) - 1]]

    monkeypatch.setattr(addresses, "_look_up", look_up)
    connected: list[str] = []

    async def connect(_self: Any, host: str, *_args: Any, **_more: Any) -> Any:
        connected.append(host)
        raise OSError("nothing leaves this test")

    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connect)
    results = [await post(f"https://rebinding.example:{port}/", b"{}", {}) for _ in answers]
    assert connected == ["1.1.1.1"]
    assert asked == ["rebinding.example"] * 4, "each once: nobody asks again between the check and the connection"
    assert [one.is_refused for one in results] == [False, True, True, True]
    assert visits == []


async def test_a_redirect_is_followed_nowhere(canary, told):
    port, visits = canary
    for status in (301, 302, 303, 307, 308):
        async with receiver(lambda _, s=status: answer(s, Location=f"http://127.0.0.1:{port}/")) as there:
            told(ALLOW=[f"127.0.0.1:{there.port}"])
            found = await post(there.url, b"{}", {})
        assert (found.status, found.is_ok, len(there.received)) == (status, False, 1)
        assert "follows no redirect" in found.error
    assert visits == []


async def test_no_proxy_of_the_environment_is_asked(canary, told, monkeypatch):
    port, visits = canary
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    async with receiver() as there:
        told(ALLOW=[f"127.0.0.1:{there.port}"])
        assert (await post(there.url, b"{}", {})).status == 204
    assert visits == []


async def test_a_slow_endless_or_broken_answer_is_cut(told):
    bodies = {
        "endless": "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + "x" * 200_000,
        "nothing": None,
        "garbage": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "cut": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "bomb": answer(200, "\x1f\x8b" * 10, Content_Encoding="gzip"),
        "many": "HTTP/1.1 200 OK\r\n" + "X: y\r\n" * 50_000 + "\r\n",
    }
    found = {}
    for name, body in bodies.items():
        async with receiver(lambda _, b=body: b) as there:
            told(ALLOW=["127.0.0.1"], TIMEOUT_S=1)
            found[name] = await post(there.url, b"{}", {"webhook-id": "msg_1"})
            assert there.received[0].headers["host"] == f"127.0.0.1:{there.port}"
            assert there.received[0].headers["accept-encoding"] == "identity"
    assert found["endless"].is_ok
    assert len(found["endless"].body) == 2_000
    assert found["nothing"].error == "No answer within 1 s."
    assert found["bomb"].is_ok
    assert [name for name, one in found.items() if one.status is None] == ["nothing", "garbage", "cut", "many"]


@pytest.mark.parametrize(
    ("allow", "url", "address", "is_allowed"),
    [
        ((), "https://a.example/", "93.184.215.14", True),
        ((), "http://a.example/", "93.184.215.14", False),
        ((), "https://a.example:22/", "93.184.215.14", False),
        ((), "https://a.example:8443/", "2606:4700::1111", True),
        ((), "https://a.example/", "64:ff9b::5db8:d70e", False),
        (("10.0.0.0/8",), "http://a.example:9000/", "10.1.2.3", True),
        (("10.0.0.0/8",), "http://a.example:9000/", "11.1.2.3", False),
        (("10.0.0.0/8",), "https://a.example/", "::ffff:10.1.2.3", True),
        (("hooks.internal",), "http://hooks.internal:9000/", "10.1.2.3", True),
        (("hooks.internal",), "http://HOOKS.internal/", "127.0.0.1", True),
        (("hooks.internal:9000",), "http://hooks.internal:9000/", "10.1.2.3", True),
        (("hooks.internal:9000",), "http://hooks.internal:22/", "10.1.2.3", False),
        (("hooks.internal",), "http://x.hooks.internal/", "10.1.2.3", False),
        (("hooks.internal",), "http://hooks.internal/", "169.254.169.254", False),
        (("hooks.internal",), "http://hooks.internal/", "fd00:ec2::254", False),
        (("hooks.internal", "169.254.0.0/16"), "http://hooks.internal/", "169.254.169.254", True),
        (("::1/128",), "http://[::1]:9/", "::1", True),
    ],
)
def test_what_the_settings_allow(allow, url, address, is_allowed, told):
    told(ALLOW=list(allow))
    assert is_open(read(url), ip_address(address)) is is_allowed


def test_a_host_is_read_as_it_is_resolved():
    assert read("https://Bücher.example/a?b=c#d") == Place("https", "xn--bcher-kva.example", 443, "/a?b=c")
    assert read("https://[::1]:8443").authority == "[::1]:8443"
    assert read("http://a.example:80/").authority == "a.example"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ALLOW", ["a b"]), ("ALLOW", "10.0.0.0/8"), ("ALLOW", ["https://a.example"]), ("PORTS", []), ("PORTS", [0]),
        ("RETRIES_S", [-1]), ("RETRIES_S", 5), ("TIMEOUT_S", 0), ("KEEP_DAYS", 0), ("HTTPS_ONLY", "perhaps"),
        ("MOST_WAITING", 1), ("DISABLE_AFTER_H", 0), ("UNKNOWN", 1),
    ],
)  # fmt: skip
def test_a_mistake_in_the_settings_is_named(key, value):
    from queues.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match=rf"TORIL\['WEBHOOKS'\].*{key}|{key}"):
        load({"WEBHOOKS": {key: value}})
