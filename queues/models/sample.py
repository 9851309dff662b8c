"""A queue's figures for a minute, for ten, an hour, a quarter of a day or a day; and the marks of what was deployed."""

from __future__ import annotations

from django.db import models

MINUTE_S, TEN_MINUTES_S, HOUR_S, QUARTER_S, DAY_S = 60, 600, 3_600, 21_600, 86_400
#: Each step is kept beside the others for as long as some view reads it, so that a year is read from days. Of the last,
#: `TORIL["MIRROR"]["HISTORY_DAYS"]` decides.
KEPT_S = {MINUTE_S: 4 * HOUR_S, TEN_MINUTES_S: 30 * HOUR_S, HOUR_S: 8 * DAY_S, QUARTER_S: 32 * DAY_S}
#: A quarter is a quarter of a day, in UTC as all of them.
STEPS = (*KEPT_S, DAY_S)
#: Where a queue's figures come from: our workers' own records, the event streams as the mirror followed them, or the
#: lists that BullMQ's workers write.
WORKERS, EVENTS, LISTS = "w", "e", "l"


class Series(models.Model):
    """Whose figures: a queue's, and with a `name` those of its jobs of that name."""

    connection = models.CharField(max_length=64)
    queue = models.CharField(max_length=512)
    name = models.CharField(max_length=120, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("connection", "queue", "name"), name="toril_series_natural_key"),
        )

    def __str__(self) -> str:
        return f"{self.queue} {self.name}".rstrip()


class Sample(models.Model):
    """`at` is when the step begins, in seconds since the epoch. A series without a name is the queue as a whole: its
    rows tell how many minutes somebody `recorded`, and how much waited, at most. `run`, `wait`: packed histograms.

    Without a row, or with nought recorded, nothing is known: that is a gap and not nought. The series stands apart
    because a year has millions of these rows.
    """

    series = models.ForeignKey(Series, on_delete=models.CASCADE, db_index=False)
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
        constraints = (models.UniqueConstraint(fields=("series", "step_s", "at"), name="toril_sample_natural_key"),)

    def __str__(self) -> str:
        return f"{self.series_id} at {self.at} for {self.step_s} s"


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
