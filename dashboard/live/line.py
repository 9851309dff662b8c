"""The server's end of a browser's socket: how much waits there for a client that does not read.

daphne accepts every message at once and keeps what the client does not take, without end and without a word
(daphne#170); only its own transport knows how much that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: Middleware that wraps `send` hides the server's function in one of these (Channels' sessions, functools.partial).
_WRAPPED = ("real_send", "func", "__wrapped__")


class Line:
    """What can be known and done below ASGI. Under a server that makes `send` wait there is nothing to know: 0."""

    def __init__(self, send: Any) -> None:
        self._transport = next(_transports(send), None)

    @property
    def is_known(self) -> bool:
        return self._transport is not None

    @property
    def unsent(self) -> int:
        """Bytes that the operating system has not taken yet."""
        transport, waiting = self._transport, 0
        while transport is not None:
            waiting += getattr(transport, "_tempDataLen", 0)
            waiting += len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
            # TLS stands in front of the transport that writes.
            transport = getattr(transport, "transport", None)
        return waiting

    def abort(self) -> None:
        """Drop the connection and what waits in it, without a closing handshake."""
        if self._transport is not None:
            self._transport.abortConnection()


def _transports(send: Any) -> Iterator[Any]:
    for _ in range(10):
        for held in (*getattr(send, "args", ()), getattr(send, "__self__", None)):
            transport = getattr(held, "transport", None)
            if hasattr(transport, "abortConnection"):
                yield transport
        bound = getattr(send, "__self__", None)
        inner = [getattr(at, name, None) for at in (send, bound) for name in _WRAPPED]
        send = next((found for found in inner if found is not None), None)
        if send is None:
            return
