"""The tables of failures as their follower writes them: causes found or made, counts raised, what is old forgotten.
Inside its transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection as database
from django.db import models

from queues.fingerprints import Fingerprint
from queues.models import FailureCause, FailureCount, FailureEvent, FailureGroup, FailureSpot, Job
from queues.models.failure import HOUR_S, MINUTE_S, STEPS, TEN_MINUTES_S, Status

#: Causes that one job name may have before its further failures are one group, whatever they say: messages made of
#: prose would make a group of each. And causes of one connection before names are not told apart any more.
MOST_OF_A_NAME, MOST = 200, 20_000
#: Step → how long its counts are kept: as far back as a window reads it, and a little more.
KEPT_S = {MINUTE_S: 2 * 3_600, TEN_MINUTES_S: 2 * 86_400, HOUR_S: 31 * 86_400}
#: A group that failed last before this is forgotten.
FORGOTTEN_S = 180 * 86_400
#: Rows, and groups, that one commit forgets.
PRUNED, FORGOTTEN = 2_000, 100


@dataclass(slots=True)
class Tally:
    """What is to be added: (cause, queue) → when it failed, in milliseconds; taken away where `sign` is -1."""

    failed: dict[tuple[int, str], list[int]] = field(default_factory=dict)

    def add(self, cause: int, queue: str, at_ms: int) -> None:
        self.failed.setdefault((cause, queue), []).append(at_ms)


def causes_of(connection: str, prints: Mapping[str, Fingerprint]) -> dict[str, FailureCause]:
    """Digest → its cause, with its group; made where it is new."""
    known = _known(connection, prints)
    missing = {digest: told for digest, told in prints.items() if digest not in known}
    if missing:
        fitting = _bounded(connection, missing)
        new = {told.digest: told for told in fitting.values()}
        known |= _made(connection, {d: told for d, told in new.items() if d not in known})
        known |= {digest: known[told.digest] for digest, told in fitting.items()}
    return known


def _known(connection: str, digests: Collection[str]) -> dict[str, FailureCause]:
    found = FailureCause.objects.filter(connection=connection, digest__in=list(digests)).select_related("group")
    return {cause.digest: cause for cause in found}


def _bounded(connection: str, missing: Mapping[str, Fingerprint]) -> dict[str, Fingerprint]:
    """Each as it may be told apart from the others; coarser where there are too many."""
    causes = FailureCause.objects.filter(connection=connection)
    names = {told.name for told in missing.values()}
    counted = Counter(dict(causes.filter(name__in=names).values_list("name").annotate(n=models.Count("pk"))))
    total, fitting = causes.count(), {}
    for digest, told in missing.items():
        if total >= MOST:
            told = Fingerprint("")
        elif counted[told.name] >= MOST_OF_A_NAME:
            told = told.coarse()
        else:
            counted[told.name] += 1
            total += 1
        fitting[digest] = told
    return fitting


def _made(connection: str, prints: Mapping[str, Fingerprint]) -> dict[str, FailureCause]:
    known = _known(connection, prints)
    for digest, told in prints.items():
        if digest not in known:
            group = FailureGroup.objects.create(connection=connection)
            known[digest] = FailureCause.objects.create(
                connection=connection,
                digest=digest,
                group=group,
                name=told.name,
                kind=told.kind,
                message=told.message,
                frame=told.frame,
            )
    return known


def count(tally: Tally, sign: int = 1) -> None:
    """Add (or take away) what failed to the causes' spots and to every step of time."""
    spots, counts = [], []
    for (cause, queue), moments in tally.failed.items():
        spots.append((cause, queue, sign * len(moments), min(moments), max(moments)))
        for step_s in STEPS:
            at = Counter(ms // 1000 // step_s * step_s for ms in moments)
            counts += [(cause, queue, step_s, begin, sign * n) for begin, n in at.items()]
    # In one order everywhere, so that two writers never wait for each other.
    _run(_SPOT, sorted(spots))
    _run(_COUNT, sorted(counts))


def _run(statement: str, rows: Sequence[tuple[str | int, ...]]) -> None:
    if rows:
        with database.cursor() as cursor:
            cursor.executemany(statement, rows)


_LAST = f"UPDATE {FailureGroup._meta.db_table} SET last_ms = %s WHERE id = %s AND last_ms < %s"  # noqa: S608
_SPOT_TABLE, _COUNT_TABLE = FailureSpot._meta.db_table, FailureCount._meta.db_table
_SPOT = (
    f"INSERT INTO {_SPOT_TABLE} (cause_id, queue, total, first_ms, last_ms) VALUES (%s, %s, %s, %s, %s)"  # noqa: S608
    f" ON CONFLICT (cause_id, queue) DO UPDATE SET total = {_SPOT_TABLE}.total + excluded.total,"
    f" first_ms = CASE WHEN excluded.first_ms < {_SPOT_TABLE}.first_ms"
    f" THEN excluded.first_ms ELSE {_SPOT_TABLE}.first_ms END,"
    f" last_ms = CASE WHEN excluded.last_ms > {_SPOT_TABLE}.last_ms"
    f" THEN excluded.last_ms ELSE {_SPOT_TABLE}.last_ms END"
)
_COUNT = (
    f"INSERT INTO {_COUNT_TABLE} (cause_id, queue, step_s, at, failed) VALUES (%s, %s, %s, %s, %s)"  # noqa: S608
    f" ON CONFLICT (cause_id, step_s, at, queue) DO UPDATE SET failed = {_COUNT_TABLE}.failed + excluded.failed"
)


def touch(groups: Mapping[int, int]) -> None:
    """Group → when it failed last. One that was resolved before that has come back."""
    _run(_LAST, [(at_ms, group, at_ms) for group, at_ms in sorted(groups.items())])
    resolved = FailureGroup.objects.filter(status=Status.RESOLVED)
    for group in resolved.filter(pk__in=groups).order_by("pk").values_list("pk", flat=True):
        # Asked again as it is written: a person may have opened or ignored it meanwhile.
        back = resolved.filter(pk=group, status_ms__lt=groups[group])
        if back.update(status=Status.REGRESSED, status_ms=groups[group], status_by=""):
            FailureEvent.objects.create(group_id=group, kind="regressed")


def latest(moments: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Group → its latest moment."""
    found: dict[int, int] = {}
    for group, at_ms in moments:
        found[group] = max(at_ms, found.get(group, 0))
    return found


def forget_some(now_s: float) -> bool:
    """Counts that no window reads any more, and groups that nobody has met for long. Whether there is more."""
    is_more = False
    for step_s, kept_s in KEPT_S.items():
        old = FailureCount.objects.filter(step_s=step_s, at__lt=int(now_s - kept_s))
        keys = list(old.values_list("pk", flat=True)[:PRUNED])
        FailureCount.objects.filter(pk__in=keys).delete()
        is_more |= len(keys) == PRUNED
    gone = FailureGroup.objects.filter(last_ms__gt=0, last_ms__lt=int((now_s - FORGOTTEN_S) * 1000)).order_by("last_ms")
    return _forget_groups(list(gone[:FORGOTTEN])) or is_more


def _forget_groups(groups: Sequence[FailureGroup]) -> bool:
    left = PRUNED
    for group in groups:
        # Redis may hold failed jobs without end, and the rows of all of them.
        rows = list(Job.objects.filter(failure_group=group.pk).values_list("pk", flat=True)[:left])
        Job.objects.filter(pk__in=rows).update(failure_group=None, failure_cause=None)
        left -= len(rows)
        if not left:
            return True
        FailureCount.objects.filter(cause__group=group).delete()
        group.delete()
    return len(groups) == FORGOTTEN
