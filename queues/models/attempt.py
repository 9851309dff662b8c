"""One attempt to run a job, kept when Redis has forgotten it."""

from __future__ import annotations

from django.db import models

from queues.models.job import Job


class Attempt(models.Model):
    """What is known of it: None and "" for what nobody told. Only jobs that did not simply complete at once have any.

    `number` counts from 1, and again where a person put the job back with its attempts at 0; `started_ms` then tells
    them apart. `error` is the error's line, as stored: not masked.
    """

    # No constraint: rows of jobs are pruned by the thousand, and their attempts are forgotten beside them.
    row = models.ForeignKey(Job, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    number = models.BigIntegerField()
    started_ms = models.BigIntegerField(null=True, blank=True)
    ended_ms = models.BigIntegerField(null=True, blank=True)
    worker = models.TextField(blank=True, default="")
    #: "failed", "completed"; "" while it runs or where it is not known.
    outcome = models.CharField(max_length=10, blank=True, default="")
    error = models.TextField(blank=True, default="")

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("row", "number")

    def __str__(self) -> str:
        return f"attempt {self.number} of row {self.row_id}"
