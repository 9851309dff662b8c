"""A request that trickles is cut at its deadline, one that is only slow arrives: by a clock of the test's own."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web import http

from dashboard import patience

LENGTH = 500_000
HEAD = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LENGTH}\r\n\r\n".encode()


class Asked(http.Request):
    """A request that is answered when the test says so."""

    there: ClassVar[list[Asked]] = []

    def process(self) -> None:
        self.there.append(self)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def channel(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(patience, "crowd", patience.Crowd())
    monkeypatch.setattr(Asked, "there", [])
    yield connected(clock)
    for request in Asked.there:
        if request.content is not None:
            request.content.close()


def connected(clock: Clock) -> patience.Channel:
    channel = patience.Channel()
    channel.callLater, channel.timeOut, channel.requestFactory = clock.callLater, 60, Asked
    channel.factory = http.HTTPFactory(reactor=clock)
    transport = StringTransport()
    transport.connectionLost = lambda reason=None: None
    channel.makeConnection(transport)
    return channel


def said(channel: patience.Channel) -> bytes:
    return bytes(channel.transport.value())


def trickle(channel: patience.Channel, clock: Clock, data: bytes, every_s: float) -> None:
    for byte in data:
        clock.advance(every_s)
        if channel.transport.disconnecting:
            return
        channel.dataReceived(bytes([byte]))


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", HEAD], ids=["nothing", "head", "body"]
)
def test_a_request_that_trickles_is_cut(channel, clock, begun):
    if begun:
        channel.dataReceived(begun)
    trickle(channel, clock, b"a" * 60, 0.5)
    assert channel.transport.disconnecting
    assert said(channel).startswith(b"HTTP/1.1 408 ")
    assert clock.seconds() <= 15
    assert not Asked.there


def test_one_that_takes_not_even_that_answer_is_dropped(channel, clock):
    clock.advance(patience.HEAD_S)
    clock.advance(channel.abortTimeout)
    assert channel.transport.disconnected


def test_a_large_body_on_a_slow_line_arrives(channel, clock):
    channel.dataReceived(HEAD)
    for _ in range(LENGTH // 20_000):
        clock.advance(1)
        channel.dataReceived(b"a" * 20_000)
    assert len(Asked.there) == 1
    assert not channel.transport.disconnecting


def test_how_long_an_answer_takes_is_nobodys_fault_and_a_second_request_has_its_own_deadline(channel, clock):
    channel.dataReceived(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    channel.dataReceived(b"GET /second HTTP/1.1\r\nHo")
    clock.advance(600)
    assert not channel.transport.disconnecting
    Asked.there[0].finish()
    channel.transport.clear()
    clock.advance(patience.HEAD_S)
    assert said(channel).startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_rests_between_two_requests_is_kept(channel, clock):
    for _ in range(3):
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        Asked.there[-1].finish()
        clock.advance(patience.HEAD_S + 20)
    assert len(Asked.there) == 3
    assert not channel.transport.disconnecting


def test_whoever_comes_when_there_is_no_room_is_told_so(channel, clock):
    patience.crowd.most = 1
    second = connected(clock)
    assert said(second).startswith(b"HTTP/1.1 503 ")
    assert second.transport.disconnecting
    second.transport.connectionLost()
    channel.transport.connectionLost()
    assert patience.crowd.count == 0
    assert not said(connected(clock))
