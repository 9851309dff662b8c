"""A queue: hydrated from Redis and unsaved, or loaded from the mirror."""

from __future__ import annotations

from typing import Any

from django.db import models

from queues.abilities import ABILITIES
from queues.protocol.codec import QueueFacts
from queues.states import LISTED, State


class Queue(models.Model):
    """Counts are jobs per state. Times are milliseconds since the epoch, as BullMQ writes them."""

    connection = models.CharField(max_length=64, default="default")
    name = models.CharField(max_length=512)
    is_paused = models.BooleanField(default=False)
    waiting = models.BigIntegerField(default=0)
    prioritized = models.BigIntegerField(default=0)
    active = models.BigIntegerField(default=0)
    delayed = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    completed = models.BigIntegerField(default=0)
    waiting_children = models.BigIntegerField(default=0)
    concurrency = models.BigIntegerField(null=True, blank=True)
    rate_limit_max = models.BigIntegerField(null=True, blank=True)
    rate_limit_duration_ms = models.BigIntegerField(null=True, blank=True)
    oldest_waiting_ms = models.BigIntegerField(null=True, blank=True)
    version = models.CharField(max_length=64, blank=True)
    #: The mirror's place in the event stream; committed together with the rows it led to. A leading `~` says that some
    #: events before it were missed and that the queue is still to be compared with its sets.
    cursor = models.CharField(max_length=64, blank=True)
    synced_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    #: Live facts that are never stored: the workers that listen, the limiter's remaining time, what is broken, how many
    #: schedulers BullMQ has.
    workers: int | None = None
    rate_limited_ms: int = 0
    broken: str = ""
    schedulers: int = 0
    #: Its jobs run in the processes that add them; `workers` is then 1 where there is a processor for them, else 0.
    is_local: bool = False
    #: Who paused it here, and its last hour, where that is known (lookups.pausers, lookups.metrics).
    pauser: Any = None
    pulse: Any = None

    class Meta:
        app_label = "toril"
        ordering = ("connection", "name")
        constraints = (models.UniqueConstraint(fields=("connection", "name"), name="toril_queue_natural_key"),)
        # What people may do stands on one model, whatever it is done to: `toril.retry` (queues/abilities.py).
        default_permissions = ()
        permissions = tuple(ABILITIES.items())

    def __str__(self) -> str:
        return self.name

    @classmethod
    def from_facts(cls, connection: str, facts: QueueFacts, workers: int | None = None) -> Queue:
        """`workers` is how many listen to this queue, None where Redis would not say."""
        queue = cls(
            connection=connection,
            name=facts.name,
            is_paused=facts.is_paused,
            concurrency=facts.concurrency,
            rate_limit_max=facts.rate_limit_max,
            rate_limit_duration_ms=facts.rate_limit_duration_ms,
            oldest_waiting_ms=facts.oldest_waiting_ms,
            # Written by others; the column is short.
            version=facts.version[:64],
            **{state.field: facts.counts.get(state.value, 0) for state in LISTED},
        )
        queue.workers, queue.rate_limited_ms, queue.broken = workers, facts.rate_limited_ms, facts.broken
        queue.schedulers = facts.schedulers
        return queue

    def count(self, state: State) -> int:
        return int(getattr(self, state.field))

    @property
    def counts(self) -> dict[State, int]:
        return {state: self.count(state) for state in LISTED}

    @property
    def total(self) -> int:
        return sum(self.counts.values())
