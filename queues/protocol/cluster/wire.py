"""A wire to a Redis Cluster: to each server one Wire, and every command on the one that leads to its key's slot.

It follows redirections, waits a moment for slots on their way, and asks anew who holds what where a server is lost.
What a transaction or a script touches must lie in one slot; hash-tagged prefixes or queue names see to it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from queues.errors import RedisUnavailable
from queues.options import ConnectionOptions
from queues.protocol.address import seeds
from queues.protocol.backoff import Backoff
from queues.protocol.calls import collected
from queues.protocol.cluster import everywhere, routing, slotmap, streams
from queues.protocol.cluster.bundles import bundled
from queues.protocol.cluster.routed import ASKING, RoutedCall
from queues.protocol.cluster.slotmap import Place, SlotMap
from queues.protocol.cluster.surveying import surveyed
from queues.protocol.codec import raw
from queues.protocol.commands import Command, command
from queues.protocol.refusals import ClusterDown, Redirected, SlotOnItsWay
from queues.protocol.slots import slot, tag
from queues.protocol.wire import Wire

T = TypeVar("T")

#: So long a caller waits for a slot that is on its way from one server to another.
PATIENCE_S, PAUSE_S = 1.0, 0.05
#: A command that is sent on more often than this goes in circles.
MOST_HOPS = 5
#: Who holds which slots is asked no more often than this, however many calls fail.
SURVEY_EVERY_S = 0.1
#: Whoever waits with no limit of its own waits so long for the answer to who holds what.
SURVEY_S = 2.0


class ClusterWire:
    """`submit`, `call`, `run`, `bundle`, `connect`, `close` as a Wire has them. Belongs to one event loop.

    Commands without a key go where keys that begin with `near` lie, by default those of the prefix. Where the prefix
    has no hash tag, TIME, INFO, CLIENT LIST and SCRIPT are asked of all primaries, and their answers made one.
    """

    def __init__(
        self, options: ConnectionOptions, *, name: str = "", timeout_s: float | None = 1.5, near: bytes = b""
    ) -> None:
        self.options, self.name, self.timeout_s = options, name, timeout_s
        self._loop = asyncio.get_running_loop()
        near = near if tag(near) else raw(options.prefix)
        #: All that it is asked lies in one slot; else keys lie all over the Cluster.
        self.is_in_one_slot = bool(tag(raw(options.prefix)))
        self.near = slot(near) if tag(near) else 0
        self._nodes: dict[Place, Wire] = {}
        self._past_dials = 0
        self._waiting: list[RoutedCall] = []
        self._survey: asyncio.Task[SlotMap] | None = None
        self._surveyed_at, self._backoff = -SURVEY_EVERY_S, Backoff()
        self._closed = False

    @property
    def dials(self) -> int:
        """How often it was connected, to whichever server."""
        return self._past_dials + sum(node.dials for node in self._nodes.values())

    @property
    def is_connected(self) -> bool:
        """To where commands without a key go."""
        known = slotmap.known(self.options)
        place = known.owners[self.near] if known else None
        return place is not None and place in self._nodes and self._nodes[place].is_connected

    def submit(self, asked: Command[T]) -> asyncio.Future[T]:
        key = routing.first_key(asked.args)
        if key is None:
            if not self.is_in_one_slot and everywhere.is_asked_everywhere(asked):
                return everywhere.submitted(self, asked)
            return self._routed(asked, self.near).future
        if streams.is_spread(asked):
            return self._loop.create_task(streams.read(self, asked), name="read streams")
        return self._routed(asked, slot(key)).future

    def _routed(self, asked: Command[T], number: int) -> RoutedCall:
        call = RoutedCall(self, asked, self._loop.create_future(), self._loop.time(), number)
        self.send(call)
        return call

    async def call(self, asked: Command[T], timeout_s: float | None = None) -> T:
        future = self.submit(asked)
        if timeout_s is None:
            return await future
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            error = RedisUnavailable(f"Redis did not answer within {timeout_s:g} s.")
            for node in self._nodes.values():
                node.give_up(future, error)
            raise error from None

    async def run(self, commands: Sequence[Command[Any]], return_errors: bool = False) -> list[Any]:
        """As `Wire.run`, in one round trip to each server. With a transaction all goes to the one of its first key."""
        if any(routing.verb_of(asked.args) == "MULTI" for asked in commands):
            key = routing.leading_key(commands)
            return await self.led(self.near if key is None else slot(key), lambda on: on.run(commands, return_errors))
        return await collected([self.submit(asked) for asked in commands], return_errors)

    async def bundle(self, packed: bytes, replies: int) -> list[Any]:
        return await bundled(self, packed, replies) if replies else []

    async def connect(self) -> None:
        await self.survey()
        await self.call(command("PING"))

    async def each(self) -> list[Wire]:
        """To every server that may hold something under the prefix: one each. Raises RedisUnavailable."""
        known = await self.known()
        places = [known.owners[self.near]] if self.is_in_one_slot else known.primaries
        return [self.node(place) for place in places if place is not None]

    async def all_of_them(self) -> dict[str, Wire]:
        """Every primary, by its address."""
        return {f"{place.host}:{place.port}": self.node(place) for place in (await self.known()).primaries}

    async def apart(self, keys: Sequence[bytes]) -> list[list[int]]:
        groups: dict[int, list[int]] = {}
        for at, key in enumerate(keys):
            groups.setdefault(slot(key), []).append(at)
        return list(groups.values())

    async def close(self) -> None:
        self._closed = True
        if self._survey is not None:
            self._survey.cancel()
            with contextlib.suppress(asyncio.CancelledError, RedisUnavailable):
                await self._survey
        self._fail_waiting(RedisUnavailable("The connection to Redis was closed."))
        for node in self._nodes.values():
            await node.close()

    # --- finding the server

    def send(self, call: RoutedCall) -> None:
        """On its way, wherever that leads now."""
        if self._closed:
            call.end(RedisUnavailable("The connection to Redis was closed."))
            return
        known = slotmap.known(self.options)
        if known is None:
            self._wait_for_map(call)
        elif (place := known.owners[call.slot]) is None:
            self.doubt()
            call.end(ClusterDown("Redis is not ready: no server of the Cluster holds this slot."))
        else:
            self.node(place).carry(call)

    def _wait_for_map(self, call: RoutedCall) -> None:
        if self._survey is None and (error := self._backoff.too_early(self._loop.time())):
            call.end(error)
            return
        self._waiting.append(call)
        self._start_survey()

    def node(self, place: Place) -> Wire:
        if place not in self._nodes:
            address = seeds(self.options)[0].at(*place)
            self._nodes[place] = Wire(address, name=self.name, timeout_s=self.timeout_s)
        return self._nodes[place]

    async def known(self) -> SlotMap:
        return slotmap.known(self.options) or await self.survey()

    async def survey(self) -> SlotMap:
        """Ask who holds what now, or join those who ask. Raises RedisUnavailable."""
        if self._closed:
            raise RedisUnavailable("The connection to Redis was closed.")
        return await asyncio.shield(self._start_survey())

    def _start_survey(self) -> asyncio.Task[SlotMap]:
        if self._survey is None:
            self._surveyed_at = self._loop.time()
            self._survey = self._loop.create_task(surveyed(self.options, self.timeout_s or SURVEY_S), name="survey")
            self._survey.add_done_callback(self._surveyed)
        return self._survey

    def _surveyed(self, survey: asyncio.Task[SlotMap]) -> None:
        self._survey = None
        error = None if survey.cancelled() else survey.exception()
        if survey.cancelled() or error is not None:
            words = str(error) if isinstance(error, RedisUnavailable) else "The Cluster could not be asked."
            unreachable = RedisUnavailable(words)
            self._backoff.failed(self._loop.time(), unreachable)
            self._fail_waiting(unreachable)
            return
        self._backoff.worked()
        self._drop_others(survey.result())
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            self.send(call)

    def _drop_others(self, known: SlotMap) -> None:
        """Wires to servers that hold nothing any more, once nobody waits for an answer there."""
        for place in [place for place in self._nodes if place not in known.primaries]:
            if self._nodes[place].is_idle:
                dropped = self._nodes.pop(place)
                self._past_dials += dropped.dials
                dropped.shut()

    def _fail_waiting(self, error: RedisUnavailable) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call.end(error)

    def doubt(self) -> None:
        """Something failed: soon ask who holds what, unless that was just asked."""
        if not self._closed and self._loop.time() - self._surveyed_at >= SURVEY_EVERY_S:
            self._start_survey()

    # --- being sent elsewhere

    def is_sent_on(self, call: RoutedCall, error: BaseException) -> bool:
        """Whether a call that failed goes on elsewhere, or a little later."""
        if isinstance(error, Redirected) and call.hops < MOST_HOPS:
            call.hops += 1
            self._follow(call, error)
            return True
        if isinstance(error, SlotOnItsWay) and self._loop.time() - call.began < PATIENCE_S:
            self._loop.call_later(PAUSE_S, self.send, call)
            return True
        if isinstance(error, RedisUnavailable):
            self.doubt()
        return False

    def _follow(self, call: RoutedCall, to: Redirected) -> None:
        node = self._node_named(to, call.slot)
        if self._closed or not to.is_for_once:
            self.send(call)
        else:
            node.carry(RoutedCall(self, ASKING, self._unheard(), call.began, call.slot), call)

    def _unheard(self) -> asyncio.Future[Any]:
        """For an answer that nobody waits for."""
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    def _node_named(self, to: Redirected, number: int) -> Wire:
        known = slotmap.known(self.options)
        before = known.owners[number] if known else None
        host = to.host or (before.host if before else seeds(self.options)[0].host)
        if not to.is_for_once:
            slotmap.moved(self.options, to.slot, Place(host, to.port))
            self.doubt()
        return self.node(Place(host, to.port))

    async def led(self, number: int, send: Callable[[Leg], Awaitable[T]]) -> T:
        """What `send` gets from the server that holds the slot, wherever that turns out to be. It raises Redirected or
        SlotOnItsWay where nothing was done yet.
        """
        until = self._loop.time() + PATIENCE_S
        leg, hops = await self._leg(number), 0
        while True:
            try:
                return await send(leg)
            except Redirected as error:
                hops += 1
                if hops > MOST_HOPS:
                    raise
                leg = Leg(self._node_named(error, number), is_asking=error.is_for_once)
            except SlotOnItsWay:
                if self._loop.time() > until:
                    raise
                await asyncio.sleep(PAUSE_S)
                leg = await self._leg(number)
            except RedisUnavailable:
                self.doubt()
                raise

    async def _leg(self, number: int) -> Leg:
        known = await self.known()
        place = known.owners[number]
        if place is None:
            raise ClusterDown("Redis is not ready: no server of the Cluster holds this slot.")
        return Leg(self.node(place))


class Leg:
    """One attempt at one server; where that only lets in whoever asks for it, that is said first."""

    def __init__(self, on: Wire, *, is_asking: bool = False) -> None:
        self.on, self._is_asking = on, is_asking

    async def run(self, commands: Sequence[Command[Any]], return_errors: bool) -> list[Any]:
        if not self._is_asking:
            return await self.on.run(commands, return_errors)
        return (await self.on.run([ASKING, *commands], return_errors))[1:]
