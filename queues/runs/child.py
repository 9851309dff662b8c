"""The child's side of `executor="process"`: runs one job after another in its main thread.

It dies with its worker: the socket's end says so, and on Linux the kernel too, should a C extension hold the
interpreter's lock.
"""

from __future__ import annotations

import contextvars
import faulthandler
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

import django

from queues import typed
from queues.errors import JobNotFound, TorilError
from queues.protocol.taken import TakenJob
from queues.runs import frames
from queues.runs.job import JobFacts, PlainJob, read_json
from queues.runs.outcome import Failed, Outcome, of_error, refusal
from queues.runs.threads import in_thread

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Order:
    """A job to run, and the function and data model for it, by their names."""

    taken: TakenJob
    queue: str
    function: tuple[str, str]
    model: tuple[str, str] | None
    timeout_s: float | None
    worker: str


def main(handle: int, parent: int) -> None:
    """Called by the worker (processes.py): `handle` is the socket's descriptor, `parent` the worker's process id."""
    _die_with(parent)
    # The death of a C extension says where.
    faulthandler.enable()
    # Stopping is the worker's: a Ctrl-C or a service manager's signal to the whole group must not cost a running job.
    # No SIG_IGN: programs that a processor starts would inherit it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, lambda *_: None)
    # Or whatever a processor starts would keep the socket open after this process's death.
    os.set_inheritable(handle, False)
    with socket.socket(fileno=handle) as end:
        child = Child(end)
        try:
            django.setup()
        except BaseException as error:
            child.say("broken", f"{type(error).__name__}: {error}")
            raise
        child.say("ready")
        child.work()


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Child:
    """1. A thread listens: orders, answers, cancellations, and the end of the worker.
    2. The main thread runs what was ordered.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._saying, self._asking = threading.Lock(), threading.Lock()
        self._job: ChildJob | None = None
        self._is_cancelled = False
        threading.Thread(target=self._listen, name="worker's words", daemon=True).start()

    def say(self, *words: Any) -> None:
        with self._saying:
            self._end.sendall(frames.pack(words))

    def ask(self, verb: str, *words: Any) -> Any:
        """Have the worker report, and wait until it has. Any thread of the processor may."""
        with self._asking:
            self.say("ask", verb, words)
            kind, answer = self._answers.get()
        if kind == "gone":
            raise JobNotFound(*answer)
        if kind == "error":
            raise TorilError(answer)
        return answer

    def work(self) -> None:
        while (order := self._orders.get()) is not None:
            self.say("began")
            outcome = self._run(order)
            has_seen, self._job = self._job is not None and self._job._has_seen, None
            self.say("done", outcome, has_seen)
            del order, outcome

    def _run(self, order: Order) -> Outcome:
        try:
            read = _reader(order.model)
            self._job = ChildJob(order, read(order.taken.data), Reports(self))
        except ValueError as error:
            return refusal(str(error))
        self._job._is_cancelled = self._is_cancelled
        try:
            function = found(order.function)
        except BaseException as error:
            return of_error(error)
        outcome = contextvars.copy_context().run(in_thread, function, self._job)
        # An exception may be anything, and the worker may not know its class.
        return replace(outcome, error=None) if isinstance(outcome, Failed) else outcome

    def _listen(self) -> None:
        while True:
            try:
                kind, *words = frames.receive(self._end)
            except (EOFError, OSError):
                break
            if kind == "run":
                self._is_cancelled = False
                self._orders.put(words[0])
            elif kind == "cancel":
                self._is_cancelled = True
                if (job := self._job) is not None:
                    job._is_cancelled = True
            else:
                self._answers.put((kind, words[0]))
        if self._job is not None:
            os._exit(1)
        self._orders.put(None)


class ChildJob(PlainJob[Any]):
    """A plain function's job whose reports go by way of the worker."""

    __slots__ = ()

    def __init__(self, order: Order, data: Any, reports: Reports) -> None:
        JobFacts.__init__(self, order.taken, order.queue, data, reports, order.timeout_s, order.worker)

    def _wait_for(self, reporting: Coroutine[Any, Any, Any]) -> Any:
        # It never waits: it blocks.
        try:
            reporting.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("a child's report waited")


class Reports:
    """A job's reports, by way of the worker. Coroutines in name only: they block."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def log(self, text: str) -> None:
        self._child.ask("log", text)

    async def progress(self, value_json: str) -> None:
        self._child.ask("progress", value_json)

    async def update_data(self, data_json: str) -> None:
        self._child.ask("update_data", data_json)

    async def notify(self, told: Sequence[str]) -> None:
        self._child.ask("notify", list(told))

    async def children(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._child.ask("children")
        return found


@cache
def _reader(model: tuple[str, str] | None) -> Callable[[bytes], Any]:
    return read_json if model is None else typed.reader("data", found(model))


def found(place: tuple[str, str]) -> Any:
    """What is called so, in a module called so."""
    module, names = place
    thing: Any = import_module(module)
    for name in names.split("."):
        thing = getattr(thing, name)
    return thing
