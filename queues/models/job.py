"""A job: hydrated from Redis and unsaved, or loaded from the mirror. One shape, one template."""

from __future__ import annotations

from typing import Any

from django.db import models

from queues.options.values import LOCAL_CONNECTION
from queues.protocol.codec import JobRecord, parse_json
from queues.states import State


class Job(models.Model):
    """One incarnation of a job id, known by (connection, queue, job_id, timestamp_ms): ids come back, times do not.

    Address it by that key, never by `pk`, `==` or `hash`. Payload fields hold the stored JSON verbatim, as text.
    """

    connection = models.CharField(max_length=64, default="default")
    queue = models.CharField(max_length=512)
    job_id = models.CharField(max_length=1024)
    timestamp_ms = models.BigIntegerField(default=0)
    state = models.CharField(max_length=20, choices=[(s.value, s.label) for s in State])
    name = models.TextField(blank=True)
    data = models.TextField(blank=True)
    opts = models.TextField(blank=True)
    delay_ms = models.BigIntegerField(default=0)
    priority = models.BigIntegerField(default=0)
    processed_on_ms = models.BigIntegerField(null=True, blank=True)
    finished_on_ms = models.BigIntegerField(null=True, blank=True)
    attempts_started = models.BigIntegerField(default=0)
    attempts_made = models.BigIntegerField(default=0)
    stalled_count = models.BigIntegerField(default=0)
    progress = models.TextField(blank=True)
    return_value = models.TextField(blank=True)
    failed_reason = models.TextField(blank=True)
    stacktrace = models.TextField(blank=True)
    parent_key = models.TextField(blank=True)
    scheduler_id = models.TextField(blank=True)
    deduplication_id = models.TextField(blank=True)
    deferred_failure = models.TextField(blank=True)
    processed_by = models.TextField(blank=True)
    problems = models.TextField(blank=True)
    #: What our workers noted of its attempts (`protocol.attempts`), as stored.
    runs = models.TextField(blank=True, default="", db_default="")
    #: Runs after which it was put back, as events told the mirror: `[[start ms or null, end ms], …]`, JSON.
    told_runs = models.TextField(blank=True, default="", db_default="")
    synced_at = models.DateTimeField(null=True, blank=True)
    #: When Redis no longer had it: this closes the incarnation.
    removed_at = models.DateTimeField(null=True, blank=True)
    #: Grows with each write of the mirror's one leader, over all rows: who follows reads what is greater (mirror.feed).
    #: 0: never written by the mirror.
    change = models.BigIntegerField(default=0)
    #: The group of failures it belongs to, while it is failed; no foreign key: groups come and go without this table.
    failure_group = models.BigIntegerField(null=True, blank=True)
    #: The last failure (its `finished_on_ms`) that was counted: it is told again each time the row is written.
    failure_ms = models.BigIntegerField(null=True, blank=True)
    #: The cause under which it is counted.
    failure_cause = models.BigIntegerField(null=True, blank=True)
    #: Of jobs that run in process, until they are taken: a delayed one's due time, else its place in the order.
    rank = models.BigIntegerField(null=True, blank=True)
    #: The process that such a job belongs to until it ends; empty: the first that comes.
    holder = models.CharField(max_length=32, blank=True, default="")

    #: Live facts that are never stored. `due_ms`: when a delayed job runs, from its score (not `delay`).
    due_ms: int | None = None
    #: The error's type, where the stack that names it was read and let go.
    error_kind: str | None = None
    data_size: int | None = None
    exists: bool = True
    is_locked: bool = False
    #: It runs in the process that added it; there is no Redis.
    is_local: bool = False

    class Meta:
        app_label = "toril"
        default_permissions = ()
        ordering = ("-timestamp_ms",)
        constraints = (
            models.UniqueConstraint(
                fields=("connection", "queue", "job_id", "timestamp_ms"), name="toril_job_natural_key"
            ),
            # Where no script of BullMQ's decides, the database does: two processes that add one id add one job.
            models.UniqueConstraint(
                fields=("queue", "job_id"),
                condition=models.Q(connection=LOCAL_CONNECTION, removed_at__isnull=True),
                name="toril_job_local_id",
            ),
        )
        # Of what is still in Redis only: history grows for years and must not slow the mirror down.
        indexes = (
            models.Index(
                fields=("connection", "queue", "state", "finished_on_ms"),
                condition=models.Q(removed_at__isnull=True),
                name="toril_job_live_state",
            ),
            models.Index(
                fields=("connection", "queue", "job_id"),
                condition=models.Q(removed_at__isnull=True),
                name="toril_job_live_id",
            ),
            # Of all rows: SQLite takes no partial index for a bound that is a parameter.
            models.Index(fields=("change",), name="toril_job_change"),
            # What is pruned first.
            models.Index(
                fields=("removed_at",), condition=models.Q(removed_at__isnull=False), name="toril_job_removed"
            ),
            models.Index(
                fields=("failure_group", "finished_on_ms"),
                condition=models.Q(failure_group__isnull=False),
                name="toril_job_failure_group",
            ),
            models.Index(
                fields=("state", "queue", "priority", "rank"),
                condition=models.Q(rank__isnull=False),
                name="toril_job_local_order",
            ),
        )

    def __str__(self) -> str:
        return f"{self.queue}/{self.job_id}"

    @classmethod
    def from_record(
        cls, connection: str, queue: str, state: State, record: JobRecord, *, due_ms: int | None = None
    ) -> Job:
        """The one constructor for a job read from Redis; every field is set."""
        job = cls(
            connection=connection,
            queue=queue,
            state=state.value,
            job_id=record.id,
            problems="\n".join(record.problems),
            **{name: getattr(record, name) for name in RECORD_FIELDS},
        )
        job.due_ms, job.data_size, job.exists = due_ms, record.data_size, record.exists
        return job

    @property
    def key(self) -> tuple[str, str, str, int]:
        return (self.connection, self.queue, self.job_id, self.timestamp_ms)

    @property
    def state_enum(self) -> State:
        return State(self.state)

    @property
    def options(self) -> dict[str, Any]:
        """The job's options; empty where they are not a JSON object."""
        parsed = parse_json(self.opts)
        return parsed if isinstance(parsed, dict) else {}

    @property
    def attempts(self) -> int:
        """How many attempts it is allowed; at least 1."""
        allowed = self.options.get("attempts")
        return allowed if isinstance(allowed, int) and allowed > 1 else 1

    @property
    def stacks(self) -> list[str]:
        """One stack per failed attempt, oldest first."""
        parsed = parse_json(self.stacktrace)
        return [str(stack) for stack in parsed] if isinstance(parsed, list) else []

    @property
    def problem_list(self) -> list[str]:
        return self.problems.split("\n") if self.problems else []

    @property
    def first_error_line(self) -> str:
        return self.failed_reason.split("\n", 1)[0]


RECORD_FIELDS = (
    "timestamp_ms name data opts delay_ms priority processed_on_ms finished_on_ms attempts_started attempts_made"
    " stalled_count progress return_value failed_reason stacktrace parent_key scheduler_id deduplication_id"
    " deferred_failure processed_by runs"
).split()
