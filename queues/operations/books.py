"""What an operation writes down: its frozen jobs, what is in hand, what became of it. Synchronous, a transaction each.

`check` is the leader's: it raises where another process leads by now, and nothing is written then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection, models, transaction
from django.db.models import F
from django.utils import timezone

from queues.models import Operation, OperationItem
from queues.models.operation import key_of

Phase, Outcome = Operation.Phase, OperationItem.Outcome
Check = Callable[[], None]
#: Rows per commit while jobs are frozen, or forgotten again.
FROZEN_AT_ONCE = 2_000
_INSERT = (
    "INSERT INTO {} (operation_id, seq, queue, job_id, state, mark, key, outcome, note)"
    " VALUES (%s,%s,%s,%s,%s,%s,%s,0,'')"
)


class Found(NamedTuple):
    """A job that is meant, as it was found (see OperationItem)."""

    queue: str
    job_id: str
    state: str
    mark: int


class Item(NamedTuple):
    seq: int
    queue: str
    job_id: str
    state: str
    mark: int


class Verdict(NamedTuple):
    outcome: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Hand:
    """The jobs to be looked at next. `is_again`: they may have been touched before something broke."""

    operation: Operation
    items: tuple[Item, ...]
    is_again: bool = False


@dataclass(slots=True)
class Settled:
    """What became of the jobs in hand. `also` is done in the same transaction; `changes` are the operation's."""

    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    also: Callable[[], None] | None = None


def open_operations() -> list[int]:
    """Those with something to do: running ones, and those that ended or paused with jobs in hand."""
    asked = models.Q(phase=Phase.RUNNING) | models.Q(hand__gt=F("settled"))
    return list(Operation.objects.filter(asked).order_by("pk").values_list("pk", flat=True))


def operation(number: int) -> Operation:
    return Operation.objects.get(pk=number)


# --- freezing


def fits(one: Found) -> bool:
    """Whether its names fit the columns; no library makes longer ones, and the mirror keeps none."""
    return len(one.job_id) <= 1024 and len(one.queue) <= 512


def freeze(number: int, check: Check, found: Iterable[Found], first: int) -> bool:
    """Write these down from item `first` on; False where it is to be frozen no longer."""
    rows = [(number, first + at, *one, key_of(one.queue, one.job_id)) for at, one in enumerate(found)]
    with transaction.atomic():
        check()
        running = Operation.objects.filter(pk=number, phase=Phase.RUNNING, is_collected=False)
        if not running.update(total=F("total") + len(rows), turned_at=timezone.now()):
            return False
        with connection.cursor() as cursor:
            cursor.executemany(_INSERT.format(OperationItem._meta.db_table), rows)
    return True


def turn_round(number: int, check: Check, first: int, last: int) -> None:
    """Let the last of these come first. Numbers are not taken twice while it lasts."""
    for start in range(first, last + 1, FROZEN_AT_ONCE):
        end = min(last, start + FROZEN_AT_ONCE - 1)
        with transaction.atomic():
            check()
            _items(number).filter(seq__gte=start, seq__lte=end).update(seq=F("seq") - (first + last + 1))
    # Now item s stands at s - first - last - 1, below nought; its place is first + last - s.
    for start in range(first, last + 1, FROZEN_AT_ONCE):
        low, high = start - first - last - 1, min(last, start + FROZEN_AT_ONCE - 1) - first - last - 1
        with transaction.atomic():
            check()
            _items(number).filter(seq__gte=low, seq__lte=high).update(seq=F("seq") * -1 - 1)


def collected(number: int, check: Check, queues: Sequence[str]) -> None:
    """`queues` are those of its jobs, where the target did not name any."""
    with transaction.atomic():
        check()
        running = Operation.objects.filter(pk=number, is_collected=False)
        running.filter(queues="[]").update(queues=json.dumps(sorted(queues)))
        running.update(is_collected=True, started_at=timezone.now())


def forget(number: int, check: Check) -> bool:
    """Some of what was frozen when something broke; True once nothing is left. Nothing was touched then."""
    with transaction.atomic():
        check()
        some = list(_items(number).values_list("pk", flat=True)[:FROZEN_AT_ONCE])
        OperationItem.objects.filter(pk__in=some).delete()
        Operation.objects.filter(pk=number).update(total=0)
    return len(some) < FROZEN_AT_ONCE


