"""The undo store: what an operation removes is packed and committed before it goes; only a restore reads it again."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from queues.models import StoredJobs

#: So long it is kept, and so many bytes of it altogether.
KEPT_HOURS = 24
MOST_BYTES = 1024**3


async def count(operation: int) -> int:
    """How many jobs of the operation can still be brought back."""
    kept = StoredJobs.objects.filter(operation_id=operation, until__gt=timezone.now())
    return (await kept.aaggregate(jobs=models.Sum("jobs")))["jobs"] or 0


async def room() -> int:
    """Bytes that still fit under the ceiling."""
    held = (await StoredJobs.objects.aaggregate(size=models.Sum("size")))["size"] or 0
    return max(0, MOST_BYTES - held)
