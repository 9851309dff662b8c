"""Mirrors by the dozen: one process that has imported everything, and forks a `runmirror` for each line it reads.

Lines on standard input: `mirror` starts one, `verify` compares the rows with Redis and ends; each is answered by the
child's process id. A child's output goes to the file named by LOG, a comparison's to the one named by VERIFIED.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import django


def main() -> None:
    django.setup()
    # Children are gone when they have ended: a mirror that waits asks whether the leader's process is.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    works: dict[str, Callable[[], None]] = {"mirror": _mirror, "verify": _verify}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(works[line.strip()])
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _become(work: Callable[[], None]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(os.environ["LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _mirror() -> None:
    from django.core.management import call_command

    call_command("runmirror")


def _verify() -> None:
    from django.core.management import CommandError, call_command

    path = Path(os.environ["VERIFIED"])
    with path.with_suffix(".part").open("w") as out:
        try:
            call_command("queues", "verify", "--json", "--patience", "0s", stdout=out)
        except CommandError as error:
            # Differences: they are named in what was written.
            sys.stdout.write(f"{error}\n")
    path.with_suffix(".part").rename(path)


if __name__ == "__main__":
    main()
