"""Sockets for code without an event loop: each logged in, for one caller at a time, kept for the next.

Every step ends by one deadline that covers the name's resolution, connecting, logging in and answering: redis-py bounds
each of them apart, and adds them up.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar, cast

import hiredis

from queues.errors import RedisRefused, RedisUnavailable, TorilError
from queues.protocol.address import Address
from queues.protocol.commands import Argument, Command
from queues.protocol.refusals import refusal
from queues.protocol.scripts import check_version
from queues.protocol.tls import Tls, reason
from queues.protocol.topology import ASK_S, Ask, check_role, located

T = TypeVar("T")
#: What stands between us and Redis may forget a connection that is silent for longer.
IDLE_S = 60.0
MOST_IDLE = 32
_CHUNK = 65_536


def drive(awaitable: Awaitable[T]) -> T:
    """The value of a coroutine that waits for nothing but a BlockingWire. No event loop runs, none is made."""
    steps = awaitable.__await__()
    try:
        while True:
            # `asyncio.sleep(0)` says nothing; whatever wants to be waited for needs a loop.
            if next(steps) is not None:
                raise TorilError("This cannot be done without an event loop.")
    except StopIteration as end:
        return cast(T, end.value)


def ask_at(address: Address, commands: Sequence[Command[Any]], deadline: float) -> list[Any]:
    """Replies in order, error replies among them, in one round trip on one connection. Raises RedisUnavailable where
    nothing came in time.
    """
    try:
        line = _take(address, deadline)
        try:
            replies = line.ask([asked.args for asked in commands], deadline)
            replies = _with_sources(line, commands, replies, deadline)
        except BaseException:
            line.close()
            raise
    except (OSError, hiredis.HiredisError) as error:
        if isinstance(error, TimeoutError):
            raise
        raise RedisUnavailable(f"Redis cannot be reached: {reason(error)}.") from None
    _give_back(address, line)
    return replies


def _with_sources(line: Line, commands: Sequence[Command[Any]], replies: list[Any], deadline: float) -> list[Any]:
    """Where the server does not hold a script, its source is sent."""
    missing = [
        at
        for at, reply in enumerate(replies)
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("NOSCRIPT") and commands[at].script
    ]
    if missing:
        for at, reply in zip(missing, line.ask([commands[at].as_eval() for at in missing], deadline), strict=True):
            replies[at] = reply
    return replies


def checked(reply: Any) -> Any:
    if isinstance(reply, hiredis.ReplyError):
        raise refusal(str(reply))
    return reply


class Line:
    """One socket, logged in, for one caller at a time."""

    def __init__(self, address: Address, deadline: float) -> None:
        self._reader = hiredis.Reader()
        self._socket = _dial(address, deadline)
        self.idle_since = 0.0
        try:
            for reply in self.ask([*address.login(), ("PING",)], deadline):
                checked(reply)
            if address.must_be_primary:
                check_role(self.ask([("ROLE",)], deadline)[0])
        except BaseException:
            self.close()
            raise

    @property
    def is_alive(self) -> bool:
        """Nothing is to be read from a line at rest: whatever is, is its end."""
        return time.monotonic() - self.idle_since < IDLE_S and not _readable(self._socket)

    def ask(self, commands: Sequence[tuple[Argument, ...]], deadline: float) -> list[Any]:
        self._socket.settimeout(_left(deadline))
        self._socket.sendall(b"".join([hiredis.pack_command(cast(Any, args)) for args in commands]))
        replies: list[Any] = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is not False:
                replies.append(reply)
                continue
            self._socket.settimeout(_left(deadline))
            received = self._socket.recv(_CHUNK)
            if not received:
                raise ConnectionError("it closed the connection")
            self._reader.feed(received)
        return replies

    def close(self) -> None:
        self._socket.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _readable(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


# --- dialling


def _dial(address: Address, deadline: float) -> socket.socket:
    if address.path:
        return _connected(socket.AF_UNIX, address.path, deadline)
    failure: OSError = OSError("its name has no address")
    for family, _, _, _, place in _places(address, deadline):
        try:
            opened = _connected(family, place, deadline)
        except TimeoutError:
            raise
        except OSError as error:
            failure = error
            continue
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened if address.tls is None else _over_tls(opened, address)
    raise failure


def _over_tls(opened: socket.socket, address: Address) -> socket.socket:
    try:
        return cast(Tls, address.tls).context().wrap_socket(opened, server_hostname=address.host)
    except BaseException:
        opened.close()
        raise


def _connected(family: int, place: Any, deadline: float) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(_left(deadline))
        opened.connect(place)
    except BaseException:
        opened.close()
        raise
    return opened


def _places(address: Address, deadline: float) -> list[Any]:
    """The host's addresses. In a thread of its own: nothing else ends a name server's silence in time."""
    try:
        return socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found: list[Any] = []
        asking = threading.Thread(target=_resolve, args=(address, found), name="resolve", daemon=True)
        asking.start()
        asking.join(_left(deadline))
        if not found:
            raise TimeoutError from None
        if isinstance(found[0], OSError):
            raise found[0] from None
        return found


def _resolve(address: Address, found: list[Any]) -> None:
    try:
        found.extend(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
    except OSError as error:
        found.append(error)


# --- lines at rest, for the next caller of whichever thread

_idle: dict[tuple[int, Address], deque[Line]] = {}


def _resting(address: Address) -> deque[Line]:
    # A forked child must not speak on its parent's sockets.
    return _idle.setdefault((os.getpid(), address), deque(maxlen=MOST_IDLE))


def _take(address: Address, deadline: float) -> Line:
    resting = _resting(address)
    while resting:
        try:
            line = resting.pop()
        except IndexError:
            break
        if line.is_alive:
            return line
        line.close()
    check_version()
    try:
        return Line(drive(located(address, asking(deadline))), deadline)
    except RedisRefused as error:
        raise RedisUnavailable(f"Redis cannot be reached: {error}") from None


def asking(deadline: float) -> Ask:
    """How `topology` asks a Sentinel here: over a line of its own, within what is left."""

    async def ask(address: Address, commands: Sequence[Command[Any]]) -> list[Any]:
        until = min(deadline, time.monotonic() + ASK_S)
        try:
            line = Line(address, until)
            try:
                replies = line.ask([asked.args for asked in commands], until)
            finally:
                line.close()
        except (OSError, hiredis.HiredisError, RedisRefused) as error:
            raise RedisUnavailable(f"Redis cannot be reached: {reason(error)}.") from None
        return [refusal(str(reply)) if isinstance(reply, hiredis.ReplyError) else reply for reply in replies]

    return ask


def _give_back(address: Address, line: Line) -> None:
    line.idle_since = time.monotonic()
    resting = _resting(address)
    if len(resting) < MOST_IDLE:
        resting.append(line)
    else:
        line.close()


def close_blocking() -> None:
    """Close the idle connections of this process; the next call opens another."""
    for resting in [lines for (pid, _), lines in list(_idle.items()) if pid == os.getpid()]:
        while resting:
            resting.pop().close()


# A program that takes unclosed sockets for errors would end with one.
atexit.register(close_blocking)
