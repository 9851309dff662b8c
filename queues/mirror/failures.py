"""Groups failed jobs by their cause as the mirror takes them in; gives rows their group anew after a split or merge.

Every failure is counted once: a row tells which of its failures was counted last, in the transaction that counts it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from queues.fingerprints import Fingerprint, fingerprint
from queues.lookups.failures.jobs import ended_after
from queues.mirror.failure_rows import Tally, causes_of, count, forget_some, latest, touch
from queues.mirror.feed import Sieve
from queues.mirror.leader import Leader
from queues.models import FailureCause, FailureGroup, Job
from queues.states import State

#: Changes per commit: most are of jobs that did not fail, and are passed over unread.
BATCH = 2_000
#: Nothing to do: a group is to be there within two seconds of a failure.
LOOK_EVERY_S = 0.2
#: Characters of an error whose fingerprint is kept in memory.
LONGEST_REMEMBERED = 8_000
#: Failures per commit.
MOST_FAILED = 500
PRUNE_EVERY_S = 600.0
#: When a job failed; what its state says is not always said by a time.
WHEN = Coalesce("finished_on_ms", "timestamp_ms")
READ = (
    "pk connection queue state name failed_reason stacktrace finished_on_ms timestamp_ms failure_group failure_ms"
    " failure_cause"
).split()


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that failed, with what tells its cause."""

    job: Job
    told: Fingerprint

    @property
    def at_ms(self) -> int:
        return at_ms(self.job)

    @property
    def is_counted(self) -> bool:
        return self.job.failure_ms == self.at_ms


Placed = Sequence[tuple[Failed, FailureCause]]


class Failures(Sieve):
    """Duties: 1. count and group what failed, 2. let go what did not stay failed, 3. move rows, 4. forget."""

    name = "failures"
    batch, most, read = BATCH, MOST_FAILED, READ

    def __init__(self, leader: Leader) -> None:
        super().__init__(leader)
        self._prune_at = time.monotonic()

    async def turn(self) -> float:
        wait_s = await super().turn()
        if wait_s == 0.0:
            return wait_s
        if await self.database.call(self._move):
            return 0.01
        if time.monotonic() >= self._prune_at:
            is_more = await self.database.call(self._forget)
            self._prune_at = time.monotonic() + (1.0 if is_more else PRUNE_EVERY_S)
        return LOOK_EVERY_S

    def wanted(self, rows: QuerySet[Job]) -> QuerySet[Job]:
        return concerned(rows)

    def take(self, jobs: Sequence[Job]) -> None:
        gone = [job.pk for job in jobs if job.state != State.FAILED.value]
        Job.objects.filter(pk__in=gone).update(failure_group=None)
        failed = [job for job in jobs if job.state == State.FAILED.value]
        # A row that is written again (removed from Redis, say) has not failed again.
        group_jobs([job for job in failed if job.failure_ms != at_ms(job) or job.failure_group is None])

    # --- after a split or merge

    def _move(self) -> bool:
        """Whether there was a group whose rows are to be moved."""
        group = FailureGroup.objects.exclude(moving="").order_by("pk").first()
        if group is None:
            return False
        with transaction.atomic():
            self.leader.check()
            move_some(group)
        return True

    def _forget(self) -> bool:
        with transaction.atomic():
            self.leader.check()
            return forget_some(time.time())


def told_of(job: Job) -> Fingerprint:
    """Many fail with the very same words by the very same way."""
    way = (job.name, job.failed_reason, job.stacktrace)
    return (
        _remembered(*way) if len(job.stacktrace) + len(job.failed_reason) <= LONGEST_REMEMBERED else fingerprint(*way)
    )


_remembered = lru_cache(maxsize=1_024)(fingerprint)


def concerned(rows: QuerySet[Job]) -> QuerySet[Job]:
    return rows.filter(Q(state=State.FAILED.value) | Q(failure_group__isnull=False))


def at_ms(job: Job) -> int:
    return job.finished_on_ms or job.timestamp_ms


