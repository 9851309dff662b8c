"""Toril's tables: the mirror of Redis and the record of what people did. No I/O but the ORM."""

from queues.models.alert import Alert, AlertLook, AlertNotice, AlertRule, AlertSilence, Stall
from queues.models.api_key import ApiKey, ApiSecret
from queues.models.attempt import Attempt
from queues.models.audit import AuditEntry, Outcome
from queues.models.cursor import Cursor
from queues.models.failure import FailureCause, FailureCount, FailureEvent, FailureGroup, FailureSpot
from queues.models.job import Job
from queues.models.lease import Lease
from queues.models.logline import LogLine
from queues.models.mirrored import MirrorReport, MirrorSize
from queues.models.operation import Operation, OperationItem
from queues.models.queue import Queue
from queues.models.sample import Deploy, Sample, SampleCursor, Series
from queues.models.scheduler import KeptScheduler
from queues.models.search import SearchDocument, SearchText, SearchWord
from queues.models.stored import StoredJobs
from queues.models.webhook import Delivery, DeliveryTry, Endpoint, QueueTold

__all__ = [
    "Alert",
    "AlertLook",
    "AlertNotice",
    "AlertRule",
    "AlertSilence",
    "ApiKey",
    "ApiSecret",
    "Attempt",
    "AuditEntry",
    "Cursor",
    "Delivery",
    "DeliveryTry",
    "Deploy",
    "Endpoint",
    "FailureCause",
    "FailureCount",
    "FailureEvent",
    "FailureGroup",
    "FailureSpot",
    "Job",
    "KeptScheduler",
    "Lease",
    "LogLine",
    "MirrorReport",
    "MirrorSize",
    "Operation",
    "OperationItem",
    "Outcome",
    "Queue",
    "QueueTold",
    "Sample",
    "SampleCursor",
    "SearchDocument",
    "SearchText",
    "SearchWord",
    "Series",
    "Stall",
    "StoredJobs",
]
