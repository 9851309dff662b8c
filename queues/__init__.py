"""Everything Toril does that would make sense with no browser in the world."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queues.processors import processor
    from queues.producer import queue

__all__ = ["processor", "queue"]


def __getattr__(name: str) -> Any:
    # Imported on first use: Django loads this package before its settings are ready.
    if name == "processor":
        from queues.processors import processor

        return processor
    if name == "queue":
        from queues.producer import queue

        return queue
    raise AttributeError(name)
