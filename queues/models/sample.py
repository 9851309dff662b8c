"""A queue's figures for a minute, or for ten or sixty of them together; and the marks of what was deployed when."""

from __future__ import annotations

from django.db import models

MINUTE_S, TEN_MINUTES_S, HOUR_S = 60, 600, 3_600
#: Each step is kept beside the others, so that a month is read from hours. Longer ones come to the end of this list.
STEPS = (MINUTE_S, TEN_MINUTES_S, HOUR_S)
#: Where a queue's figures come from: our workers' own records, the event streams as the mirror followed them, or the
#: lists that BullMQ's workers write.
WORKERS, EVENTS, LISTS = "w", "e", "l"


class Sample(models.Model):
    """`at` is when the step begins, in seconds since the epoch. A `name` of nothing is the queue as a whole: its row
    tells how many minutes somebody `recorded`, and how much waited, at most. `run` and `wait` are packed histograms.

    Without a row, or with nought recorded, nothing is known: that is a gap and not nought.
    """

    connection = models.CharField(max_length=64)
    queue = models.CharField(max_length=512)
    name = models.CharField(max_length=120, blank=True)
    step_s = models.IntegerField()
    at = models.BigIntegerField()
    source = models.CharField(max_length=1, blank=True)
    recorded = models.IntegerField(default=0)
    completed = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    retried = models.BigIntegerField(default=0)
    run = models.BinaryField(default=b"")
    wait = models.BinaryField(default=b"")
    waiting = models.BigIntegerField(null=True, blank=True)
    delayed = models.BigIntegerField(null=True, blank=True)
    #: How long the next job to run had waited.
    oldest_ms = models.BigIntegerField(null=True, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("connection", "queue", "step_s", "name", "at"), name="toril_sample_natural_key"
            ),
        )
        indexes = (
            models.Index(
                fields=("connection", "step_s", "at"), condition=models.Q(name=""), name="toril_sample_wholes"
            ),
        )

    def __str__(self) -> str:
        return f"{self.queue} {self.name} at {self.at} for {self.step_s} s".replace("  ", " ")


class SampleCursor(models.Model):
    """Up to which moment (seconds since the epoch) a connection's samples were taken."""

    connection = models.CharField(max_length=64, unique=True)
    until = models.BigIntegerField()

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.connection} until {self.until}"


class Deploy(models.Model):
    """Something new went live: a line across the charts."""

    at = models.DateTimeField(db_index=True)
    label = models.CharField(max_length=100)
    actor = models.CharField(max_length=150, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("-at",)

    def __str__(self) -> str:
        return self.label