# --- working off


def turn_over(number: int, check: Check, settled: Settled | None, size: int) -> Hand | None:
    """Close what was in hand, and take up to `size` next; None where there is nothing (any more, or for now)."""
    with transaction.atomic():
        check()
        if settled is not None:
            _settle(number, settled)
        row = Operation.objects.get(pk=number)
        if row.phase == Phase.RUNNING and row.settled >= row.total and settled is not None:
            _end(row)
        if row.phase != Phase.RUNNING or size <= 0:
            return None
        items = _next(row, size)
        if not items:
            _end(row)
            return None
        Operation.objects.filter(pk=number).update(hand=items[-1].seq)
    return Hand(row, items)


def hand_left(number: int) -> Hand | None:
    """What was in hand when something broke."""
    row = Operation.objects.get(pk=number)
    if row.hand <= row.settled:
        return None
    items = _next(row, row.hand - row.settled)
    return Hand(row, tuple(item for item in items if item.seq <= row.hand), is_again=True)


def _next(row: Operation, size: int) -> tuple[Item, ...]:
    pending = _items(row.pk).filter(seq__gt=row.settled, outcome=Outcome.PENDING).order_by("seq")
    return tuple(Item(*values) for values in pending.values_list("seq", "queue", "job_id", "state", "mark")[:size])


def _settle(number: int, settled: Settled) -> None:
    changes: dict[str, Any] = dict(settled.changes)
    verdicts = settled.verdicts
    if verdicts:
        for verdict, seqs in _alike(verdicts):
            rows = _items(number).filter(seq__gte=seqs[0], seq__lte=seqs[-1])
            # Nearly always all of them are done, and a range is told in two numbers.
            whole = len(seqs) == seqs[-1] - seqs[0] + 1
            (rows if whole else rows.filter(seq__in=seqs)).update(outcome=verdict.outcome, note=verdict.note)
        for name, outcome in (("done", Outcome.DONE), ("moved", Outcome.MOVED), ("stayed", Outcome.STAYED)):
            changes[name] = F(name) + sum(one.outcome == outcome for one in verdicts.values())
        changes |= {"settled": max(verdicts), "hand": max(verdicts), "turned_at": timezone.now()}
    if changes:
        Operation.objects.filter(pk=number).update(**changes)
    if settled.also is not None:
        settled.also()


def _alike(verdicts: Mapping[int, Verdict]) -> list[tuple[Verdict, list[int]]]:
    """Verdicts with the items that share one; at most 500 together, which every SQLite takes in a query."""
    ordered = sorted(verdicts.items(), key=lambda pair: (pair[1], pair[0]))
    found = []
    for verdict, pairs in groupby(ordered, key=lambda pair: pair[1]):
        seqs = [seq for seq, _verdict in pairs]
        step = len(seqs) if len(seqs) == seqs[-1] - seqs[0] + 1 else 500
        found += [(verdict, seqs[at : at + step]) for at in range(0, len(seqs), step)]
    return found


def _end(row: Operation) -> None:
    running = Operation.objects.filter(pk=row.pk, phase=Phase.RUNNING)
    running.update(phase=Phase.DONE, ended_at=timezone.now(), speed=0)
    row.phase = Phase.DONE


def stop(number: int, check: Check, why: str, changes: Mapping[str, Any]) -> None:
    """It pauses by itself, for a reason that a person should read."""
    with transaction.atomic():
        check()
        running = Operation.objects.filter(pk=number, phase=Phase.RUNNING)
        running.update(phase=Phase.PAUSED, stopped_itself=True, message=why, **changes)


def lay_down(number: int, check: Check, settled: Settled) -> None:
    """Of what was in hand when it was paused or cancelled these are settled, and the others were not begun: they are
    taken up again should it go on.
    """
    with transaction.atomic():
        check()
        settled_until = Operation.objects.values_list("settled", flat=True).get(pk=number)
        _settle(number, settled)
        Operation.objects.filter(pk=number).update(settled=settled_until, hand=settled_until)


def _items(number: int) -> models.QuerySet[OperationItem]:
    return OperationItem.objects.filter(operation_id=number).order_by()
