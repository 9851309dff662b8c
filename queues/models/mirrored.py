"""What the mirror says of itself: how far it is behind, and how much it keeps."""

from __future__ import annotations

from django.db import models


class MirrorReport(models.Model):
    """Of one connection, as its follower last said; worth nothing while no mirror leads."""

    connection = models.CharField(max_length=64, unique=True)
    said_at = models.DateTimeField()
    #: How old the events were that were taken in last; 0 where none are left.
    lag_s = models.FloatField(default=0.0)
    #: Queues that are being compared with their sets.
    mending = models.IntegerField(default=0)
    #: How often events were given up, and of the last time: when, in which queue, and why.
    losses = models.BigIntegerField(default=0)
    lost_at = models.DateTimeField(null=True, blank=True)
    lost_queue = models.CharField(max_length=512, blank=True)
    lost_why = models.CharField(max_length=200, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.connection}: {self.lag_s:.1f} s behind"


class MirrorSize(models.Model):
    """How large something is that the mirror keeps (`jobs`; others by their own names), measured now and then."""

    name = models.CharField(max_length=64, unique=True)
    rows = models.BigIntegerField(default=0)
    #: Rows with their indexes; estimated from a sample of rows.
    bytes = models.BigIntegerField(default=0)
    #: Of these rows, those of jobs that Redis no longer has.
    removed = models.BigIntegerField(default=0)
    measured_at = models.DateTimeField()

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.rows} rows"
