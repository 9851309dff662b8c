"""Refuses a request's body where it grows too large.

daphne reads each body to its end and then holds all of it in memory before anything of ours may say no: anybody, signed
in or not, could fill it.
"""

from __future__ import annotations

from daphne.http_protocol import WebRequest
from django.conf import settings

_ANSWER = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_write = WebRequest.handleContentChunk


def _counted(self: WebRequest, data: bytes) -> None:
    # Counted as it comes: a chunked body declares no length, and a declared one proves nothing.
    self.toril_body_bytes = getattr(self, "toril_body_bytes", 0) + len(data)
    if self.toril_body_bytes <= settings.REQUEST_BODY_MAX:
        _write(self, data)
    elif self.channel is not None:
        self.channel.transport.write(_ANSWER)
        self.channel.loseConnection()


def install() -> None:
    """For daphne alone, from `asgi.py`; other servers are configured for it."""
    WebRequest.handleContentChunk = _counted
