"""Failures by their cause: what tells a cause, the group that people look after, and how often it came when."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import models

MINUTE_S, TEN_MINUTES_S, HOUR_S = 60, 600, 3_600
#: Each step is kept beside the others: a window is read from the one that fits it.
STEPS = (MINUTE_S, TEN_MINUTES_S, HOUR_S)


class Status(models.TextChoices):
    OPEN = "open", "open"
    REGRESSED = "regressed", "regressed"
    RESOLVED = "resolved", "resolved"
    IGNORED = "ignored", "ignored"


class FailureGroup(models.Model):
    """One or more causes that people look after as one; a job's row names it (`Job.failure_group`).

    A group that was merged into another stays as a signpost. Its times are milliseconds since the epoch.
    """

    connection = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    #: Since when it is so, and who said so; nobody where it regressed or was never touched.
    status_ms = models.BigIntegerField(default=0)
    status_by = models.CharField(max_length=150, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    last_ms = models.BigIntegerField(default=0)
    merged_into = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    #: Rows of jobs are still to be given their group anew, from this place on (`<ms>:<key>`); empty: none.
    moving = models.CharField(max_length=48, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        indexes = (
            models.Index(fields=("connection", "last_ms"), name="toril_failure_group_last"),
            models.Index(fields=("id",), condition=~models.Q(moving=""), name="toril_failure_group_moving"),
        )

    def __str__(self) -> str:
        return f"failures #{self.pk}"


class FailureCause(models.Model):
    """A fingerprint (`queues.fingerprints`) that was seen, all its text masked."""

    connection = models.CharField(max_length=64)
    digest = models.CharField(max_length=32)
    group = models.ForeignKey(FailureGroup, on_delete=models.CASCADE, related_name="causes")
    name = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=120, blank=True)
    message = models.TextField(blank=True)
    frame = models.CharField(max_length=200, blank=True)
    #: Places of its message whose values are told apart since somebody split it, `0,2`.
    kept = models.CharField(max_length=40, blank=True)

    #: Never stored: its spots in queues that somebody sees, most first (lookups.failures).
    seen_spots: Sequence[FailureSpot] = ()

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("connection", "digest"), name="toril_failure_cause_key"),)
        indexes = (models.Index(fields=("connection", "name"), name="toril_failure_cause_name"),)

    def __str__(self) -> str:
        return f"{self.name} {self.kind}: {self.message}"


class FailureSpot(models.Model):
    """A cause in a queue: how often, first and last."""

    cause = models.ForeignKey(FailureCause, on_delete=models.CASCADE, related_name="spots")
    queue = models.CharField(max_length=512)
    total = models.BigIntegerField(default=0)
    first_ms = models.BigIntegerField()
    last_ms = models.BigIntegerField()

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("cause", "queue"), name="toril_failure_spot_key"),)

    def __str__(self) -> str:
        return f"{self.total} in {self.queue}"


class FailureCount(models.Model):
    """How often a cause came in a queue in the step that begins at `at` (seconds since the epoch)."""

    cause = models.ForeignKey(FailureCause, on_delete=models.CASCADE, related_name="+")
    queue = models.CharField(max_length=512)
    step_s = models.IntegerField()
    at = models.BigIntegerField()
    failed = models.BigIntegerField(default=0)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("cause", "step_s", "at", "queue"), name="toril_failure_count_key"),
        )
        indexes = (models.Index(fields=("step_s", "at"), name="toril_failure_count_at"),)

    def __str__(self) -> str:
        return f"{self.failed} at {self.at} for {self.step_s} s"


class FailureEvent(models.Model):
    """What became of a group: who did what to it and wrote what beside it; nobody where it happened by itself."""

    group = models.ForeignKey(FailureGroup, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=150, blank=True)
    #: resolved, ignored, reopened, regressed, assigned, merged, split, noted.
    kind = models.CharField(max_length=10)
    text = models.TextField(blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.kind} {self.text}".rstrip()
