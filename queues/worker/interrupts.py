"""What ends a worker process or lets it rest: signals, its supervisor's orders, and deadlines that hold even when its
loop stands still.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from queues.errors import TorilError
from queues.runs.journal import line
from queues.worker.engine import Engine
from queues.worker.health import Health, say_beside
from queues.worker.link import HURRY, LOST, RECYCLE
from queues.worker.worker import Worker

log = logging.getLogger("queues.worker")

#: Without a supervisor nobody knows of this process: it is to be gone within five seconds.
ORPHAN_DRAIN_S = 1.5
ORPHAN_S = 4.5
#: Cancelling, handing back and closing, after the drain.
AFTERWARDS_S = 8.0
SECOND_SIGNAL_S = 1.5
#: How long a loop that is to stop may stand before its jobs are handed back beside it.
GRACE_S = 0.5
GUARD_EVERY_S = 0.25
HAND_BACK_S = 0.7


class Interrupts:
    """1. SIGTERM, SIGINT, SIGHUP: `stop` is set; a second one hurries; a third ends the process there and then.
    2. SIGTSTP: quiet; SIGCONT takes that back.
    3. A supervisor's orders, from its link's thread; then repeated signals count once, for several may pass them on.
    4. Where the loop stands still past the deadline, hand the jobs back beside it and end.

    A thread reads what the interpreter's own handler notes. Python's handlers run in the main thread, and one that came
    just before a processor went to sleep there would be heard when it wakes.
    """

    def __init__(
        self,
        worker: Worker,
        health: Health,
        drain_timeout_s: float,
        end: Callable[[int], None],
        *,
        unfinished: int,
        is_last: bool,
    ) -> None:
        """`is_last`: the process ends with this worker, so that what comes after must not change its exit code."""
        self._worker, self._health, self._end, self._unfinished = worker, health, end, unfinished
        self._loop = asyncio.get_running_loop()
        self.stop, self.recycle = asyncio.Event(), asyncio.Event()
        self.drain_timeout_s = drain_timeout_s
        self.is_supervised, self._is_last = False, is_last
        self._count = 0
        self._is_resting = False
        self._deadline: float | None = None
        self._before: dict[int, Any] = {}
        self._answers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self._ended,
            signal.SIGINT: self._ended,
            signal.SIGHUP: self._ended,
            signal.SIGTSTP: self._rested,
            signal.SIGCONT: self._resumed,
        }
        self._timers: list[threading.Timer] = []
        worker.aside.add("guard", self._guard)

    def __enter__(self) -> Interrupts:
        for number in self._answers:
            # nohup means it
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _noted)
        self._heard, self._told = socket.socketpair()
        self._told.setblocking(False)
        self._loops = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        self._listener = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._loops)
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self._is_last else handler)
        self._told.close()
        self._listener.join()
        self._heard.close()
        for timer in self._timers:
            timer.cancel()

    def begin(self) -> None:
        """As the first SIGTERM does; in any thread."""
        self._begin()

    def order(self, order: str) -> None:
        """From the supervisor, in any thread."""
        if order == RECYCLE:
            self._call(self.recycle.set)
        elif order == HURRY:
            self._hurry()
        elif order == LOST:
            say_beside(log.error, "worker %s has lost its supervisor and stops", self._worker.name)
            self.drain_timeout_s = min(self.drain_timeout_s, ORPHAN_DRAIN_S)
            self._begin()
            self._later(ORPHAN_DRAIN_S, self._hurry)
            self._later(ORPHAN_S, self._end, self._unfinished)

    # --- signals, in their thread

    def _listen(self) -> None:
        while numbers := self._heard.recv(64):
            for number in numbers:
                if number in self._before:
                    self._answers[signal.Signals(number)]()
            if self._loops >= 0:
                # The loop's own, in case somebody waits for a signal there.
                with contextlib.suppress(OSError):
                    os.write(self._loops, numbers)

    def _ended(self) -> None:
        self._count += 1
        if self._count == 1:
            self._begin()
        elif self.is_supervised:
            return
        elif self._count == 2:
            self._hurry()
        else:
            os._exit(self._unfinished)

    def _rested(self) -> None:
        self._is_resting = True
        self._call(self._rest)

    def _resumed(self) -> None:
        # After a SIGSTOP too; it undoes no other quiet than SIGTSTP's.
        if self._is_resting and self._deadline is None:
            self._is_resting = False
            self._call(self._resume)

    def _rest(self) -> None:
        log.info("worker %s is quiet: no new jobs, %d run on", self._worker.name, self._worker.running)
        self._worker.quiet()

    def _resume(self) -> None:
        log.info("worker %s takes jobs again", self._worker.name)
        self._worker.resume()

    # --- the ways to an end

    def _begin(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + self.drain_timeout_s
            self._later(self.drain_timeout_s + AFTERWARDS_S, self._end, self._unfinished)
        self._call(self.stop.set)

    def _hurry(self) -> None:
        self._deadline = time.monotonic()
        self._call(self.stop.set)
        self._call(self._worker.hurry)
        self._later(SECOND_SIGNAL_S, self._end, self._unfinished)

    def _later(self, seconds: float, what: Callable[..., None], *words: int) -> None:
        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), what, words)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _call(self, what: Callable[[], None]) -> None:
        # The loop may be closed when a late signal comes.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)

    # --- in the aside's thread

    async def _guard(self) -> None:
        while True:
            await asyncio.sleep(GUARD_EVERY_S)
            is_due = self._deadline is not None and time.monotonic() > self._deadline + GRACE_S
            if is_due and self._health.stands_s > GRACE_S:
                await self._hand_back()
                self._end(self._unfinished)

    async def _hand_back(self) -> None:
        """What the loop should do and cannot. A job that ends meanwhile has its outcome refused."""
        count = 0
        for engine in self._worker.engines:
            try:
                async with asyncio.timeout(HAND_BACK_S):
                    count += await self._hand_back_all(engine)
            except (TimeoutError, TorilError):
                say_beside(
                    log.error, "Redis is away: jobs of %s stay active until their locks expire", line(engine.name)
                )
        say_beside(log.warning, "%d jobs are unfinished and the loop stands still; handed them back", count)

    async def _hand_back_all(self, engine: Engine) -> int:
        """As Redis knows them: some may lie in the socket that the loop does not read."""
        wire, commands = self._worker.aside.wire, engine.commands
        ids = await wire.call(commands.active_ids())
        tokens = await wire.call(commands.lock_tokens(ids)) if ids else []
        owner, running = self._worker.id.encode(), engine.running.copy()
        ours = [
            (raw_id, token.decode())
            for raw_id, token in zip(ids, tokens, strict=True)
            if token is not None and token.startswith(owner)
        ]
        rest = [job for job in ours if not ((run := running.get(job[1])) and run.is_committing)]
        await wire.run([*(commands.hand_back(*job) for job in rest), commands.put_marker()], return_errors=True)
        return len(rest)


def _noted(number: int, frame: FrameType | None) -> None:
    """The interpreter has told the listener already."""
