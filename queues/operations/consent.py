"""Whether whoever began an operation may still do it: asked when it is taken up, and again and again while it runs.

Rights are the dashboard's to know; it adds to `asks`.
"""

from __future__ import annotations

from collections.abc import Callable

from queues.models import Operation

#: So old an answer may be.
ASKED_EVERY_S = 2.0
#: Each says why not, in a sentence; empty where they may. Synchronous, outside a transaction.
asks: list[Callable[[Operation], str]] = []


def refusal(row: Operation) -> str:
    """Why it must not go on; empty where it may."""
    return next(filter(None, (ask(row) for ask in asks)), "")
