"""What a program may listen to: Django signals for the life of jobs and workers. docs/processors.md describes each.

Sending costs nothing where nobody listens. What a receiver raises is logged and harms no job.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

from django.dispatch import Signal

log = logging.getLogger("queues.signals")


class JobSignal(Signal):
    """Its receivers are plain functions, called where it is sent: on the event loop they must not block.

    `sender` is the processor's function, so that `connect(receiver, sender=send_mail)` hears of its jobs alone.
    """

    def connect(
        self, receiver: Callable[..., Any], sender: Any = None, weak: bool = True, dispatch_uid: Any = None
    ) -> None:
        """As Django's. Raises TypeError for an async function: waiting for it would hold up the job."""
        if inspect.iscoroutinefunction(receiver) or inspect.iscoroutinefunction(type(receiver).__call__):
            raise TypeError(f"{receiver!r} is async; receivers of Toril's signals are plain functions.")
        super().connect(receiver, sender, weak, dispatch_uid)

    def tell(self, sender: Any, **facts: Any) -> None:
        """Send it. Never raises."""
        if not self.receivers:
            return
        try:
            # Django logs what a receiver raises; only an Exception comes back as an answer.
            self.send_robust(sender, **facts)
        except BaseException:
            log.exception("A receiver of a signal of “%s” ended badly.", getattr(sender, "__qualname__", sender))


#: Just before a processor runs and just after it ended, where it runs: same thread, same context, same child process.
job_started = JobSignal()
job_finished = JobSignal()
#: In the worker, once Redis has it in writing: one of these for each run whose outcome was stored.
job_completed = JobSignal()
job_failed = JobSignal()
job_retried = JobSignal()
#: In the process that adds, once it was added.
job_added = JobSignal()
worker_started = JobSignal()
worker_stopped = JobSignal()
