"""A supervisor's child: a process of its own session, its line to the supervisor, and its output passed on by lines."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

from queues.worker.link import READY, STARTING

CHUNK = 65_536
#: Without a line break for so long it is passed on all the same.
LONGEST_LINE = 1_048_576
FLUSH_S = 0.3
_OUTPUTS = {1: threading.Lock(), 2: threading.Lock()}


class Offspring:
    """`is_retired`: it was asked to end, or ends of its own accord; nobody mourns it."""

    def __init__(self, index: int, command: Sequence[str], ours: socket.socket, theirs: socket.socket) -> None:
        self.index, self.is_retired = index, False
        self.began = self.heard = time.monotonic()
        self.started: float | None = None
        self.phase, self.was_ready, self.report = STARTING, False, dict[str, Any]()
        self.socket = ours
        ours.setblocking(False)
        # A session of its own: the terminal's Ctrl-C reaches the supervisor alone, which passes it on once.
        self._process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        pipes = ((self._process.stdout, 1), (self._process.stderr, 2))
        self._relays = [threading.Thread(target=_relay, args=words, daemon=True) for words in pipes]
        for relay in self._relays:
            relay.start()
        self._rest = b""

    def __str__(self) -> str:
        return f"process {self.index} (pid {self.pid})"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number where a signal ended it."""
        return self._process.poll()

    @property
    def rss_mib(self) -> float:
        return float(self.report.get("facts", {}).get("rss_mib", 0))

    def hear(self) -> bool:
        """Take what has arrived on its line; False where there is nothing, or will be no more."""
        try:
            arrived = self.socket.recv(CHUNK)
        except OSError:
            arrived = b""
        if arrived:
            self.heard = time.monotonic()
        *lines, self._rest = (self._rest + arrived).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        return bool(arrived)

    def _take(self, message: dict[str, Any]) -> None:
        self.phase = message.pop("phase")
        if message:
            self.report = message
        if self.started is None and self.phase != STARTING:
            self.started = time.monotonic()
        self.was_ready = self.was_ready or self.phase == READY

    def order(self, word: str) -> None:
        with contextlib.suppress(OSError):
            self.socket.send(word.encode() + b"\n")

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def retire(self) -> None:
        """Let it finish what it runs and end."""
        self.is_retired = True
        self.signal(signal.SIGTERM)
        # Or one that was stopped would not even hear it.
        self.signal(signal.SIGCONT)

    def close(self) -> None:
        """After its end: what it said last has been passed on, unless a process of its own still holds its output."""
        self._process.wait()
        self.socket.close()
        for relay in self._relays:
            relay.join(FLUSH_S)


def write_line(line: str) -> None:
    """To stderr, between the children's lines and never within one."""
    _write(2, line.encode(errors="replace") + b"\n")


def _relay(pipe: Any, target: int) -> None:
    """Pass on whole lines, each stretch in one piece. What cannot be written is dropped: no job waits for its log."""
    rest = b""
    with pipe:
        while arrived := os.read(pipe.fileno(), CHUNK):
            rest += arrived
            end = rest.rfind(b"\n") + 1 or (len(rest) if len(rest) > LONGEST_LINE else 0)
            if end:
                _write(target, rest[:end])
                rest = rest[end:]
    if rest:
        _write(target, rest + b"\n")


def _write(target: int, data: bytes) -> None:
    with _OUTPUTS[target], contextlib.suppress(OSError):
        while data:
            data = data[os.write(target, data) :]
