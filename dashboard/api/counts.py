"""How many jobs of a queue are where, as the older paths tell it: few states, which add up to their total."""

from __future__ import annotations

from queues.models import Queue


def counts(queue: Queue) -> dict[str, int]:
    """`waiting` is everything that waits for its turn: by priority, and for children, too."""
    told = {
        "waiting": queue.waiting + queue.prioritized + queue.waiting_children,
        "active": queue.active,
        "completed": queue.completed,
        "failed": queue.failed,
        "delayed": queue.delayed,
    }
    return told | {"total": sum(told.values())}
