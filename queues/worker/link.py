"""A worker process's line to its supervisor: it says how it is, and hears orders and that nobody is left to give them.

Lines of JSON upwards, single words downwards, over a socket pair of this child's own.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator

from queues.worker.probes import Report

#: Orders. LOST is what its end makes of the line's breaking.
HURRY, RECYCLE, LOST = "hurry", "recycle", "lost"
#: What a child says of itself. RECYCLING: it takes no more jobs, and wants a successor; DONE: and wants none.
STARTING, STARTED, READY, RECYCLING, DONE = "starting", "started", "ready", "recycling", "done"


class Link:
    """`obey` is called in a thread of its own, so that a blocked loop is no excuse."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._unsent = b""
        self._lock = threading.Lock()
        self._phase = STARTING
        self._obey: Callable[[str], None] = _before_work
        threading.Thread(target=self._hear, name="supervisor", daemon=True).start()

    def obey(self, by: Callable[[str], None]) -> None:
        """`by` is called with each order from now on; before, a process that has no job yet ends at HURRY and LOST."""
        self._obey = by

    def enter(self, phase: str) -> None:
        self._phase = phase
        self._send({"phase": phase})

    def beat(self, report: Report) -> None:
        verdicts = {"live": report.live, "ready": report.ready}
        told = {name: [verdict.ok, verdict.reasons] for name, verdict in verdicts.items()}
        self._send({"phase": self._phase, **told, "facts": report.facts})

    def _send(self, message: dict[str, object]) -> None:
        """Never waits: where the supervisor does not read, this is dropped, and the next says it all again."""
        with self._lock:
            self._unsent = self._unsent or json.dumps(message).encode() + b"\n"
            try:
                sent = self._socket.send(self._unsent, socket.MSG_DONTWAIT)
            except OSError:
                return
            self._unsent = self._unsent[sent:]

    def _hear(self) -> None:
        for order in self._orders():
            self._obey(order)

    def _orders(self) -> Iterator[str]:
        heard = b""
        while True:
            try:
                arrived = self._socket.recv(1024)
            except OSError:
                arrived = b""
            if not arrived:
                yield LOST
                return
            *lines, heard = (heard + arrived).split(b"\n")
            yield from (order.decode() for order in lines)


def _before_work(order: str) -> None:
    if order in (HURRY, LOST):
        os._exit(0)
