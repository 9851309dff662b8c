"""What a program changed here, it sees at once: shared readings of a queue are begun anew after each action on it."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from queues.errors import TorilError
from queues.lookups.snapshot import refresh

_changed: Counter[tuple[str, str]] = Counter()


def turn_of(connection: str, queue: str) -> int:
    """Part of the key under which readings of the queue are shared."""
    return _changed[connection, queue]


async def changed(connection: str, *queues: str) -> None:
    """Called after an action. Never raises: what was done is done."""
    for queue in queues:
        _changed[connection, queue] += 1
    with suppress(TorilError):
        await refresh(connection, queues)
