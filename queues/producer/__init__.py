"""Adds jobs and steers queues: `await queue("chat").add(name, data)`. Everything is checked before it is written."""

from queues.producer.carrier import Carrier, carrier, install
from queues.producer.checks import MAX_INTEGER, MAX_PRIORITY
from queues.producer.handle import QueueHandle, queue
from queues.producer.job import FoundJob, JobHandle
from queues.producer.values import NO_DATA, AddOptions, Deduplication, FlowSpec, JobSpec

__all__ = [
    "MAX_INTEGER",
    "MAX_PRIORITY",
    "NO_DATA",
    "AddOptions",
    "Carrier",
    "Deduplication",
    "FlowSpec",
    "FoundJob",
    "JobHandle",
    "JobSpec",
    "QueueHandle",
    "carrier",
    "install",
    "queue",
]
