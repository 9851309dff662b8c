"""What daphne leaves open: when it is told to stop, requests that came before are answered first.

daphne cuts them all off at once, and whoever clicked gets a proxy's error for what was done. Here the port is closed
first, so that a proxy goes to another process; then what is being answered has its time; then daphne ends the rest:
sockets and event streams, whose clients come back elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from daphne.http_protocol import WebRequest
from daphne.server import Server
from twisted.internet import defer, reactor

#: systemd, Compose and Kubernetes wait longer (deploy/).
MOST_S = 10.0
SENT_WITHIN_S = 2.0
LOOK_EVERY_S = 0.02
_listening = Server.listen_success
_end = Server.kill_all_applications


def _kept(self: Server, port: Any) -> None:
    self.toril_ports = [*getattr(self, "toril_ports", []), port]
    _listening(self, port)


def _drained(self: Server) -> Any:
    """A Deferred: the server waits for it before it ends."""
    for port in getattr(self, "toril_ports", []):
        port.stopListening()
    return defer.Deferred.fromFuture(asyncio.ensure_future(_wait(self))).addBoth(lambda _: _ended(self))


def _ended(self: Server) -> Any:
    # daphne stumbles over a connection whose application has ended already, and then ends none of the others.
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    over.set_result(None)
    for known in self.connections.values():
        known.setdefault("application_instance", over)
    return _end(self)


async def _wait(server: Server) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + MOST_S
    while (running := list(_in_the_middle(server))) and loop.time() < until:
        await asyncio.wait(running, timeout=until - loop.time())
    # Answered is not sent, and Twisted tells nobody when it has.
    until = min(until, loop.time() + SENT_WITHIN_S)
    while _unsent() and loop.time() < until:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY_S)


def _unsent() -> list[Any]:
    found: list[Any] = cast(Any, reactor).getWriters()
    return found


def _in_the_middle(server: Server) -> Iterator[asyncio.Future[None]]:
    """Requests that are being answered; a stream of events never is to its end."""
    for protocol, known in server.connections.items():
        running = known.get("application_instance")
        if not isinstance(protocol, WebRequest) or running is None or running.done() or known.get("disconnected"):
            continue
        kinds = protocol.responseHeaders.getRawHeaders("content-type") or [""]
        if not kinds[0].startswith("text/event-stream"):
            yield running


def install() -> None:
    """For daphne alone, from `asgi.py`; other servers drain by themselves."""
    Server.listen_success = _kept
    Server.kill_all_applications = _drained
