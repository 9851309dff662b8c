"""Everything Toril does that would make sense with no browser in the world."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queues.processors import processor
    from queues.producer import queue
    from queues.runs.job import Job, PlainJob

__all__ = ["Job", "PlainJob", "processor", "queue"]
_ROOMS = {"processor": "processors", "queue": "producer", "Job": "runs.job", "PlainJob": "runs.job"}


def __getattr__(name: str) -> Any:
    # Imported on first use: Django loads this package before its settings are ready.
    if name not in _ROOMS:
        raise AttributeError(name)
    return getattr(import_module(f"queues.{_ROOMS[name]}"), name)
