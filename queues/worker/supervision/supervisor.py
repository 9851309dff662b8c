"""Keeps a fleet of worker processes: starts, watches, replaces and ends them. It takes no jobs itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from queues.errors import ConfigurationError
from queues.worker import probes, reload
from queues.worker.link import DONE, HURRY, READY, RECYCLE, RECYCLING
from queues.worker.supervision.fleet import Fleet
from queues.worker.supervision.offspring import Offspring
from queues.worker.supervision.roster import Roster
from queues.worker.supervision.slot import Slot
from queues.worker.supervision.surroundings import bury_orphans, has_terminal
from queues.worker.supervision.voice import Voice

LOOK_EVERY_S = 0.5
#: Imports may load large models; a child that has no job yet harms nothing.
STARTING_S = 300.0
#: So many starts in a row that came to nothing, and nobody is left: it would never work.
HOPELESS = 5
#: Cancelling, handing back and closing, after the drain.
AFTERWARDS_S = 10.0
SECOND_SIGNAL_S = 2.0
#: From the best to the worst a child may end with.
WORST = (0, 3, 1)


class Supervisor:
    """1. Fill the slots; at first with one child, which shows whether any can start.
    2. Replace what died (with growing pauses where it dies soon), froze, grew too large, or has run its jobs.
    3. At SIGHUP or a changed file: a successor for one child after the other, each when the one before is ready.
    4. Pass on SIGTERM, SIGINT, SIGTSTP and SIGCONT; end with the worst of the children's exit codes.
    5. Answer probes for all.
    6. As the first process of a container, bury what others left.
    """

    def __init__(self, fleet: Fleet, voice: Voice) -> None:
        self._fleet, self._voice = fleet, voice
        self._slots = [Slot() for _ in range(fleet.processes)]
        self._children: list[Offspring] = []
        self._roster = Roster(self._children)
        self._file = probes.HealthFile(Path(fleet.health_file), voice.warning) if fleet.health_file else None
        self._written = float("-inf")
        self._spawned = self._failed_starts = 0
        self._has_started = False
        #: Slots whose children are to be replaced by new ones, one at a time.
        self._rolling: list[Slot] = []
        self._codes: list[int] = []
        self._signals = 0
        self._deadline: float | None = None
        self._result: int | None = None
        self._had_terminal = has_terminal()

    async def run(self) -> int:
        loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        listening = probes.listen(self._fleet.health_port) if self._fleet.health_port else None
        handlers: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self._end,
            signal.SIGINT: self._end,
            signal.SIGHUP: self._hung_up,
            signal.SIGTSTP: lambda: self._pass_on(signal.SIGTSTP),
            signal.SIGCONT: lambda: self._pass_on(signal.SIGCONT),
            signal.SIGCHLD: self._news.set,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        answering = asyncio.create_task(probes.answer(listening, self._roster.report)) if listening else None
        if self._fleet.watch:
            reload.watch(self._fleet.watch, lambda path: self._tell(loop, path))
        self._voice.info(f"supervisor {os.getpid()} starts {self._fleet.processes} worker processes")
        try:
            return await self._supervise()
        finally:
            if answering is not None:
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
            if self._file is not None:
                self._file.remove()

    async def _supervise(self) -> int:
        while self._result is None:
            self._look()
            self._keep_file()
            if self._result is None:
                try:
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self._news.wait()
                except TimeoutError:
                    pass
                self._news.clear()
        return self._result

    def _keep_file(self) -> None:
        if self._file is not None and time.monotonic() - self._written >= probes.WRITE_EVERY_S:
            self._written = time.monotonic()
            self._file.write(self._roster.report())

    def _look(self) -> None:
        """See to everything once; called at every news and every half second."""
        now = time.monotonic()
        bury_orphans({child.pid for child in self._children})
        for child in list(self._children):
            if (code := child.exit_code) is not None:
                self._ended(child, code, now)
            else:
                self._check_beat(child, now)
        if self._deadline is not None:
            self._see_them_off(now)
            return
        for slot in self._slots:
            self._check_phase(slot)
        self._weigh()
        self._roll()
        self._fill(now)
        if all(slot.is_over for slot in self._slots) and not self._children:
            self._result = _worst(self._codes)

    # --- one child

    def _spawn(self, slot: Slot) -> Offspring:
        taken = {child.index for child in self._children}
        index = next(number for number in range(1, len(taken) + 2) if number not in taken)
        ours, theirs = socket.socketpair()
        first_of_all = self._spawned < self._fleet.processes
        self._spawned += 1
        child = Offspring(index, self._fleet.child(index, theirs.fileno(), first_of_all), ours, theirs)
        self._children.append(child)
        asyncio.get_running_loop().add_reader(child.socket, self._hear, child)
        return child

    def _hear(self, child: Offspring) -> None:
        if not child.hear():
            # It has closed its end, and perhaps runs on: its exit is noticed as an exit.
            asyncio.get_running_loop().remove_reader(child.socket)
        if child.started is not None and not self._has_started:
            self._has_started = True
        self._news.set()

    def _check_beat(self, child: Offspring, now: float) -> None:
        limit_s = STARTING_S if child.started is None else self._fleet.frozen_after_s
        # What lies in its socket may be older than this look: this process itself may have slept.
        if now - child.heard > limit_s and not child.hear():
            self._voice.error(f"{child} has not been heard for {limit_s:g} s: it is frozen and is killed")
            child.signal(signal.SIGKILL)

    def _check_phase(self, slot: Slot) -> None:
        """A child that takes no more jobs makes room for its successor while it finishes those that it has."""
        child = slot.child
        if child is not None and child.phase in (RECYCLING, DONE):
            child.is_retired = True
            slot.child, slot.is_over = None, child.phase == DONE
            slot.not_before = 0.0

    def _ended(self, child: Offspring, code: int, now: float) -> None:
        self._children.remove(child)
        asyncio.get_running_loop().remove_reader(child.socket)
        while child.hear():
            continue
        child.close()
        slot = next((slot for slot in self._slots if child in (slot.child, slot.successor)), None)
        if slot is not None:
            self._check_phase(slot)
        if self._deadline is not None or child.phase == DONE:
            self._codes.append(0 if child.started is None else code)
        elif not child.is_retired and slot is not None:
            self._mourn(slot, child, code, now)

    def _mourn(self, slot: Slot, child: Offspring, code: int, now: float) -> None:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if slot.successor is child:
            self._forget_successors(f"{child} {how} before it was ready; what runs stays as it is{self._till_when()}")
            return
        if slot.successor is not None:
            self._rolling.remove(slot)
        slot.child, slot.successor = slot.successor, None
        pause_s = slot.pause_s(0.0 if child.started is None else now - child.started)
        self._failed_starts = 0 if child.started is not None else self._failed_starts + 1
        if self._is_hopeless(child, code):
            self._voice.error(f"{child} {how} before it could take jobs; none is running, and the supervisor ends")
            self._result = 1
        elif self._fleet.watch and child.started is None:
            slot.not_before = float("inf")
            self._voice.error(f"{child} {how} before it could take jobs{self._till_when()}")
        else:
            slot.not_before = now + pause_s
            self._voice.warning(f"{child} {how}; another starts {f'in {pause_s:g} s' if pause_s else 'at once'}")

    def _is_hopeless(self, child: Offspring, code: int) -> bool:
        """Exit code 1 at the very first start is a mistake that the child has named; others may pass."""
        if self._children or self._fleet.watch or child.started is not None:
            return False
        return self._failed_starts >= HOPELESS or (code == 1 and not self._has_started)

    def _till_when(self) -> str:
        return "; waiting for the next change" if self._fleet.watch else ""

    # --- the fleet

    def _fill(self, now: float) -> None:
        for slot in self._slots:
            if slot.child is not None or slot.successor is not None or slot.is_over or now < slot.not_before:
                continue
            if not self._has_started and self._children:
                return  # the first shows whether any can start
            slot.child = self._spawn(slot)

    def _weigh(self) -> None:
        most = self._fleet.max_rss_mib
        if most is None or any(slot.child is None or slot.child.phase != READY for slot in self._slots):
            return
        for slot in self._slots:
            if slot.child is not None and slot.child.rss_mib > most:
                self._voice.info(f"{slot.child} has grown to {slot.child.rss_mib:.0f} MiB; it is replaced")
                slot.child.order(RECYCLE)
                slot.child.is_retired, slot.child = True, None
                return

    def restart(self, why: str) -> None:
        """A successor for each, one after the other; one that is under way already is not new enough."""
        self._voice.info(f"{why}: all worker processes are replaced, one after the other")
        for slot in self._slots:
            slot.failures, slot.not_before = 0, 0.0
            if slot.successor is not None:
                slot.successor.retire()
                slot.successor = None
        self._rolling = [slot for slot in self._slots if slot.child is not None]

    def _roll(self) -> None:
        while self._rolling:
            slot = self._rolling[0]
            if slot.successor is None:
                if slot.child is None:
                    self._rolling.pop(0)
                    continue
                slot.successor = self._spawn(slot)
            if slot.successor.phase != READY:
                return
            if slot.child is not None:
                slot.child.retire()
            slot.child, slot.successor = slot.successor, None
            self._rolling.pop(0)

    def _forget_successors(self, why: str) -> None:
        for slot in self._slots:
            slot.successor = None
        self._rolling.clear()
        self._voice.error(why)

    # --- signals

    def _end(self) -> None:
        self._signals += 1
        now = time.monotonic()
        if self._signals == 1:
            self._rolling.clear()
            self._deadline = now + self._fleet.drain_timeout_s + AFTERWARDS_S
            for child in self._children:
                child.retire()
        elif self._signals == 2:
            self._deadline = now + SECOND_SIGNAL_S
            for child in self._children:
                child.order(HURRY)
        else:
            self._deadline = now
        self._news.set()

    def _see_them_off(self, now: float) -> None:
        if not self._children:
            self._result = _worst(self._codes)
            self._voice.info(f"supervisor {os.getpid()} ends (exit code {self._result})")
        elif self._deadline is not None and now > self._deadline:
            for child in self._children:
                self._voice.error(f"{child} did not end in time and is killed")
                child.signal(signal.SIGKILL)

    def _hung_up(self) -> None:
        if self._had_terminal and not has_terminal():
            self._end()
        elif self._deadline is None:
            self.restart("SIGHUP")
            self._news.set()

    def _tell(self, loop: asyncio.AbstractEventLoop, path: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and this process with it
            loop.call_soon_threadsafe(self._changed, path)

    def _changed(self, path: str) -> None:
        if self._deadline is None:
            self.restart(f"{os.path.relpath(path)} has changed")
            self._news.set()

    def _pass_on(self, number: int) -> None:
        for child in self._children:
            child.signal(number)


def main(told: str) -> int:
    fleet = Fleet.read(told)
    voice = Voice(fleet.log_level, fleet.is_json)
    try:
        return asyncio.run(Supervisor(fleet, voice).run())
    except ConfigurationError as error:
        voice.error(str(error))
        return 1
    finally:
        voice.close()


def _worst(codes: list[int]) -> int:
    known = [code if code in WORST else 1 for code in codes]
    return max(known, key=WORST.index, default=0)
