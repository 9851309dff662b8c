"""One request to somebody else's server, to the address that was checked: no redirect, no proxy, no cookie, bounded.

An answer is given for whatever happens; nothing is raised but a cancellation.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import certifi
import httpcore
from django.utils.translation import gettext as _

from queues.delivery.addresses import Place, checked, read
from queues.errors import TorilError
from queues.options import get_options
from queues.protocol.codec import text
from queues.version import VERSION

CONNECT_S = 5.0
#: What is read of an answer, and what is kept of it.
MOST_READ, KEPT = 64 * 1024, 2_000
USER_AGENT = f"Toril/{VERSION} (+webhooks)"


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` None: there was none, and `error` says why in a sentence. `body` is its beginning, as text."""

    status: int | None = None
    error: str = ""
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    #: The address that was connected to; empty where none was.
    address: str = ""
    took_ms: int = 0
    #: Refused before a connection was made, for good while address and settings stay as they are.
    is_refused: bool = False

    @property
    def is_ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


async def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float | None = None) -> Answer:
    """POST it. The whole of it takes at most `timeout_s` (the settings' where None)."""
    began, guard = time.monotonic(), _Guard()
    limit_s = get_options().webhooks.timeout_s if timeout_s is None else timeout_s
    try:
        async with asyncio.timeout(limit_s):
            found = await _post(read(url), body, headers, guard)
    except TimeoutError:
        found = Answer(error=_("No answer within %(seconds)s s.") % {"seconds": f"{limit_s:g}"})
    except TorilError as error:
        found = Answer(error=str(error), is_refused=error.code == "address_refused")
    except (httpcore.ConnectError, httpcore.ConnectTimeout, OSError) as error:
        found = Answer(error=_said(_("No connection"), error))
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, ValueError) as error:
        found = Answer(error=_said(_("The connection broke"), error))
    took_ms = int((time.monotonic() - began) * 1000)
    return Answer(found.status, found.error, found.body, found.headers, guard.address, took_ms, found.is_refused)


async def _post(place: Place, body: bytes, headers: Mapping[str, str], guard: _Guard) -> Answer:
    guard.addresses = await checked(place)
    url = httpcore.URL(scheme=place.scheme, host=place.host, port=place.port, target=place.target)
    sent = {"Host": place.authority, "User-Agent": USER_AGENT, "Content-Type": "application/json"}
    sent |= {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"} | dict(headers)
    fields = [(name.encode("ascii"), value.encode("ascii")) for name, value in sent.items()]
    fields.append((b"Content-Length", b"%d" % len(body)))
    async with (
        httpcore.AsyncConnectionPool(ssl_context=_trust(), network_backend=guard, retries=0) as pool,
        pool.stream(b"POST", url, headers=fields, content=body) as response,
    ):
        held = b""
        async for piece in response.aiter_stream():
            held += piece
            if len(held) >= MOST_READ:
                break
        return Answer(response.status, _unless_ok(response.status), _beginning(held), _told(response.headers))


class _Guard(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that were checked, and to nothing else, whatever is asked for."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.address = ""
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failed: Exception = httpcore.ConnectError("no address")
        for address in self.addresses[:3]:
            self.address = address
            try:
                return await self._plain.connect_tcp(address, port, CONNECT_S)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("a webhook goes to no socket file")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


@cache
def _trust() -> ssl.SSLContext:
    """What the machine trusts, and what browsers do."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _unless_ok(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return _("It answered %(status)s: a webhook follows no redirect.") % {"status": status}
    return _("It answered %(status)s.") % {"status": status}


def _beginning(held: bytes) -> str:
    return text(held[:KEPT]).encode("utf-8", "replace").decode().replace("\0", "�")


def _told(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1"), value[:1_000].decode("latin-1")) for name, value in list(headers)[:50])


def _said(what: str, error: Exception) -> str:
    why = str(error.__cause__ or error).strip() or type(error).__name__
    return f"{what}: {why[:200]}"
