"""Attempts as rows: taken from what jobs' rows say while they say it, for a retry makes BullMQ forget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from queues.mirror.attempt_rows import MOST, has_attempts, joined, told_by
from queues.mirror.feed import Feed
from queues.mirror.prune import FORGET, WEIGH
from queues.models import Attempt, Job

#: One of them with its index: its worker and its error's line are short.
ATTEMPT_BYTES = 200
WRITTEN = ["started_ms", "ended_ms", "worker", "outcome", "error"]


class Attempts(Feed):
    """Follows the rows, and so costs the mirror's own reading nothing."""

    name = "attempts"

    def take(self, jobs: Sequence[Job]) -> None:
        some = [job for job in jobs if has_attempts(job)]
        known: dict[int, list[Attempt]] = {job.pk: [] for job in some}
        for row in Attempt.objects.filter(row_id__in=list(known)).order_by():
            known[row.row_id].append(row)
        written = [row for job in some for row in joined(known[job.pk], told_by(job), job.pk)]
        new, old = [row for row in written if row.pk is None], [row for row in written if row.pk is not None]
        Attempt.objects.bulk_create(new)
        Attempt.objects.bulk_update(old, WRITTEN, batch_size=200)
        _forget_oldest(known, new)


def forget(pks: Sequence[int]) -> None:
    """The rows of jobs are pruned: what hangs on them goes first."""
    Attempt.objects.filter(row_id__in=pks)._raw_delete(Attempt.objects.db)


def _forget_oldest(known: dict[int, list[Attempt]], new: Iterable[Attempt]) -> None:
    for row in new:
        known[row.row_id].append(row)
    too_many = [rows for rows in known.values() if len(rows) > MOST]
    gone = [row.pk for rows in too_many for row in sorted(rows, key=lambda row: row.pk)[:-MOST]]
    if gone:
        Attempt.objects.filter(pk__in=gone).delete()


def weigh(pks: Sequence[int]) -> float:
    """Of one row, on average of these."""
    return (
        ATTEMPT_BYTES * Attempt.objects.filter(row_id__in=pks).count() / max(1, Job.objects.filter(pk__in=pks).count())
    )


FORGET.append(forget)
WEIGH.append(weigh)
