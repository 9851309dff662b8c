"""One connection that carries many commands at once: replies come in order, so each finds its caller by position.

For pages, watcher, mirror and workers alike. A caller that gives up leaves its place in the line, so no reply can
reach another's hands. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import hiredis

from queues.errors import ConfigurationError, RedisReadOnly, RedisRefused, RedisUnavailable
from queues.protocol.address import Address
from queues.protocol.backoff import Backoff
from queues.protocol.calls import Bundle, Call, collected
from queues.protocol.commands import Command, command
from queues.protocol.one import OneServer, over_new_wires
from queues.protocol.refusals import refusal
from queues.protocol.tls import reason
from queues.protocol.topology import ASK_S, check_role, located

T = TypeVar("T")
log = logging.getLogger(__name__)

REPLIES_PER_TURN = 8
#: A timer later than this means that something held up the loop.
BLOCKED_S = 0.1


class Wire(OneServer, asyncio.Protocol):
    """`submit` or `call` at any time: it connects, reconnects with a backoff of at most 1 s, and fails fast between.

    `timeout_s` bounds how long Redis may say nothing while a call waits, before the connection counts as broken and all
    calls on it fail with RedisUnavailable; None for a connection that carries blocking commands.
    """

    def __init__(self, address: Address, *, name: str = "", timeout_s: float | None = 1.5) -> None:
        self.address, self.name, self.timeout_s = address, name, timeout_s
        self._at = address  # which of several was dialled last
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader()
        self._ready = False
        #: How often it was connected.
        self.dials = 0
        self._closed = False
        self._connecting: asyncio.Task[None] | None = None
        self._sent: deque[Call | Bundle] = deque()
        self._queued: list[Call | Bundle] = []
        self._flush_due = False
        self._is_reading = False
        self._heard_at = 0.0
        self._watchdog: asyncio.TimerHandle | None = None
        self._watch_at = 0.0
        self._backoff = Backoff()
        self._broke: RedisUnavailable | None = None

    @property
    def is_connected(self) -> bool:
        return self._ready

    def submit(self, asked: Command[T]) -> asyncio.Future[T]:
        """Enqueue now; all that is submitted in one turn of the loop leaves in one write.

        Raises TypeError or UnicodeEncodeError for an argument that Redis cannot be sent.
        """
        return self._submit(asked, self._loop.time())

    def _submit(self, asked: Command[T], now: float) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        if error := self._out_of_reach(now):
            future.set_exception(error)
        else:
            self._queued.append(Call(asked, future, now))
            self._wake()
        return future

    def _out_of_reach(self, now: float) -> RedisUnavailable | None:
        if self._closed:
            return RedisUnavailable("The connection to Redis was closed.")
        return None if self._ready or self._connecting else self._backoff.too_early(now)

    async def bundle(self, packed: bytes, replies: int) -> list[Any]:
        """The replies to commands that `pack` packed, in one write; refusals stand among them. For thousands of
        commands, where each as a call of its own would cost more than Redis does. Raises RedisUnavailable.
        """
        now = self._loop.time()
        if error := self._out_of_reach(now):
            raise error
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if not replies:
            return []
        self._queued.append(Bundle(packed, replies, future, now))
        self._wake()
        return await future

    async def call(self, asked: Command[T], timeout_s: float | None = None) -> T:
        """The command's value. Raises RedisUnavailable, RedisRefused, or what `command.read` raises.

        `timeout_s` bounds this call alone; when it passes, the connection is given up as half-open.
        """
        if timeout_s is None:
            return await self.submit(asked)
        try:
            async with asyncio.timeout(timeout_s):
                return await self.submit(asked)
        except TimeoutError:
            error = RedisUnavailable(f"Redis did not answer within {timeout_s:g} s.")
            self._break(error)
            raise error from None

    async def run(self, commands: Sequence[Command[Any]], return_errors: bool = False) -> list[Any]:
        """All values, in order, in one round trip, or none is sent. The first error is raised after every reply is in.

        `return_errors` puts refusals among the values; RedisUnavailable is raised all the same: silence is no answer.
        """
        # One moment for all: where it is too early to dial again, a transaction must not be sent without its beginning.
        now = self._loop.time()
        return await collected([self._submit(asked, now) for asked in commands], return_errors)

    def carry(self, *calls: Call) -> None:
        """Take calls that were made elsewhere into the line, one right after the other."""
        now = self._loop.time()
        error = self._out_of_reach(now)
        for call in calls:
            call.since = now
            call.fail(error) if error else self._queued.append(call)
        if not error:
            self._wake()

    async def connect(self) -> None:
        """Be connected, or raise RedisUnavailable."""
        await self.call(command("PING"))

    @property
    def is_idle(self) -> bool:
        """Nobody waits for an answer."""
        return not (self._sent or self._queued or self._connecting)

    def give_up(self, waited_for: asyncio.Future[Any], error: RedisUnavailable) -> None:
        """Drop the connection if this answer was to come over it."""
        if any(call.future is waited_for for call in (*self._sent, *self._queued)):
            self._break(error)

    async def close(self) -> None:
        """End the connection; calls under way fail. Callable twice."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        self.shut()

    def shut(self) -> None:
        """`close` where nothing is being dialled."""
        self._closed = True
        self._break(RedisUnavailable("The connection to Redis was closed."))
        if self._watchdog is not None:
            self._watchdog.cancel()

    # --- sending

    def _wake(self) -> None:
        if self._ready:
            if not self._flush_due:
                self._flush_due = True
                self._loop.call_soon(self._flush)
        elif self._connecting is None:
            self._connecting = self._loop.create_task(self._open(), name=f"wire {self.name or 'connect'}")
        if self.timeout_s is not None and self._watchdog is None:
            self._arm(self.timeout_s)

    def _arm(self, timeout_s: float) -> None:
        self._watch_at = self._loop.time() + timeout_s / 8
        self._watchdog = self._loop.call_at(self._watch_at, self._watch)

    def _flush(self) -> None:
        self._flush_due = False
        if not self._ready or not self._queued:
            return
        calls, self._queued = self._queued, []
        for call in calls:
            # A bundle stands in the line once for each of its replies.
            self._sent.append(call) if call.replies == 1 else self._sent.extend([call] * call.replies)
        self._write(calls)

    def _write(self, calls: Sequence[Call | Bundle]) -> None:
        cast(asyncio.Transport, self._transport).write(b"".join([call.packed for call in calls]))

    # --- opening

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self.timeout_s or 5.0):
                await self._dial()
                await self._enter()
        except (OSError, TimeoutError, RedisUnavailable, RedisRefused, ConfigurationError) as error:
            self._connecting = None
            self._break(self._unreachable(error))
            return
        except BaseException:
            self._connecting = None
            self._break(RedisUnavailable("The connection to Redis was not opened."))
            raise
        self._connecting = None
        self._backoff.worked()
        self._ready = True
        self.dials += 1
        self._flush()

    async def _dial(self) -> None:
        self._reader = hiredis.Reader()
        to = self._at = await located(self.address, ask)
        if to.path:
            await self._loop.create_unix_connection(lambda: self, to.path)
        else:
            tls = to.tls.context() if to.tls is not None else None
            await self._loop.create_connection(lambda: self, to.host, to.port, ssl=tls)

    async def _enter(self) -> None:
        """AUTH and SELECT, then PING: a server that is still loading, or wants a password, says so here."""
        asked = [*self._at.login(), ("PING",)]
        if self.name:
            asked.insert(-1, ("CLIENT", "SETNAME", self.name))
        if self._at.must_be_primary:
            asked.append(("ROLE",))
        if self._transport is None:
            # Closed as soon as it was open, as a server that takes no more connections does.
            raise self._broke or RedisUnavailable("Redis closed the connection.")
        calls = [Call(Command(args), self._loop.create_future(), self._loop.time()) for args in asked]
        self._sent.extend(calls)
        self._write(calls)
        answers = await asyncio.gather(*(call.future for call in calls), return_exceptions=True)
        for call, answer in zip(calls, answers, strict=True):
            # A name may be refused (by ACL, or for a space in it), and who is primary; nothing else may.
            if isinstance(answer, BaseException) and call.command.args[0] not in ("CLIENT", "ROLE"):
                raise answer
            if call.command.args[0] == "ROLE":
                check_role(answer)

    def _unreachable(self, error: BaseException) -> RedisUnavailable:
        unreachable = RedisUnavailable(f"Redis cannot be reached: {reason(error)}.")
        self._backoff.failed(self._loop.time(), unreachable)
        return unreachable

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._reader.feed(data)
        if not self._is_reading:
            self._read_some()

    def _read_some(self) -> None:
        """A few replies, the rest in the loop's next turn: so callers ask anew while Redis works on what others asked.

        All at once, worker and Redis would take turns: fifty slots then ran 11,000 jobs a second, and so 20,000.
        """
        self._is_reading = False
        try:
            for _ in range(REPLIES_PER_TURN):
                if (reply := self._reader.gets()) is False:
                    return
                self._answer(call := self._sent.popleft(), reply)
                if isinstance(call, Bundle) and not self._read_bundle(call):
                    return
        except hiredis.ProtocolError as error:
            self._break(RedisUnavailable(f"Redis sent something that is not its protocol: {error}."))
            return
        except IndexError:
            # Nothing was asked: so it says that it takes no more connections.
            self._break(RedisUnavailable(f"Redis says: {reply!s:.200}."))
            return
        self._is_reading = True
        self._loop.call_soon(self._read_some)

    def _read_bundle(self, bundle: Bundle) -> bool:
        """What else of it has come, at once: nobody can ask anew before it is whole. Whether more may lie there."""
        while self._sent and self._sent[0] is bundle:
            if (reply := self._reader.gets()) is False:
                return False
            self._sent.popleft()
            bundle.take(reply)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        # What it said before it went still counts.
        while self._is_reading:
            self._read_some()
        if self._transport is not None:
            self._break(RedisUnavailable(f"Redis closed the connection{f': {reason(exc)}' if exc else ''}."))

    # --- answers

    def _answer(self, call: Call | Bundle, reply: Any) -> None:
        if isinstance(call, Bundle):
            call.take(reply)
            return
        if not isinstance(reply, hiredis.ReplyError):
            call.answer(reply)
            return
        words = str(reply)
        if words.startswith("NOSCRIPT") and call.command.script is not None:
            self._queued.append(call.with_source())
            self._wake()
        else:
            error = refusal(words)
            call.fail(error)
            if isinstance(error, RedisReadOnly):
                # A demoted primary: the address must be dialled anew.
                self._break(error)

    def _watch(self) -> None:
        self._watchdog = None
        oldest = self._sent[0] if self._sent else self._queued[0] if self._queued else None
        if oldest is None or self.timeout_s is None:
            return
        now = self._loop.time()
        # After a blocked loop the answers may lie in the socket, unread: look again before judging.
        was_blocked = now - self._watch_at > BLOCKED_S
        # A long line of calls is no silence: the last of them may wait longer while answers come.
        if now - max(oldest.since, self._heard_at) >= self.timeout_s and not was_blocked:
            self._break(RedisUnavailable(f"Redis did not answer within {self.timeout_s:g} s."))
        else:
            self._arm(self.timeout_s)

    def _break(self, error: RedisUnavailable) -> None:
        """Drop the connection: whatever waits for it fails with `error`, and the next call dials again."""
        self._ready, self._broke = False, error
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._reader = hiredis.Reader()
        calls = [*self._sent, *self._queued]
        self._sent.clear()
        self._queued.clear()
        for call in calls:
            call.fail(error)


ask = over_new_wires(lambda address: Wire(address, timeout_s=ASK_S))
