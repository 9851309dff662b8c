"""One scheduler: what is stored of it, seen from now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from queues.errors import InvalidInput
from queues.models import KeptScheduler
from queues.protocol import cron
from queues.protocol.clock import now_ms
from queues.protocol.reads.schedulers import Run, SchedulerSight
from queues.protocol.scheduling import Schedule
from queues.protocol.suspending import Definition

#: A run that is due so long and waits still is late.
LATE_MS = 5_000


class Standing(StrEnum):
    """How a scheduler stands."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    LATE = "late"
    #: Nothing will add its next job until it is stored anew.
    STUCK = "stuck"
    OVER = "over"
    PAUSED = "paused"
    #: Paused here, and a program has registered it again.
    RETURNED = "returned"
    LEGACY = "legacy"


@dataclass(slots=True)
class Scheduler:
    """One scheduler. `sight` is None where BullMQ does not have it: it is paused (`kept`)."""

    connection: str
    queue: str
    schedule: Schedule
    standing: Standing
    sight: SchedulerSight | None = None
    kept: KeptScheduler | None = None
    last: Run | None = None
    problem: str = ""

    @property
    def id(self) -> str:
        return self.schedule.id

    @property
    def next_job_id(self) -> str:
        """The job of its next run, where there is one."""
        return f"repeat:{self.id}:{self.schedule.next_ms}" if self.sight and self.sight.has_job else ""

    @property
    def next_ms(self) -> int | None:
        """When it runs next; None where it will not by itself."""
        return self.schedule.next_ms if self.standing in (Standing.SCHEDULED, Standing.LATE) else None


def live(connection: str, sight: SchedulerSight, kept: KeptScheduler | None, at_ms: int) -> Scheduler:
    held = kept if kept is not None and kept.why == KeptScheduler.Why.PAUSED else None
    one = Scheduler(connection, sight.queue, sight.schedule, _standing(sight, at_ms), sight, held)
    one.problem = problem_of(sight.schedule)
    if held is not None:
        one.standing = Standing.RETURNED
    elif one.problem and one.standing is Standing.SCHEDULED and not sight.is_delayed:
        one.standing = Standing.STUCK
    return one


def paused(connection: str, row: KeptScheduler) -> Scheduler:
    rule = Definition.from_json(row.redefined or row.definition).schedule
    return Scheduler(connection, row.queue, rule, Standing.PAUSED, None, row, problem=problem_of(rule))


def problem_of(rule: Schedule) -> str:
    """Why no worker can reckon its next run; empty where one can."""
    if not rule.pattern:
        return "" if rule.every_ms else "It says neither a pattern nor a beat."
    try:
        cron.next_ms(rule.pattern, now_ms(), start_ms=rule.start_ms, tz=rule.tz)
    except InvalidInput as error:
        return str(error)
    return ""


def _standing(sight: SchedulerSight, at_ms: int) -> Standing:
    rule, due_ms = sight.schedule, sight.schedule.next_ms or 0
    if not rule.iterations and ":" in rule.id and not sight.has_job:
        return Standing.LEGACY
    if sight.has_moved:
        return Standing.SCHEDULED
    if sight.is_delayed:
        return Standing.LATE if due_ms < at_ms - LATE_MS else Standing.SCHEDULED
    if sight.has_job and sight.finished_on_ms is None:
        if sight.processed_on_ms is not None:
            return Standing.RUNNING
        return Standing.LATE if due_ms < at_ms - LATE_MS else Standing.SCHEDULED
    return Standing.OVER if _is_over(rule, at_ms) else Standing.STUCK


def _is_over(rule: Schedule, at_ms: int) -> bool:
    if rule.limit is not None and rule.iterations >= rule.limit:
        return True
    if rule.end_ms is None:
        return False
    try:
        turns = beats(rule, [], at_ms, 1) if rule.every_ms else [cron.next_ms(rule.pattern, at_ms, tz=rule.tz)]
    except InvalidInput:
        return rule.end_ms <= at_ms
    return not turns or turns[0] > rule.end_ms


def beats(rule: Schedule, first: list[int], after_ms: int, count: int) -> list[int]:
    """The next turns of `every`, from the first that is known, or after that moment."""
    every = rule.every_ms or 0
    if not every:
        return []
    begin = first[0] if first else max(rule.start_ms or 0, after_ms // every * every + (rule.offset_ms or 0))
    if not first and begin <= after_ms:
        begin += every
    return [begin + every * turn for turn in range(count)]
