"""This process's runner: there is one, from the first job that is added (or the web's start) to the process's end."""

from __future__ import annotations

import atexit
import os
import threading

from queues import processors
from queues.errors import ConfigurationError
from queues.inprocess.runner import GRACE_S, Runner

#: So long whoever adds a job waits for processors that another thread imports.
IMPORT_S = 60.0

_lock = threading.Lock()
_runner: Runner | None = None
_is_at_exit = False


def runner() -> Runner:
    """The running one, started if it is not. Raises ConfigurationError for a `jobs.py` that cannot be imported."""
    global _runner
    if not _lock.acquire(timeout=IMPORT_S):
        why = "does a jobs.py add jobs while it is imported?"
        raise ConfigurationError(f"The processors were not imported within {IMPORT_S:g} s; {why}")
    try:
        if _runner is None or not _runner.is_alive:
            processors.autodiscover()
            _stop_at_exit()
            started = Runner(processors.registry)
            started.start()
            _runner = started
        return _runner
    finally:
        _lock.release()


def cancel_job(queue: str, job_id: str, reason: str, retry: bool = False) -> bool:
    """End a job that runs in this very process: it fails with exactly this reason, for good unless `retry`.

    Whether it ran here.
    """
    return runner().cancel_job(queue, job_id, reason, retry)


def use(given: Runner | None) -> Runner | None:
    """Put another in its place, for tests; the one that was there before."""
    global _runner
    with _lock:
        before, _runner = _runner, given
        return before


def stop(grace_s: float = GRACE_S) -> None:
    """Let running jobs end, give back the rest. Callable twice; the next add starts anew."""
    if (running := use(None)) is not None:
        running.stop(grace_s)


def _stop_at_exit() -> None:
    global _is_at_exit
    if not _is_at_exit:
        _is_at_exit = True
        # Ordinary exit functions come when no thread pool takes work any more, and jobs that are to end need theirs.
        register = getattr(threading, "_register_atexit", atexit.register)
        register(stop)


def _forget() -> None:
    """A forked child has the parent's memory but none of its threads."""
    global _runner, _is_at_exit, _lock
    _runner, _is_at_exit, _lock = None, False, threading.Lock()


os.register_at_fork(after_in_child=_forget)
