"""What a job said while it ran, where there is no Redis to keep it."""

from __future__ import annotations

from django.db import models

from queues.models.job import Job


class LogLine(models.Model):
    """One line of the log of a job that ran in process; its number gives the order."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="log_lines")
    text = models.TextField(blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()

    def __str__(self) -> str:
        return self.text