def group_jobs(jobs: Iterable[Job]) -> None:
    """Give each its group and count those failures that were not counted yet."""
    placed = list(_with_causes([Failed(job, told_of(job)) for job in jobs]))
    tally, moments = Tally(), []
    for each, cause in placed:
        if not each.is_counted:
            tally.add(cause.pk, each.job.queue, each.at_ms)
            moments.append((cause.group_id, each.at_ms))
    count(tally)
    touch(latest(moments))
    _recount(placed)
    _place(placed)


def _place(placed: Placed) -> None:
    rows: dict[tuple[int, int], list[int]] = {}
    for each, cause in placed:
        rows.setdefault((cause.group_id, cause.pk), []).append(each.job.pk)
    for (group, key), keys in rows.items():
        Job.objects.filter(pk__in=keys).update(failure_group=group, failure_cause=key, failure_ms=WHEN)


def _recount(placed: Placed) -> None:
    """Take what was counted under another cause from that: since then values were told apart, or no more."""
    changed = [(each, cause) for each, cause in placed if each.is_counted and each.job.failure_cause != cause.pk]
    former = {key for each, _cause in changed if (key := each.job.failure_cause) is not None}
    there = set(FailureCause.objects.filter(pk__in=former).values_list("pk", flat=True)) if former else set()
    less, more = Tally(), Tally()
    for each, cause in changed:
        if (key := each.job.failure_cause) is not None and key in there:
            less.add(key, each.job.queue, each.at_ms)
            more.add(cause.pk, each.job.queue, each.at_ms)
    count(less, -1)
    count(more)


def _with_causes(failed: Sequence[Failed]) -> Iterable[tuple[Failed, FailureCause]]:
    for connection in {each.job.connection for each in failed}:
        here = [each for each in failed if each.job.connection == connection]
        causes = causes_of(connection, {each.told.digest: each.told for each in here})
        finer = {(told := _finer(each, causes)).digest: told for each in here if causes[each.told.digest].kept}
        causes |= causes_of(connection, finer) if finer else {}
        for each in here:
            cause = causes[each.told.digest]
            yield each, causes[_finer(each, causes).digest] if cause.kept else cause


def _finer(each: Failed, causes: dict[str, FailureCause]) -> Fingerprint:
    return each.told.finer([int(place) for place in causes[each.told.digest].kept.split(",")])


def move_some(group: FailureGroup) -> None:
    """Some rows of a group whose causes were split or merged, and their counts where the cause is another now. Inside a
    transaction; nobody else counts or moves rows meanwhile, but people split and merge.
    """
    some = _next_rows(group)
    told = _with_causes([Failed(job, told_of(job)) for job in some])
    # What has failed again and was not counted yet is given its place when it is.
    placed = [(each, cause) for each, cause in told if each.is_counted]
    _recount(placed)
    moved = [(each, cause) for each, cause in placed if cause.group_id != group.pk]
    _place([one for one in placed if one[1].group_id != group.pk or one[0].job.failure_cause != one[1].pk])
    # In the order in which people lock them, and before any is written.
    groups = {group.pk, *(cause.group_id for _each, cause in moved)}
    list(FailureGroup.objects.select_for_update().filter(pk__in=groups).order_by("pk"))
    touch(latest((cause.group_id, each.at_ms) for each, cause in moved))
    place = f"{at_ms(some[-1])}:{some[-1].pk}" if len(some) >= MOST_FAILED and some[-1].finished_on_ms else ""
    # Split or merged again since it was read, it is gone through from the beginning.
    FailureGroup.objects.filter(pk=group.pk, moving=group.moving).update(moving=place)


def _next_rows(group: FailureGroup) -> list[Job]:
    """In the order of the index; those that do not say when they ended come along with the last."""
    since_ms, _, key = group.moving.partition(":")
    rows = Job.objects.filter(failure_group=group.pk, state=State.FAILED.value).only(*READ)
    some = list(ended_after(rows, int(since_ms), int(key))[:MOST_FAILED])
    return some if len(some) == MOST_FAILED else [*rows.filter(finished_on_ms__isnull=True)[:MOST_FAILED], *some]
