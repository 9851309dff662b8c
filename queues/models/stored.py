"""The undo store: jobs that an operation removed, whole and unmasked. Read to restore them and for nothing else."""

from __future__ import annotations

from django.db import models

from queues.models.operation import Operation


class StoredJobs(models.Model):
    """Some jobs of an operation, its items from `first` to `last`, packed (queues/operations/stored.py) as Redis held
    them. No page, search or export reads `body`.
    """

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="stored", db_index=False)
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    jobs = models.IntegerField()
    body = models.BinaryField()
    #: Bytes of `body`, which the ceiling counts.
    size = models.BigIntegerField()
    until = models.DateTimeField(db_index=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("operation", "first"), name="toril_stored_jobs"),)

    def __str__(self) -> str:
        return f"{self.jobs} jobs of {self.operation}"
