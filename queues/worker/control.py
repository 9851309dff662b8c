"""Listens, on a connection of its own, to what people ask of worker processes, and does it on the worker's loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from queues.errors import RedisRefused, RedisUnavailable, TorilError
from queues.protocol import orders
from queues.protocol.connections import open_wire, prefix
from queues.protocol.events import server_now
from queues.protocol.fleet import time_command
from queues.protocol.keys import FleetKeys
from queues.protocol.orders import Answer, Order, Stage, Verb
from queues.protocol.wire import Wire
from queues.runs.journal import line
from queues.worker.aside import Aside
from queues.worker.health import say_beside
from queues.worker.heartbeat import Heartbeat
from queues.worker.marker import wire_name

log = logging.getLogger("queues.worker")
T = TypeVar("T")

BLOCK_MS = 5_000
RETRY_S = 1.0
#: How often it is tried again where Redis forbids it.
FORBIDDEN_RETRY_S = 30.0
#: A cancelled job's end is told to whoever asked, if it comes within this.
WATCHED_S = 60.0
LOOK_EVERY_S = 0.05
MOST_WATCHED = 100
#: Of what is no order, one line in so long.
SAY_AGAIN_S = 30.0


class Subject(Protocol):
    """Of a worker: what can be asked of it. All but the names on its own loop."""

    id: str
    name: str
    connection: str

    @property
    def state(self) -> str: ...
    def quiet(self) -> None: ...
    def resume(self) -> None: ...
    def cancel_job(self, queue: str, job_id: str, reason: str, retry: bool = False) -> bool: ...
    def is_running(self, queue: str, job_id: str) -> bool: ...


class Control:
    """1. Listen from now on; what was asked earlier, or is void by Redis's clock, is not done.
    2. Take what is addressed to this process: answer "taken", do it on the worker's loop, answer what came of it.

    Where Redis forbids it, that is said once; the worker goes on without.
    """

    def __init__(self, worker: Subject, aside: Aside, on_stop: Callable[[], None]) -> None:
        self._worker, self._aside, self._on_stop = worker, aside, on_stop
        self._keys = FleetKeys(prefix(worker.connection))
        self._under_way: set[asyncio.Task[None]] = set()
        self._after = ""
        self._is_said = False
        self._odd_at = float("-inf")

    async def run(self) -> None:
        """The duty; in the aside's loop."""
        name = wire_name(self._worker.name, self._worker.id)
        wire = open_wire(self._worker.connection, name=name, timeout_s=None)
        try:
            while True:
                await self._listen(wire)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            await wire.close()

    async def _listen(self, wire: Wire) -> None:
        try:
            if not wire.is_connected:
                # Another server may be behind, and would then not be heard for as long.
                now = await server_now(wire)
                self._after = orders.earlier(self._after or now, now)
            heard = await orders.orders(wire, self._keys, self._after, BLOCK_MS)
            for position, order in heard:
                self._after = position
                await self._hear(order)
            if not heard:
                self._after = await orders.still(wire, self._keys, self._after)
            self._is_said = False
        except RedisUnavailable:
            # The worker says so already.
            await asyncio.sleep(RETRY_S)
        except RedisRefused as error:
            if not self._is_said:
                self._is_said = True
                say_beside(log.warning, "This worker cannot be controlled from elsewhere. %s", error)
            await asyncio.sleep(FORBIDDEN_RETRY_S)

    async def _hear(self, order: Order | None) -> None:
        if order is None:
            self._odd("Something in the control stream is no order; ignored.")
        elif order.process in (orders.ALL, self._worker.id):
            if await self._aside.wire.call(time_command()) > order.until_ms:
                self._odd("An order in the control stream came too late; ignored.")
                return
            task = asyncio.create_task(self._carry_out(order), name=f"order {order.verb}")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _odd(self, sentence: str) -> None:
        now = time.monotonic()
        if now - self._odd_at >= SAY_AGAIN_S:
            self._odd_at = now
            say_beside(log.warning, sentence)

    # --- doing it

    async def _carry_out(self, order: Order) -> None:
        what = f" {line(order.queue)} {line(order.job_id)}" if order.verb is Verb.CANCEL else ""
        say_beside(log.info, "%s asks: %s%s", line(order.by), order.verb.value, what)
        try:
            await self._answer(order, Stage.TAKEN)
            await self._answer(order, *await self._done(order))
        except TorilError as error:
            why = line(str(error))
            say_beside(log.warning, "Who asked for %s%s was not answered: %s", order.verb.value, what, why)
        except TimeoutError:
            # The loop stands still, or the job does not end: "taken" is all that can be said.
            return
        except Exception as error:
            say = partial(log.error, exc_info=error)
            say_beside(say, "What %s asked for could not be done.", line(order.by))

    async def _done(self, order: Order) -> tuple[Stage, str]:
        if order.verb is Verb.CANCEL:
            return await self._cancel(order)
        return await self._on_loop(lambda: self._steer(order.verb))

    def _steer(self, verb: Verb) -> tuple[Stage, str]:
        """On the worker's loop."""
        if verb is Verb.STOP:
            self._on_stop()
            return Stage.DONE, "It takes no new jobs, finishes what runs and ends."
        if self._worker.state == "stopping":
            return Stage.REFUSED, "It is stopping already."
        if verb is Verb.QUIET:
            self._worker.quiet()
            return Stage.DONE, "It takes no new jobs."
        self._worker.resume()
        return Stage.DONE, "It takes jobs again."

    async def _cancel(self, order: Order) -> tuple[Stage, str]:
        """Until the job's run has ended; how it ended stands in Redis."""
        queue, job_id, reason = order.queue, order.job_id, order.reason
        if not await self._on_loop(lambda: self._worker.cancel_job(queue, job_id, reason, order.retry)):
            return Stage.REFUSED, "It does not run this job."
        until = time.monotonic() + WATCHED_S
        while self._worker.is_running(queue, job_id):
            if time.monotonic() > until or len(self._under_way) > MOST_WATCHED:
                raise TimeoutError
            await asyncio.sleep(LOOK_EVERY_S)
        return Stage.DONE, "Its run has ended."

    async def _on_loop(self, call: Callable[[], T]) -> T:
        """What the call gives on the worker's loop. Raises TimeoutError where that loop stands still for too long."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(setter: Callable[[Any], None], value: object) -> None:
            if not answer.done():
                setter(value)

        def turn() -> None:
            try:
                found: tuple[Callable[[Any], None], object] = (answer.set_result, call())
            except Exception as error:
                found = (answer.set_exception, error)
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, *found)

        self._aside.tell(turn)
        async with asyncio.timeout(WATCHED_S):
            return await answer

    async def _answer(self, order: Order, stage: Stage, message: str = "") -> None:
        answer = Answer(self._worker.id, stage, message)
        await self._aside.wire.run(orders.answer_commands(self._keys, order.request, answer))


def operate(worker: Any, on_stop: Callable[[], None]) -> Heartbeat:
    """Give a worker that has not started yet its heartbeat, its ear and the delivery of its figures. `on_stop`, called
    on the worker's loop, is what being asked to stop comes to.
    """
    heartbeat = Heartbeat(worker, worker.aside)
    worker.on_change = heartbeat.changed
    worker.aside.add("heartbeat", heartbeat.run)
    worker.aside.add("recorder", worker.recorder.run)
    worker.aside.add("control", Control(worker, worker.aside, on_stop).run)
    return heartbeat
