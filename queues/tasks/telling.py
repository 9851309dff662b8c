"""Sends the API's signals. What a receiver raises is logged, and harms neither a task nor whoever enqueues it."""

from __future__ import annotations

import weakref
from typing import Any

from django.dispatch import Signal

#: Where the API's own receivers are, which write a line to the log and nothing else.
_LOGGING = ("django.tasks.signals", "django_tasks.signals")


def tell(signal: Signal, sender: type[Any], result: Any) -> None:
    signal.send_robust(sender, task_result=result)


async def atell(signal: Signal, sender: type[Any], result: Any) -> None:
    """On the event loop. Receivers may block, so they run in a thread, which costs more than many a task."""
    if all(_only_logs(entry[1]) for entry in signal.receivers):
        signal.send_robust(sender, task_result=result)
    else:
        await signal.asend_robust(sender, task_result=result)


def _only_logs(receiver: Any) -> bool:
    function = receiver() if isinstance(receiver, weakref.ReferenceType) else receiver
    return getattr(function, "__module__", "") in _LOGGING
