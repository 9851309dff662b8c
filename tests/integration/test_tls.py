"""Redis over TLS: whom we trust, how we prove ourselves, and a sentence for each certificate that is wrong."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from queues import queue
from queues.errors import ConfigurationError, RedisUnavailable
from queues.options import reset_options
from queues.protocol.blocking import close_blocking
from queues.protocol.connections import close_wires, wire
from tests.eventually import eventually
from tests.redises import Authority, TlsServer
from tests.working import working


@dataclass
class House:
    authority: Authority
    server: TlsServer
    pair: tuple[Path, Path]
    #: Of an authority that nobody here trusts.
    strangers: tuple[Path, Path]

    def said(self, **told: Any) -> dict[str, Any]:
        own = {"TLS_CA": str(self.authority.ca), "TLS_CERT": str(self.pair[0]), "TLS_KEY": str(self.pair[1])}
        return {key: given for key, given in ({"URL": self.server.tls_url} | own | told).items() if given != ""}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder / "ours")
    server = TlsServer(folder / "server", authority, authority.sign("server", "127.0.0.1"))
    yield House(authority, server, authority.sign("toril"), Authority(folder / "theirs").sign("stranger"))
    server.stop()


@pytest.fixture
def connect(house: House, settings: Any, prefix: str) -> Iterator[Any]:
    def through(**told: Any) -> None:
        settings.TORIL = {"CONNECTIONS": {"default": house.said(**told) | {"PREFIX": prefix}}}
        reset_options()

    yield through
    close_blocking()
    reset_options()


async def refused(said: str) -> None:
    """Both ways in, the loop's and the blocking one, come to say so; not each time, as the server that does not take
    our certificate may have closed before its reason is read.
    """
    for way in (wire().connect, lambda: asyncio.to_thread(queue("chat").sync.add, "x")):

        async def is_said(way: Any = way) -> bool:
            with pytest.raises(RedisUnavailable) as error:
                await way()
            return bool(re.search(said, str(error.value)))

        await eventually(is_said, what=said)


async def test_jobs_are_added_and_run_over_tls(connect):
    connect()
    done: list[str] = []
    async with working(lambda job: done.append(job.id)):
        await queue("chat").add("x")
        await asyncio.to_thread(queue("chat").sync.add, "x")
        await eventually(lambda: len(done) == 2)


async def test_a_parameter_of_the_url_does_as_well(connect, house: House):
    parameters = f"?ssl_ca_certs={house.authority.ca}&ssl_certfile={house.pair[0]}&ssl_keyfile={house.pair[1]}"
    connect(URL=house.server.tls_url + parameters, TLS_CA="", TLS_CERT="", TLS_KEY="")
    await wire().connect()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"TLS_CA": ""}, "its TLS certificate is not accepted: .*(issuer|self.signed)"),
        ({"TLS_CERT": "", "TLS_KEY": ""}, "it wants a certificate from us: name one in TLS_CERT and TLS_KEY"),
        ({"URL": "rediss://localhost:{port}"}, "certificate is not accepted: Hostname mismatch.*localhost"),
    ],
)
async def test_what_is_wrong_is_said(connect, house: House, told: dict[str, str], said: str):
    connect(**{key: given.format(port=house.server.tls_port) for key, given in told.items()})
    await refused(said)


async def test_a_certificate_of_others_is_not_taken(connect, house: House):
    connect(TLS_CERT=str(house.strangers[0]), TLS_KEY=str(house.strangers[1]))
    await refused("it does not trust our certificate's authority")


async def test_a_name_that_differs_may_be_allowed(connect, house: House):
    connect(URL=f"rediss://localhost:{house.server.tls_port}", TLS_CHECK_HOSTNAME=False)
    await wire().connect()


async def test_a_certificate_that_has_expired_is_named_and_a_renewed_one_is_taken_up(connect, house: House, tmp_path):
    """The server's, and then our own; the file is replaced under a program that runs."""
    expired = house.authority.sign("late", "127.0.0.1", days=-1)
    server = TlsServer(tmp_path / "late", house.authority, expired)
    try:
        connect(URL=server.tls_url)
        await refused("its TLS certificate is not accepted: certificate has expired")
    finally:
        server.stop()
    await close_wires()
    own = tmp_path / "own.pem", tmp_path / "own.key"
    for source, copy in zip(house.authority.sign("early", days=-1), own, strict=True):
        copy.write_bytes(source.read_bytes())
    connect(TLS_CERT=str(own[0]), TLS_KEY=str(own[1]))
    await refused("it says that our certificate has expired")
    for source, copy in zip(house.pair, own, strict=True):
        copy.write_bytes(source.read_bytes())
        os.utime(copy, (1, 1))

    async def is_in() -> bool:
        try:
            await wire().connect()
        except RedisUnavailable:
            return False
        return True

    await eventually(is_in)


@pytest.mark.parametrize("file", ["TLS_CA", "TLS_CERT"])
async def test_a_file_that_cannot_be_used_is_named(connect, tmp_path, file: str):
    connect(**{file: str(tmp_path / "nowhere.pem")})
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem"):
        wire()
    (tmp_path / "empty.pem").write_text("")
    connect(**{file: str(tmp_path / "empty.pem")})
    with pytest.raises(ConfigurationError, match=r"empty\.pem"):
        wire()
