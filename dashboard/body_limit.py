"""What daphne leaves open: a request's body that grows too large is refused, and what it logs of requests (with
`--access-log`) holds no token.

daphne reads each body to its end and then holds all of it in memory before anything of ours may say no: anybody, signed
in or not, could fill it.
"""

from __future__ import annotations

from typing import Any

from daphne.access import AccessLogGenerator
from daphne.http_protocol import WebRequest

from dashboard import hosting
from dashboard.logs import one_line, without_secrets

_ANSWER = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_write = WebRequest.handleContentChunk
_log = AccessLogGenerator.write_entry


def _counted(self: WebRequest, data: bytes) -> None:
    # Counted as it comes: a chunked body declares no length, and a declared one proves nothing.
    self.toril_body_bytes = getattr(self, "toril_body_bytes", 0) + len(data)
    if self.toril_body_bytes <= hosting.request_body_max():
        _write(self, data)
    elif self.channel is not None:
        self.channel.transport.write(_ANSWER)
        self.channel.loseConnection()


def _logged(self: AccessLogGenerator, host: str, date: Any, request: str, *rest: Any, **more: Any) -> None:
    _log(self, host, date, without_secrets(one_line(request)), *rest, **more)


def install() -> None:
    """For daphne alone, from `asgi.py`; other servers are configured for it."""
    WebRequest.handleContentChunk = _counted
    AccessLogGenerator.write_entry = _logged
