"""Runs the children of one start and ends them in order.

Its duties: 1. start children, each in a phase; 2. show their output; 3. notice one that dies; 4. obey SIGINT, SIGTERM
and SIGHUP; 5. end the phases in reverse, the next only when the last is gone. All in one thread; nothing here blocks.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType

from house.child import Child
from house.keeper import SHARED, Keeper
from house.voice import is_heard, say

# How long to sleep when nothing is said: short while something is awaited, long once all stands.
TICK_S = 0.05
IDLE_S = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A person or program asked for the end, or nobody listens any more."""


class ChildDied(Exception):
    """A child ended unasked."""

    def __init__(self, child: Child) -> None:
        code = child.exit_code or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        super().__init__(f"“{child.name}” {how}")
        self.child = child


class Supervisor:
    """Use as a context: leaving it, however that comes about, ends every child."""

    def __init__(self, keeper: Keeper, is_last: Callable[[], bool]) -> None:
        self.keeper, self._is_last = keeper, is_last
        self.phases: list[list[Child]] = []
        self.asked = 0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Supervisor:
        # Set explicitly: a shell that starts us in the background leaves SIGINT ignored.
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                signal.signal(number, self._note)
        self._woken, wake = os.pipe()
        for end in (self._woken, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake)
        self._selector.register(self._woken, selectors.EVENT_READ)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.keeper.dismiss()
        signal.set_wakeup_fd(-1)
        self._selector.close()

    def start(self, children: Iterable[Child]) -> None:
        """Start these together, as one phase."""
        phase: list[Child] = []
        self.phases.append(phase)
        for child in children:
            child.start()
            phase.append(child)
            self.keeper.watch(child.pid, SHARED if child.is_shared else len(self.phases), child.patience_s)
            self._selector.register(child.output, selectors.EVENT_READ, child)

    def run_to_end(self, child: Child) -> None:
        """Start one that has its work to do and ends. Raises as `run_until` does."""
        self.start([child])
        self.run_until(lambda: child not in self.phases[-1])

    def run_until(self, is_reached: Callable[[], bool] = lambda: False, timeout_s: float | None = None) -> bool:
        """Watch over the children until `is_reached()`; False if that took too long.

        Raises Interrupted or ChildDied as soon as that happens.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._look_after()
            if is_reached():
                return True
            if deadline is not None and time.monotonic() > deadline:
                return False
            self.turn(IDLE_S if deadline is None else TICK_S)

    def turn(self, longest_s: float) -> None:
        """Show what arrives within a moment."""
        for key, _ in self._selector.select(longest_s):
            if key.data is None:
                os.read(self._woken, 1024)
            elif not key.data.relay_output():
                self._selector.unregister(key.fd)

    def stop(self) -> None:
        """End every phase, the last one first. Callable twice."""
        while self.phases:
            phase = [child for child in self.phases.pop() if not child.is_shared or self._is_last()]
            self._end(phase)
            for child in phase:
                self._bury(child)

    def _end(self, phase: list[Child]) -> None:
        running = [child for child in phase if child.exit_code is None]
        if running:
            say("stopping", ", ".join(child.name for child in running))
        for child in running:
            child.ask_to_end()
        began, asked = time.monotonic(), self.asked
        while running := [child for child in running if child.exit_code is None]:
            for child in running:
                if self.asked > asked or time.monotonic() > began + child.patience_s:
                    say("killing", f"{child.name}, which did not end")
                    child.kill()
            self.turn(0.05)

    def _bury(self, child: Child) -> None:
        if child.output in self._selector.get_map():
            self._selector.unregister(child.output)
        self.keeper.forget(child.pid)
        child.close()

    def _look_after(self) -> None:
        if self.asked or not is_heard():
            raise Interrupted
        for phase in self.phases:
            for child in [child for child in phase if child.exit_code is not None]:
                self.turn(0)
                if child.has_died:
                    raise ChildDied(child)
                phase.remove(child)
                self._bury(child)
                if not child.is_quiet:
                    say(child.name, "has ended")

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1
