"""Brings back jobs that nobody runs: those of dead workers, and those that Redis gave us in an answer we never got."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from queues.errors import LockLost, RedisRefused, RedisUnavailable
from queues.options import QueueOptions
from queues.protocol.commands import command
from queues.protocol.running import RunningCommands
from queues.protocol.wire import Wire
from queues.runs.journal import line
from queues.worker.leases import Leases
from queues.worker.outage import Outage

log = logging.getLogger("queues.worker")

#: The mutex of the stalled check lasts exactly one interval: whoever is a little early waits for another.
MARGIN_S = 0.05
SWEEP_EVERY_S = 1.0
#: After an outage, what every living worker, here and elsewhere, gets to take its locks back before we call a job lost.
GRACE_S = 3.0
SETTLE_S = 0.05


class Recovery:
    """1. `check_stalled`: put back what lost its lock, on a timer: one check marks, the next moves. After an outage not
    before the living had time to take theirs back.
    2. `sweep`: when an answer was lost, hand back what was locked with its token and is not running here.
    """

    def __init__(
        self,
        wire: Wire,
        commands: RunningCommands,
        options: QueueOptions,
        outage: Outage,
        leases: Leases,
        is_running: Callable[[str, bytes], bool],
    ) -> None:
        self._wire, self._commands, self._options, self._outage = wire, commands, options, outage
        self._leases, self._dials, self._redialled = leases, 0, 0.0
        self._is_running = is_running
        self._suspects: dict[str, float] = {}
        self._suspected = asyncio.Event()

    def suspect(self, token: str) -> None:
        """The answer to a command that may have locked a job with this token was lost. The token is not used again."""
        self._suspects[token] = time.monotonic()
        self._suspected.set()

    async def check_stalled(self) -> None:
        options, patience = self._options, self._outage.patience(self._commands.keys.queue)
        while True:
            check = self._commands.recover_stalled(options.max_stalled_count, options.stalled_interval_ms)
            try:
                await self._living_first()
                for job_id in await self._wire.call(check):
                    log.warning("put back %s %s: its worker lost it", line(self._commands.keys.queue), line(job_id))
                patience.over()
            except (RedisUnavailable, RedisRefused) as error:
                await patience.wait(error)
                continue
            await asyncio.sleep(options.stalled_interval_ms / 1000 + MARGIN_S)

    async def _living_first(self) -> None:
        await self._prove_writable()
        now = time.monotonic()
        if self._wire.dials != self._dials:
            self._redialled, self._dials = now if self._dials else 0.0, self._wire.dials
        # Not since it answers: since it takes writes, as those need who take their locks back.
        await asyncio.sleep(max(self._outage.last, self._leases.troubled, self._redialled) + GRACE_S - now)
        while self._leases.any_over(self._commands):  # noqa: ASYNC110  # another thread settles them
            await asyncio.sleep(SETTLE_S)
        # A Redis that freezes would run the check first thing when it wakes: only one that answers is sent it.
        await self._prove_writable()

    async def _prove_writable(self) -> None:
        """Changes nothing, for there is no such key, and is refused where writes are."""
        await self._wire.call(command("SET", self._commands.keys.lock(""), 0, "XX"))

    async def sweep(self) -> None:
        """Again and again until the locks in question have expired: a frozen Redis may yet run our old commands."""
        patience = self._outage.patience()
        while True:
            await self._suspected.wait()
            try:
                await self._sweep_once()
                patience.over()
            except (RedisUnavailable, RedisRefused) as error:
                # What lies unanswered may yet lock a job, for as long as a lock lasts from when Redis answers again.
                self._suspects = dict.fromkeys(self._suspects, time.monotonic())
                await patience.wait(error)
                continue
            self._forget_expired()
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _sweep_once(self) -> None:
        ids = await self._wire.call(self._commands.active_ids())
        tokens = await self._wire.call(self._commands.lock_tokens(ids)) if ids else []
        for raw_id, held in zip(ids, tokens, strict=True):
            token = held.decode("ascii", "replace") if held else ""
            if token in self._suspects and not self._is_running(token, raw_id):
                await self._hand_back(raw_id, token)

    async def _hand_back(self, raw_id: bytes, token: str) -> None:
        try:
            await self._wire.run([self._commands.hand_back(raw_id, token), self._commands.put_marker()])
            log.warning("put back one job of %s that an outage had left with nobody", line(self._commands.keys.queue))
        except LockLost:
            return

    def _forget_expired(self) -> None:
        oldest = time.monotonic() - self._commands.lock_ms / 1000
        self._suspects = {token: since for token, since in self._suspects.items() if since > oldest}
        if not self._suspects:
            self._suspected.clear()
