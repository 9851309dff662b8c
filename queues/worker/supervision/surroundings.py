"""Where a supervisor runs: at a terminal, and as the first process of a container."""

from __future__ import annotations

import os


def has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def bury_orphans(ours: set[int]) -> None:
    """What others left to the first process of a container. Our own are left to be asked for their exit codes."""
    while os.getpid() == 1:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in ours:
            return
        os.waitpid(ended.si_pid, os.WNOHANG)
