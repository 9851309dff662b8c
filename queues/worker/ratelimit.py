"""How long a queue's rate limit holds a worker back: the one that fetches tell of, and the one set by hand."""

from __future__ import annotations

import asyncio

from queues.protocol.running import RunningCommands
from queues.protocol.wire import Wire

#: How soon a busy worker without a limiter minds a limit set by hand: BullMQ's scripts tell those that have one.
ASK_S = 0.1


class RateLimit:
    """Times are the loop's own."""

    def __init__(self, wire: Wire, commands: RunningCommands) -> None:
        self._wire, self._commands = wire, commands
        self._loop = asyncio.get_running_loop()
        self._until = 0.0
        self._by_hand_until = 0.0
        self._asked = 0.0

    @property
    def left_s(self) -> float:
        """How long nothing may start; not above 0 where nothing is limited."""
        return max(self._until, self._by_hand_until) - self._loop.time()

    def told(self, limited_ms: int) -> None:
        """What the last fetch said."""
        self._until = self._loop.time() + limited_ms / 1000 if limited_ms else 0.0

    def set_by_hand(self, limited_ms: int) -> None:
        """That there is none may be an old answer: only `forget` takes a limit away before its time."""
        if limited_ms > 0:
            self._by_hand_until = self._loop.time() + limited_ms / 1000

    def forget(self) -> None:
        self._until = self._by_hand_until = 0.0

    async def holds(self) -> bool:
        """Asks Redis, before a worker that was idle takes a job."""
        # One that has a limiter is told by the fetch itself.
        if self._commands.limiter is None:
            self._asked = self._loop.time()
            self.set_by_hand(await self._wire.call(self._commands.limited_by_hand()))
        return self.left_s > 0

    def lets_go_on(self) -> bool:
        """Whether a busy slot may fetch with its finish; asks now and then, without waiting for the answer."""
        now = self._loop.time()
        if now < self._by_hand_until:
            return False
        if now - self._asked > ASK_S and self._commands.limiter is None:
            self._asked = now
            self._wire.submit(self._commands.limited_by_hand()).add_done_callback(self._answered)
        return True

    def _answered(self, answer: asyncio.Future[int]) -> None:
        if not answer.cancelled() and answer.exception() is None:
            self.set_by_hand(answer.result())
