"""The mirror's tables: rows and cursor in one transaction, a few hundred rows at a time. Synchronous; see `thread`.

Every write is checked against the lease in its own transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from django.db import DataError, IntegrityError, models, transaction
from django.utils import timezone

from queues.mirror import stalls, swift, upsert
from queues.mirror.incarnations import Told, rows
from queues.mirror.leader import Leader
from queues.mirror.policy import intake
from queues.mirror.prune import forget
from queues.mirror.upsert import KEY, Row
from queues.models import Job, Queue
from queues.protocol.codec import QueueFacts
from queues.states import LISTED, State

log = logging.getLogger(__name__)
_key = itemgetter(*range(len(KEY)))

#: A longer transaction would keep pages and people waiting for SQLite's one writer.
MOST_ROWS = 500
#: PostgreSQL refuses index entries over 2,704 bytes; no library makes such ids.
LONGEST_KEY = 2_400
REFUSED = (DataError, IntegrityError, ValueError, OverflowError)
FACTS = [
    *(state.field for state in LISTED),
    *("is_paused", "concurrency", "rate_limit_max", "rate_limit_duration_ms", "oldest_waiting_ms", "version"),
]


@dataclass(slots=True)
class Change:
    """What one commit says of one queue. `cursor` None leaves the stored one; `caught_up_at` says when it was true."""

    queue: str
    told: list[Told] = field(default_factory=list)
    cursor: str | None = None
    caught_up_at: datetime | None = None
    #: How often its jobs stalled, by the minute.
    stalls: Mapping[int, int] = field(default_factory=dict)


class Store:
    """The rows of one connection."""

    def __init__(self, connection: str, leader: Leader) -> None:
        self.connection, self.leader = connection, leader

    def cursors(self) -> dict[str, str]:
        """Queue → stored cursor, of queues not known to be gone."""
        return dict(self._queues().filter(removed_at__isnull=True).values_list("name", "cursor"))

    def commit(self, changes: Sequence[Change]) -> int:
        """All of it or nothing; at most MOST_ROWS jobs together. Returns how many rows changed."""
        now = timezone.now()
        with transaction.atomic():
            self.leader.check()
            changed = [row for change in changes for row in self._rows(change, now)]
            self._write(sorted(changed, key=_key))
            for change in changes:
                self._mark(change)
                stalls.count(self.connection, change.queue, change.stalls)
        return len(changed)

    def _rows(self, change: Change, now: datetime) -> Iterator[Row]:
        if intake(change.queue).keeps_none:
            return
        told = [each for each in change.told if fits(change.queue, each.job_id)]
        plain = {each.job_id: each for each in told if swift.is_plain(each)}
        stored = swift.stored(self.connection, change.queue, list(plain))
        keeps, synced_at, odd = intake(change.queue).keeps, upsert.moment(now), []
        for each in told:
            known = stored.get(each.job_id, ())
            wanted = swift.values(each, known) if each.job_id in plain else None
            if wanted is None or each.sight is None:
                odd.append(each)
            elif wanted not in known and keeps(each.job_id, each.sight.state, bool(known)):
                number = self.leader.next_change()
                yield (self.connection, change.queue, each.job_id, *wanted, synced_at, number)
        for job in self._odd(change.queue, odd, now) if odd else ():
            job.change = self.leader.next_change()
            yield upsert.row(job)

    def _odd(self, queue: str, told: Sequence[Told], now: datetime) -> Iterator[Job]:
        """What changes of jobs whose lives have to be told apart."""
        known: dict[str, list[Job]] = {}
        for job in self._known(queue, told):
            known.setdefault(job.job_id, []).append(job)
        keeps = intake(queue).keeps
        for each in told:
            before = known.get(each.job_id, ())
            keys = {job.key for job in before}
            for job in rows(self.connection, queue, before, each, now):
                if keeps(job.job_id, job.state_enum, job.key in keys):
                    yield job

    def _known(self, queue: str, told: Sequence[Told]) -> Iterator[Job]:
        """The open rows of these ids; and where events tell of an id that has none, its latest."""
        open_ids = set()
        for job in self._live(queue).filter(job_id__in=[each.job_id for each in told]):
            open_ids.add(job.job_id)
            yield job
        yield from self._latest(queue, [t.job_id for t in told if t.job_id not in open_ids])

    def _latest(self, queue: str, job_ids: Sequence[str]) -> Iterable[Job]:
        """The newest row of each id, closed or not: an id used every second may have millions."""
        if not job_ids:
            return ()
        table = Job._meta.db_table
        ids = ", ".join(["(%s)"] * len(job_ids))
        newest = (
            f"SELECT (SELECT j.id FROM {table} j WHERE j.connection = %s AND j.queue = %s"  # noqa: S608
            f" AND j.job_id = v.column1 ORDER BY j.timestamp_ms DESC LIMIT 1) FROM (VALUES {ids}) v"
        )
        return Job.objects.raw(
            f"SELECT * FROM {table} WHERE id IN ({newest})",  # noqa: S608
            [self.connection, queue, *job_ids],
        )

    def _write(self, changed: Sequence[Row]) -> None:
        try:
            with transaction.atomic():
                upsert.write(changed)
        except REFUSED:
            # A value that the database refuses must cost its own row only, and never stop the rest.
            for row in changed:
                self._write_alone(row)

    def _write_alone(self, row: Row) -> None:
        try:
            with transaction.atomic():
                upsert.write([row])
        except REFUSED as error:
            _, queue, job_id, *_ = row
            log.warning("job %r of queue %r is not mirrored: %s", job_id, queue, type(error).__name__)

    def _mark(self, change: Change) -> None:
        said: dict[str, object] = {}
        if change.cursor is not None:
            said["cursor"] = change.cursor
        if change.caught_up_at is not None:
            said["synced_at"] = change.caught_up_at
        if said:
            self._queues().filter(name=change.queue).update(**said)

    def save_facts(self, facts: Sequence[QueueFacts], synced_at: Mapping[str, datetime]) -> None:
        """The queues' own rows; makes them where they are new, opens them where they came back."""
        queues = []
        for fact in facts:
            queue = Queue.from_facts(self.connection, fact)
            queue.synced_at = synced_at.get(fact.name)
            queues.append(queue)
        with transaction.atomic():
            self.leader.check()
            _upsert_queues([q for q in queues if q.synced_at], [*FACTS, "removed_at", "synced_at"])
            _upsert_queues([q for q in queues if not q.synced_at], [*FACTS, "removed_at"])

    def set_cursor(self, queue: str, cursor: str) -> None:
        """At once, so that a gap is remembered even if nothing else is written before the end."""
        with transaction.atomic():
            self.leader.check()
            self._queues().filter(name=queue).update(cursor=cursor)

    def close_queue(self, queue: str) -> bool:
        """The queue is gone from Redis: close some of its rows. True when none is left; call until then."""
        now = timezone.now()
        with transaction.atomic():
            self.leader.check()
            some = list(self._live(queue).only("pk")[:MOST_ROWS])
            for job in some:
                job.removed_at, job.synced_at, job.change = now, now, self.leader.next_change()
            Job.objects.bulk_update(some, ["removed_at", "synced_at", "change"])
            if len(some) < MOST_ROWS:
                self._queues().filter(name=queue, removed_at__isnull=True).update(
                    removed_at=now, synced_at=now, cursor="", **{state.field: 0 for state in LISTED}
                )
        return len(some) < MOST_ROWS

    def forget_open(self, queue: str) -> bool:
        """Delete some open rows of a queue. True when none is left; call until then."""
        with transaction.atomic():
            self.leader.check()
            some = list(self._live(queue).values_list("pk", flat=True)[:MOST_ROWS])
            forget(some)
        return len(some) < MOST_ROWS

    # --- what reconciling asks

    def live_counts(self, queue: str) -> dict[State, int]:
        counted = self._live(queue).values_list("state").annotate(n=models.Count("pk"))
        return {State(state): n for state, n in counted}

    def live_page(self, queue: str, states: Sequence[State], after: str, count: int) -> list[tuple[str, int, State]]:
        """(job id, timestamp, state) of open rows, in order of id."""
        page = self._live(queue).filter(state__in=states, job_id__gt=after).order_by("job_id")
        found = page.values_list("job_id", "timestamp_ms", "state")[:count]
        return [(job_id, ms, State(state)) for job_id, ms, state in found]

    def finished_until(self, queue: str, state: State, ms: float | None, count: int) -> list[str]:
        """Open rows that ended no later than `ms` (None: ever): what retention may have taken, oldest first."""
        page = self._live(queue).filter(state=state, finished_on_ms__isnull=False)
        if ms is not None:
            page = page.filter(finished_on_ms__lte=int(ms))
        return list(page.order_by("finished_on_ms").values_list("job_id", flat=True)[:count])

    def ends(self, queue: str, state: State, job_ids: Sequence[str]) -> dict[str, int | None]:
        """When these ended, of those that have an open row in this state."""
        # The state is not asked for: PostgreSQL would go through all jobs in it rather than look up these ids.
        rows = self._live(queue).filter(job_id__in=job_ids).values_list("job_id", "finished_on_ms", "state")
        return {job_id: ended for job_id, ended, found in rows if found == state}

    def _live(self, queue: str) -> models.QuerySet[Job]:
        return Job.objects.filter(connection=self.connection, queue=queue, removed_at__isnull=True).order_by()

    def _queues(self) -> models.QuerySet[Queue]:
        return Queue.objects.filter(connection=self.connection).order_by()


def fits(queue: str, job_id: str) -> bool:
    """Whether the key is short enough for both databases' indexes."""
    return len(job_id) <= 1024 and len(queue.encode()) + len(job_id.encode()) <= LONGEST_KEY


def _upsert_queues(queues: list[Queue], fields: list[str]) -> None:
    Queue.objects.bulk_create(queues, update_conflicts=True, unique_fields=["connection", "name"], update_fields=fields)
