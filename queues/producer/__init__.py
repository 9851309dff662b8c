"""Adds jobs and steers queues: `await queue("chat").add(name, data)`. Everything is checked before it is written."""

from queues.producer.carrier import Carrier, carrier, install
from queues.producer.checks import MAX_INTEGER, MAX_PRIORITY
from queues.producer.events import QueueEvent
from queues.producer.handle import QueueHandle, queue
from queues.producer.job import FoundJob, JobChildren, JobHandle
from queues.producer.many import AddedFlow
from queues.producer.scheduler import FoundScheduler
from queues.producer.steering import Limits
from queues.producer.values import NO_DATA, AddOptions, Deduplication, FlowSpec, JobSpec

__all__ = [
    "MAX_INTEGER",
    "MAX_PRIORITY",
    "NO_DATA",
    "AddOptions",
    "AddedFlow",
    "Carrier",
    "Deduplication",
    "FlowSpec",
    "FoundJob",
    "FoundScheduler",
    "JobChildren",
    "JobHandle",
    "JobSpec",
    "Limits",
    "QueueEvent",
    "QueueHandle",
    "carrier",
    "install",
    "queue",
]
