"""Ends the children in order where their supervisor was killed and could not.

The supervisor starts this file as a process of its own and tells it, line by line through a pipe, which children live.
When the pipe closes without a word of dismissal, the supervisor is dead, and the keeper does what it would have done.
Standard library alone and no package around it: it must be small, for it waits as long as the house stands.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

SHARED = 0  # the phase of what another supervisor may live on as well: the last to end
SHARED_PATIENCE_S = 30.0
GRACE_S = 5.0
DISMISSED = "dismissed"


class Keeper:
    """The supervisor's end of the pipe."""

    def __init__(self, lock_file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(lock_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def watch(self, pid: int, phase: int, patience_s: float) -> None:
        self._tell(f"{pid} {phase} {patience_s}")

    def watch_shared(self, pid: int) -> None:
        """One that was running before, and that other supervisors may live on too."""
        self.watch(pid, SHARED, SHARED_PATIENCE_S)

    def forget(self, pid: int) -> None:
        self._tell(str(pid))

    def dismiss(self) -> None:
        self._tell(DISMISSED)
        with contextlib.suppress(OSError):
            self._process.communicate()

    def _tell(self, line: str) -> None:
        # A keeper that was killed is missed only if the supervisor is killed as well.
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None  # noqa: S101
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def keep(lines: Iterable[str], lock_file: str) -> None:
    """Follow the supervisor's words to their end; then, unless dismissed, end who is left, the last phase first."""
    children: dict[int, tuple[int, float]] = {}
    for line in lines:
        words = line.split()
        if words == [DISMISSED]:
            return
        if len(words) == 1:
            children.pop(int(words[0]), None)
        else:
            children[int(words[0])] = (int(words[1]), float(words[2]))
    for phase in sorted({phase for phase, _ in children.values()}, reverse=True):
        # The lock is shared by every supervisor of this folder: while another lives, its Valkey stays.
        if phase == SHARED and not _is_last(lock_file):
            continue
        _end({pid: patience_s for pid, (its_phase, patience_s) in children.items() if its_phase == phase})


def _end(children: dict[int, float]) -> None:
    began = time.monotonic()
    for pid in children:
        _send(os.kill, pid, signal.SIGTERM)
    # An end to the waiting, for what not even SIGKILL ends.
    while time.monotonic() < began + max(children.values()) + GRACE_S and any(map(_lives, children)):
        for pid, patience_s in children.items():
            if time.monotonic() > began + patience_s:
                _send(os.killpg, pid, signal.SIGKILL)
        time.sleep(0.05)
    for pid in children:
        _send(os.killpg, pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        # The orphaned dead are buried by init when it likes, or by nobody in a container without one.
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] != "Z"


def _send(send: Callable[[int, int], None], pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(pid, number)


def _is_last(lock_file: str) -> bool:
    # Held until this process ends: a start that comes now waits until Valkey is down, then starts it anew.
    held = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    keep(sys.stdin, sys.argv[1])
