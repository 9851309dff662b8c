"""Adds jobs and steers queues: `await queue("chat").add(name, data)`. Everything is checked before it is written."""

from queues.producer.carrier import Carrier, carrier, install
from queues.producer.checks import MAX_INTEGER, MAX_PRIORITY, NO_DATA, AddOptions
from queues.producer.handle import QueueHandle, queue
from queues.producer.job import JobHandle

__all__ = [
    "MAX_INTEGER",
    "MAX_PRIORITY",
    "NO_DATA",
    "AddOptions",
    "Carrier",
    "JobHandle",
    "QueueHandle",
    "carrier",
    "install",
    "queue",
]
