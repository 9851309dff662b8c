"""What daphne leaves open: how long a client may keep it waiting for a request, and how many may at once.

Each byte begins daphne's minute anew, so a request that trickles holds its connection for as long as it likes; and
where files run out, pages fail that would open one. So a head has a deadline, a body one that moves with what arrives,
and whoever comes when there is no room is told so at once.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

from daphne.http_protocol import HTTPFactory
from django.conf import settings
from twisted.web import http

#: A project's own settings (REQUEST_HEAD_S, REQUEST_BODY_S) may say otherwise.
HEAD_S, BODY_S = 10.0, 15.0
#: A body has a second more for so many bytes that came: slow lines send large forms, too.
BYTES_PER_S = 16_384
#: Of the files that the process may open, kept for databases, Redis and what it reads: a tenth, at least so many.
LEAST_KEPT = 64
#: More than any process here should hold; some systems allow a thousand times that.
MOST_FILES = 65_536
_END = b"Connection: close\r\nContent-Length: 0\r\n\r\n"
_LATE = b"HTTP/1.1 408 Request Timeout\r\n" + _END
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n" + _END


class Crowd:
    """How many connections there are, of pages and of sockets; `most` is set once, at the start."""

    def __init__(self) -> None:
        self.count, self.most = 0, MOST_FILES

    @property
    def is_full(self) -> bool:
        return self.count > self.most

    def join(self, transport: Any) -> None:
        # At the transport: a socket takes the place of the channel, which then never hears of the end.
        self.count += 1
        lost: Callable[..., None] = transport.connectionLost

        def leave(*reason: Any) -> None:
            self.count -= 1
            transport.connectionLost = lost
            lost(*reason)

        transport.connectionLost = leave


crowd = Crowd()


# Half of Twisted is typed, and not so that it could be used: as a whole it is not.
_Channel: Any = http.HTTPChannel


class Channel(_Channel):  # type: ignore[misc]
    """One connection: waits for the head of a request, then for its body, for neither without end."""

    _deadline: Any = None
    _came = 0

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        crowd.join(self.transport)
        if crowd.is_full:
            self._refuse(_FULL)
        else:
            self._expect_head()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._came += len(data)
        if self._deadline is None and not self._handlingRequest:
            self._expect_head()
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:  # noqa: N802
        super().allHeadersReceived()
        self._expect(getattr(settings, "REQUEST_BODY_S", BODY_S))

    def allContentReceived(self) -> None:  # noqa: N802
        self._expect(None)
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802
        super().requestDone(request)
        # What came meanwhile may be the beginning of the next one.
        if not self._handlingRequest and (self._buffer or self.requests):
            self._expect_head()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self._expect(None)
        super().connectionLost(reason)

    def _expect_head(self) -> None:
        self._expect(getattr(settings, "REQUEST_HEAD_S", HEAD_S))

    def _expect(self, within_s: float | None) -> None:
        """The rest of it within so many seconds; None: nothing is expected."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._came = 0
        self._deadline = None if within_s is None else self.callLater(within_s, self._late)

    def _late(self) -> None:
        came, self._came = self._came, 0
        if came >= BYTES_PER_S:
            self._deadline = self.callLater(came / BYTES_PER_S, self._late)
        else:
            self._refuse(_LATE)

    def _refuse(self, answer: bytes) -> None:
        self._expect(None)
        self.transport.write(answer)
        # It may not even take that: this one does not wait for it without end.
        self.timeoutConnection()


def _channel(_factory: HTTPFactory) -> Any:
    return http._GenericHTTPChannelProtocol(Channel())


def install() -> None:
    """For daphne alone, from `asgi.py`; other servers are configured for it."""
    HTTPFactory.protocol = _channel
    crowd.most = _room()


def _room() -> int:
    """How many connections leave files for everything else, of as many as the system lets this process open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    soft = allowed if soft == resource.RLIM_INFINITY else soft
    return soft - max(LEAST_KEPT, soft // 10)
