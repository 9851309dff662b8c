"""Schedulers that are out of BullMQ and kept here: paused ones, and for a day those that were removed."""

from __future__ import annotations

from django.db import models


class KeptScheduler(models.Model):
    """Written before Redis is told to forget it, so that no crash can lose it; known by (connection, queue, id).

    In SQL, not beside the queue in Redis: a paused definition must outlive a Redis that forgets everything, and says
    who, since when and until when. `definition` is JSON, as `queues.protocol.suspending.Definition` writes it.
    """

    class Why(models.TextChoices):
        PAUSED = "paused", "paused"
        REMOVED = "removed", "removed"

    connection = models.CharField(max_length=64, default="default")
    queue = models.CharField(max_length=512)
    scheduler_id = models.CharField(max_length=1024)
    why = models.CharField(max_length=10, choices=Why.choices)
    definition = models.TextField()
    #: What a program registered since, where that differs: it is what comes back.
    redefined = models.TextField(blank=True)
    actor = models.CharField(max_length=150)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    #: Taken out again when a program registers it; else only said.
    stays = models.BooleanField(default=True)
    #: When a program registered it last, and how often it was taken out again.
    returned_at = models.DateTimeField(null=True, blank=True)
    taken_out = models.BigIntegerField(default=0)
    #: Whoever takes it out or puts it back holds this meanwhile; one that is older than a few seconds has died.
    claim = models.CharField(max_length=32, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("connection", "queue", "scheduler_id"), name="toril_kept_scheduler_natural_key"
            ),
        )

    def __str__(self) -> str:
        return f"{self.queue}/{self.scheduler_id} {self.why}"
