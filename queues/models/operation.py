"""Bulk work: what was asked, how far it has come, and what became of each job."""

from __future__ import annotations

from zlib import crc32

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from queues.states import State


class Operation(models.Model):
    """One action over many jobs. Its jobs are frozen as `OperationItem` rows before the first is touched; the mirror's
    leader works them off in order. All `…_at` are this machine's clock.
    """

    class Phase(models.TextChoices):
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")

    action = models.CharField(max_length=20)
    connection = models.CharField(max_length=64, default="default")
    #: `operations.Target` and `operations.Reach` as JSON, and what the action needs beside: {"priority": 5}.
    target = models.TextField()
    reach = models.TextField(default="{}")
    parameters = models.TextField(default="{}")
    #: The queues it is about, as JSON: for rights; [] where only the items tell.
    queues = models.TextField(default="[]")
    reason = models.TextField(blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor = models.CharField(max_length=150)
    #: At most so many jobs per second; None: as fast as Redis takes it.
    rate_per_s = models.FloatField(null=True, blank=True)
    #: It stops by itself where more of a hundred retried jobs fail again.
    stop_percent = models.FloatField(null=True, blank=True)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.RUNNING, db_index=True)
    #: Why it paused or ended early, in a sentence. Empty: nothing is to be said.
    message = models.TextField(blank=True)
    #: It paused by itself, and not because somebody asked.
    stopped_itself = models.BooleanField(default=False)
    #: All its jobs are frozen; until then none is touched.
    is_collected = models.BooleanField(default=False)
    #: How many jobs the preview counted, and how many are frozen (so far).
    expected = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    #: Had moved on before they were come to.
    moved = models.BigIntegerField(default=0)
    #: Were refused; their items say why.
    stayed = models.BigIntegerField(default=0)
    #: Of those it retried: how many have ended since, and how many of these failed again. Only where it is to stop.
    judged = models.BigIntegerField(default=0)
    failed_again = models.BigIntegerField(default=0)
    #: Every item up to this one is settled; those up to `hand` may have been begun.
    settled = models.BigIntegerField(default=0)
    hand = models.BigIntegerField(default=0)
    #: Retried jobs whose end is awaited, as JSON: [[item, queue, job id, mark], …].
    awaited = models.TextField(default="[]")
    #: Jobs per second over the last seconds of work.
    speed = models.FloatField(default=0)
    #: What it removes is kept, so that it can be restored.
    keeps = models.BooleanField(default=False)
    kept_jobs = models.BigIntegerField(default=0)
    kept_bytes = models.BigIntegerField(default=0)
    restores = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="restorations")
    repeats = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="repetitions")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    #: When it came further last.
    turned_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"operation {self.pk}: {self.action}"

    @property
    def is_over(self) -> bool:
        return self.phase in (self.Phase.DONE, self.Phase.CANCELLED)

    @property
    def is_running(self) -> bool:
        return self.phase == self.Phase.RUNNING

    @property
    def is_collecting(self) -> bool:
        return self.is_running and not self.is_collected

    @property
    def left(self) -> int:
        """How many of the frozen jobs were not come to."""
        return max(0, self.total - self.done - self.moved - self.stayed)

    @property
    def remaining_s(self) -> float | None:
        """About how long it takes still; None where that cannot be told."""
        if not self.is_running or not self.is_collected or self.speed <= 0:
            return None
        return self.left / self.speed


def key_of(queue: str, job_id: str) -> int:
    """Finds a job among the items of all operations; few others have the same."""
    return crc32(f"{queue}\0{job_id}".encode("utf-8", "surrogatepass"))


class OperationItem(models.Model):
    """One job of an operation, by its place in the order in which they are worked off, from 1 on.

    `state` and `mark` are as it was found: of an ended or delayed job the score it had in its set, of any other the
    moment it was added. A job that is elsewhere, or whose mark is another, has moved on and is not touched.
    """

    class Outcome(models.IntegerChoices):
        PENDING = 0, _("not yet")
        DONE = 1, _("done")
        MOVED = 2, _("had moved on")
        STAYED = 3, _("stayed")

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="items", db_index=False)
    seq = models.BigIntegerField()
    queue = models.CharField(max_length=512)
    job_id = models.CharField(max_length=1024)
    #: `key_of` these two: ids are longer than an index takes.
    key = models.BigIntegerField(default=0, db_index=True)
    state = models.CharField(max_length=20, choices=[(s.value, s.label) for s in State])
    mark = models.BigIntegerField(default=0)
    outcome = models.SmallIntegerField(choices=Outcome.choices, default=Outcome.PENDING)
    #: Why it stayed; of a moved job its new id.
    note = models.TextField(blank=True, default="")

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("seq",)
        constraints = (models.UniqueConstraint(fields=("operation", "seq"), name="toril_operation_item"),)
        # Few are: so that “what stayed, and why” is found among half a million.
        indexes = (
            models.Index(
                fields=("operation", "outcome", "seq"), condition=models.Q(outcome__gt=1), name="toril_operation_left"
            ),
        )

    def __str__(self) -> str:
        return f"{self.queue}/{self.job_id}"
