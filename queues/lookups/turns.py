"""The runs of a scheduler: those to come, as BullMQ will reckon them, and the last ones with what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import DatabaseError

from queues.errors import InvalidInput
from queues.lookups.scheduler import Scheduler, Standing, beats
from queues.models import Job
from queues.protocol import cron
from queues.protocol.clock import now_ms
from queues.protocol.cron import Moment
from queues.protocol.reads import schedulers as reads
from queues.protocol.reads.schedulers import Run
from queues.protocol.scheduling import Schedule

#: Among so many of the newest jobs of each state a scheduler's last runs are looked for.
MOST_JOBS = 200
NEXT_RUNS = 5
LAST_RUNS = 10
#: Rows of the mirror read at once.
MOST_ROWS = 500


def coming(one: Scheduler, count: int = NEXT_RUNS) -> list[Moment]:
    """Its next runs; of a paused one those that it would have if it were resumed now. Empty where it cannot be told."""
    rule, after_ms = one.schedule, now_ms()
    if one.standing in (Standing.OVER, Standing.STUCK, Standing.LEGACY):
        return []
    left = count if rule.limit is None else min(count, max(rule.limit - rule.iterations + (one.sight is not None), 0))
    first = [rule.next_ms] if one.sight and one.standing is not Standing.RUNNING and rule.next_ms else []
    try:
        return _from(rule, first, after_ms)[:left] if left else []
    except InvalidInput:
        return []


def _from(rule: Schedule, first: list[int], after_ms: int) -> list[Moment]:
    if rule.pattern:
        begin = [Moment(at, cron.change(rule.pattern, at, rule.tz)) for at in first]
        after_ms = max([after_ms, *first])
        if begin and "H" in rule.pattern:
            return begin
        more = cron.upcoming(rule.pattern, after_ms, NEXT_RUNS, start_ms=rule.start_ms, end_ms=rule.end_ms, tz=rule.tz)
        return begin + more
    return [Moment(at) for at in beats(rule, first, after_ms, NEXT_RUNS) if rule.end_ms is None or at <= rule.end_ms]


async def with_last_runs(schedulers: Sequence[Scheduler]) -> None:
    """Sets each one's `last`: among the newest jobs that Redis keeps, or as the mirror kept it."""
    for queue in {one.queue for one in schedulers}:
        here = [one for one in schedulers if one.queue == queue]
        connection = here[0].connection
        made = await reads.kept_runs(connection, queue, MOST_JOBS)
        newest: dict[str, tuple[str, str]] = {}
        for job_id, state in made:
            newest.setdefault(reads.scheduler_of(job_id), (job_id, state))
        wanted = [newest[one.id] for one in here if one.id in newest]
        told = {reads.scheduler_of(run.job_id): run for run in await reads.runs(connection, queue, wanted)}
        for one in here:
            one.last = told.get(one.id)
    missing = [one for one in schedulers if one.last is None]
    mirrored = await _mirrored(missing, 2)
    for one in missing:
        one.last = next(iter(mirrored.get((one.queue, one.id), [])), None)


async def last_runs(one: Scheduler) -> list[Run]:
    """Newest first: what Redis keeps, and where that is little, what the mirror kept."""
    made = await reads.kept_runs(one.connection, one.queue, MOST_JOBS)
    wanted = dict(reads.of_scheduler(made, one.id, LAST_RUNS))
    wanted |= {job_id: "" for job_id in _candidates(one, LAST_RUNS) if job_id not in wanted}
    wanted.pop(f"repeat:{one.id}:{one.schedule.next_ms}" if _is_coming(one) else "", None)
    found = await reads.runs(one.connection, one.queue, list(wanted.items()))
    known = {run.job_id for run in found}
    mirrored = (await _mirrored([one], LAST_RUNS)).get((one.queue, one.id), [])
    merged = found + [run for run in mirrored if run.job_id not in known]
    return sorted(merged, key=lambda run: -(run.processed_on_ms or run.due_ms))[:LAST_RUNS]


def _is_coming(one: Scheduler) -> bool:
    return one.sight is not None and one.sight.processed_on_ms is None


def _candidates(one: Scheduler, count: int) -> list[str]:
    """The ids that its last runs have, if nobody has changed it since."""
    rule = one.schedule
    before_ms = rule.next_ms or now_ms()
    try:
        if rule.pattern:
            slots = cron.previous(rule.pattern, before_ms, count, rule.tz)
        else:
            slots = [before_ms - (rule.every_ms or 0) * turn for turn in range(1, count + 1)] if rule.every_ms else []
    except InvalidInput:
        slots = []
    return [f"repeat:{rule.id}:{slot}" for slot in (*([before_ms] if not _is_coming(one) else []), *slots)]


async def _mirrored(schedulers: Sequence[Scheduler], count: int) -> dict[tuple[str, str], list[Run]]:
    """(queue, scheduler) → its last runs as the mirror kept them; none where the database does not answer."""
    ids = {job_id for one in schedulers for job_id in _candidates(one, count)}
    if not ids:
        return {}
    rows = Job.objects.filter(
        connection=schedulers[0].connection,
        queue__in={one.queue for one in schedulers},
        job_id__in=sorted(ids),
        processed_on_ms__isnull=False,
    ).only("queue", "job_id", "state", "processed_on_ms", "finished_on_ms", "failed_reason")
    found: dict[tuple[str, str], list[Run]] = {}
    try:
        async for row in rows.order_by("-processed_on_ms")[:MOST_ROWS]:
            run = Run(
                row.job_id,
                row.state,
                reads.slot_ms(row.job_id),
                row.processed_on_ms,
                row.finished_on_ms,
                row.failed_reason[: reads.LARGEST_REASON],
            )
            found.setdefault((row.queue, reads.scheduler_of(row.job_id)), []).append(run)
    except DatabaseError:
        return {}
    return found
