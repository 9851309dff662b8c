"""A process of the house: in a session of its own, its output taken line by line and shown behind its name."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from house.voice import relay

LAST_LINES = 15
LONGEST_LINE = 2_000
CHUNK = 65_536


@dataclass(eq=False)
class Child:
    """What to run, and how.

    `is_quiet`: its output is kept for the day it dies, not shown. `may_end`: exit code 0 is no death. `is_shared`:
    another supervisor may live on it as well, and then it is left running.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    patience_s: float = 10.0
    is_quiet: bool = False
    may_end: bool = False
    is_shared: bool = False
    inherits: tuple[int, ...] = ()
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    _process: subprocess.Popen[bytes] | None = None
    _rest: bytes = b""
    _is_over: bool = False

    def start(self) -> None:
        # A session of its own: the terminal's Ctrl-C reaches the supervisor alone, which then ends all in order.
        self._process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=self.inherits,
        )
        os.set_blocking(self.output, False)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started.")
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> int:
        """The descriptor its output arrives on."""
        stream = self.process.stdout
        assert stream is not None  # noqa: S101
        return stream.fileno()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number where a signal ended it."""
        code = self.process.poll()
        if code is not None and not self._is_over:
            self._is_over = True
            self._kill_session()  # now, while its number cannot belong to anybody else
        return code

    @property
    def has_died(self) -> bool:
        """Whether it ended without being asked to."""
        return self.exit_code is not None and not (self.may_end and self.exit_code == 0)

    def relay_output(self) -> bool:
        """Take what has arrived; False once there will be no more."""
        try:
            arrived = os.read(self.output, CHUNK)
        except BlockingIOError:
            return True
        *lines, self._rest = (self._rest + arrived).split(b"\n")
        if self._rest and (not arrived or len(self._rest) > LONGEST_LINE):
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._take(line[:LONGEST_LINE].decode(errors="replace").rstrip())
        return bool(arrived)

    def ask_to_end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and whatever it started in its session, at once."""
        if self.exit_code is None:
            self._kill_session()

    def close(self) -> None:
        stream = self.process.stdout
        if stream is not None and not stream.closed:
            self.relay_output()
            stream.close()
        self.process.wait()

    def _kill_session(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _take(self, line: str) -> None:
        self.lines.append(line)
        if not self.is_quiet:
            relay(self.name, line)
