"""Who did what to which queue or job, and how it ended."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Outcome(models.TextChoices):
    OPENED = "opened", "outcome unknown"
    DONE = "done", "done"
    REFUSED = "refused", "refused"
    FAILED = "failed", "failed"


class AuditEntry(models.Model):
    """One action: opened before Redis is asked, closed with its outcome. Left open by a crash: "outcome unknown"."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    #: The actor's name as it was then; survives the user.
    actor = models.CharField(max_length=150)
    #: The action in the house's grammar: `job.retry`, `queue.pause`, `queue.clean`.
    action = models.CharField(max_length=64)
    connection = models.CharField(max_length=64, default="default")
    queue = models.CharField(max_length=512, blank=True)
    job_id = models.CharField(max_length=1024, blank=True)
    #: What was asked beyond the target, as JSON text: `{"state": "failed", "grace_ms": 0}`.
    parameters = models.TextField(blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.OPENED)
    #: How many jobs were touched.
    affected = models.BigIntegerField(default=0)
    message = models.TextField(blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("-at", "-pk")
        verbose_name_plural = "audit entries"
        indexes = (
            # Who paused this queue last? Asked for each paused queue that is shown.
            models.Index(fields=("connection", "queue", "action", "-at"), name="toril_audit_target"),
            # What was done to this job? Asked with each job that is shown.
            models.Index(fields=("connection", "queue", "job_id"), name="toril_audit_job"),
        )

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.queue}/{self.job_id}".rstrip("/")
