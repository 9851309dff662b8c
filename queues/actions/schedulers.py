"""What a person may do to a scheduler. Each is recorded; what leaves BullMQ is kept here first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from queues.actions import keeping
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import InvalidInput, JobNotFound, NotFound, QueueNotFound, Refused
from queues.models import KeptScheduler
from queues.models.local import is_in_process
from queues.producer.carrier import carrier
from queues.producer.scheduler import FoundScheduler
from queues.protocol import reads, scheduling, selection, suspending
from queues.protocol.scheduling import NewSchedule
from queues.protocol.suspending import Definition
from queues.states import State

PAUSED, REMOVED = KeptScheduler.Why.PAUSED, KeptScheduler.Why.REMOVED


async def pause_scheduler(
    actor: Actor,
    connection: str,
    queue: str,
    schedule_id: str,
    until: datetime | None = None,
    stays: bool = True,
) -> Done:
    """Take it out of BullMQ, its definition kept: no worker runs it, Node's or ours. A run that waits or runs already
    stays. `stays`: it is taken out again whenever a program registers it.

    Raises NotFound, and InvalidInput for one too large to be kept.
    """

    async def act() -> Done:
        found = await _found(connection, queue, schedule_id)
        row = await keeping.keep(connection, queue, found, PAUSED, actor.name, until, stays)
        async with keeping.claimed(row):
            taken = await suspending.take_out(connection, queue, found)
            if taken is not None:
                row.definition = taken.to_json()
                await row.asave(update_fields=["definition"])
        waits = await _waits(connection, queue, found)
        return Done(
            _("Scheduler “%(scheduler)s” is paused; its definition is kept here.%(waits)s")
            % {"scheduler": schedule_id, "waits": waits}
        )

    more = {"until": until.isoformat() if until else None, "stays": stays}
    return await _record(actor, "scheduler.pause", connection, queue, schedule_id, act, more)


async def resume_scheduler(actor: Actor, connection: str, queue: str, schedule_id: str) -> Done:
    """Put a paused one back as it was, its beat and its count going on; or, where a program has registered it again and
    it runs, let it. Raises NotFound, and Refused where it is over.
    """

    async def act() -> Done:
        row = await keeping.kept(connection, queue, schedule_id, PAUSED)
        return await _put_back(row, "runs again")

    return await _record(actor, "scheduler.resume", connection, queue, schedule_id, act)


async def restore_scheduler(actor: Actor, connection: str, queue: str, schedule_id: str) -> Done:
    """Undo a removal. Raises NotFound where it is no longer kept, and Refused where it is over."""

    async def act() -> Done:
        row = await keeping.kept(connection, queue, schedule_id, REMOVED)
        return await _put_back(row, "is back")

    return await _record(actor, "scheduler.restore", connection, queue, schedule_id, act)


async def remove_scheduler(actor: Actor, connection: str, queue: str, schedule_id: str) -> Done:
    """Remove it and its next job, unless that waits or runs already; for a day it can be put back. Raises NotFound."""

    async def act() -> Done:
        found = await suspending.definition(connection, queue, schedule_id)
        if found is None:
            paused = await _paused(connection, queue, schedule_id)
            await keeping.keep(connection, queue, keeping.definition_of(paused), REMOVED, actor.name)
            return Done(_("Scheduler “%(scheduler)s” was removed; it was paused.") % {"scheduler": schedule_id})
        row: KeptScheduler | None = None
        with suppress(InvalidInput):
            row = await keeping.keep(connection, queue, found, REMOVED, actor.name)
        taken = await suspending.take_out(connection, queue, found)
        if row is not None and taken is not None:
            row.definition = taken.to_json()
            await row.asave(update_fields=["definition"])
        kept = "" if row is not None else " " + _("It was too large to be kept, so it cannot be put back.")
        return Done(
            _("Scheduler “%(scheduler)s” was removed.%(kept)s%(what)s")
            % {"scheduler": schedule_id, "kept": kept, "what": await _waits(connection, queue, found)}
        )

    return await _record(actor, "scheduler.remove", connection, queue, schedule_id, act)


async def run_scheduler(actor: Actor, connection: str, queue: str, schedule_id: str) -> tuple[str, Done]:
    """Add a job as it makes them, now; its next run stays where it is. The job's id. Raises NotFound."""

    async def act() -> tuple[str, Done]:
        found = await suspending.definition(connection, queue, schedule_id)
        if found is None:
            found = keeping.definition_of(await keeping.kept(connection, queue, schedule_id, PAUSED))
        job = FoundScheduler(connection, queue, found.schedule).job()
        job_id = await carrier().add(connection, queue, job)
        return job_id, Done(
            _("Job “%(job)s” was added as scheduler “%(scheduler)s” makes them.")
            % {"job": job_id, "scheduler": schedule_id}
        )

    deed = Deed(actor, "scheduler.run", connection, queue, parameters={"scheduler": schedule_id})
    return await record(deed, act, lambda made: of_done(made[1]))


async def add_scheduler(actor: Actor, connection: str, queue: str, schedule: NewSchedule) -> Done:
    """Store a new one. Raises Refused where there is one of that id, paused ones included."""

    async def act() -> Done:
        if is_in_process():
            raise Refused(_("Jobs run in this process: schedulers need Redis."))
        if not all(await selection.queues_exist(connection, [queue])):
            raise QueueNotFound(queue)
        there = await suspending.are_there(connection, [(queue, schedule.id)])
        with suppress(NotFound):
            await keeping.kept(connection, queue, schedule.id, PAUSED)
            there = [True]
        if any(there):
            raise Refused(
                _("Queue “%(queue)s” has a scheduler “%(id)s” already: edit that one.")
                % {"queue": queue, "id": schedule.id}
            )
        job_id = await scheduling.upsert(connection, queue, schedule)
        return _stored(_("Scheduler “%(id)s” was added.") % {"id": schedule.id}, job_id)

    return await _record(actor, "scheduler.add", connection, queue, schedule.id, act, _told(schedule))


async def edit_scheduler(actor: Actor, connection: str, queue: str, schedule: NewSchedule) -> Done:
    """Store the changed rule and template; how many jobs it has made counts on for its limit. A paused one is changed
    where it is kept. Raises NotFound, and Refused where a worker could run its next job twice.
    """

    async def act() -> Done:
        found = await suspending.definition(connection, queue, schedule.id)
        if found is None:
            row = await _paused(connection, queue, schedule.id)
            async with keeping.claimed(row):
                row.definition = _edited(keeping.definition_of(row), schedule).to_json()
                row.redefined = ""
                await row.asave(update_fields=["definition", "redefined"])
            return Done(_("Scheduler “%(id)s” was changed; it stays paused.") % {"id": schedule.id})
        if schedule.limit is not None and schedule.limit < found.count:
            raise InvalidInput(
                _("It has made %(number)s jobs: the limit must be at least %(count)s.")
                % {"number": f"{found.count - 1:,}", "count": f"{found.count:,}"}
            )
        await _check_waits_not(connection, queue, found)
        job_id = await scheduling.upsert(connection, queue, replace(schedule, count=found.count))
        return _stored(_("Scheduler “%(id)s” was changed.") % {"id": schedule.id}, job_id)

    return await _record(actor, "scheduler.edit", connection, queue, schedule.id, act, _told(schedule))


def _stored(said: str, job_id: str | None) -> Done:
    if not job_id:
        return Done(said)
    following = _("Its next job is “%(job)s”.") % {"job": job_id}
    return Done(f"{said} {following}")


async def _put_back(row: KeptScheduler, what: str) -> Done:
    async with keeping.claimed(row):
        (is_there,) = await suspending.are_there(row.connection, [(row.queue, row.scheduler_id)])
        if is_there:
            await row.adelete()
            return Done(
                _("Scheduler “%(scheduler)s” %(what)s: a program has registered it, and that stays.")
                % {"scheduler": row.scheduler_id, "what": what}
            )
        job_id = await suspending.put_back(row.connection, row.queue, keeping.definition_of(row))
        await row.adelete()
    return Done(
        _("Scheduler “%(scheduler)s” %(what)s; its next job is “%(job)s”.")
        % {"scheduler": row.scheduler_id, "what": what, "job": job_id}
    )


async def _found(connection: str, queue: str, schedule_id: str) -> Definition:
    found = await suspending.definition(connection, queue, schedule_id)
    if found is None:
        raise _none(queue, schedule_id)
    return found


async def _paused(connection: str, queue: str, schedule_id: str) -> KeptScheduler:
    """One that Redis does not hold."""
    try:
        return await keeping.kept(connection, queue, schedule_id, PAUSED)
    except NotFound:
        raise _none(queue, schedule_id) from None


def _none(queue: str, schedule_id: str) -> NotFound:
    told = {"queue": queue, "scheduler": schedule_id}
    return NotFound(_("Queue “%(queue)s” has no scheduler “%(scheduler)s”; it may have been removed.") % told)


def _edited(kept: Definition, schedule: NewSchedule) -> Definition:
    fields = scheduling.fields_of(schedule)
    made = {name: kept.fields[name] for name in ("ic",) if name in kept.fields}
    is_same_beat = fields.get("every") == kept.fields.get("every")
    if is_same_beat and "offset" in kept.fields:
        made.setdefault("offset", kept.fields["offset"])
    changed = replace(kept, fields={**fields, **made})
    return changed if keeping.rule_of(changed) == keeping.rule_of(kept) else replace(changed, next_ms=0)


async def _waits(connection: str, queue: str, found: Definition) -> str:
    """What is said of a run that was due before it left."""
    job_id = f"repeat:{found.id}:{found.next_ms}"
    with suppress(JobNotFound):
        (state,) = await reads.job_states(connection, queue, [job_id])
        if state in (State.WAITING, State.PRIORITIZED, State.ACTIVE):
            return f" Its last run is {state.label.lower()} and was left: job “{job_id}”."
    return ""


async def _check_waits_not(connection: str, queue: str, found: Definition) -> None:
    """In a paused queue BullMQ's script adds the next job beside the one that waits (PROTOCOL.md §5)."""
    (facts,) = await reads.queue_facts(connection, [queue])
    if not facts.is_paused:
        return
    (state,) = await reads.job_states(connection, queue, [f"repeat:{found.id}:{found.next_ms}"])
    if state is State.WAITING:
        raise Refused(
            _(
                "Queue “%(queue)s” is paused and the next job of “%(id)s” waits in it: changed now, it "
                "would be there twice. Resume the queue first, or remove that job."
            )
            % {"queue": queue, "id": found.id}
        )


async def _record(
    actor: Actor,
    action: str,
    connection: str,
    queue: str,
    schedule_id: str,
    act: Callable[[], Awaitable[Done]],
    more: dict[str, Any] | None = None,
) -> Done:
    parameters = {"scheduler": schedule_id, **(more or {})}
    return await record(Deed(actor, action, connection, queue, parameters=parameters), act, of_done)


def _told(schedule: NewSchedule) -> dict[str, Any]:
    """The rule, for the record; never the data."""
    told = {
        "every_ms": schedule.every_ms,
        "pattern": schedule.pattern or None,
        "tz": schedule.tz or None,
        "limit": schedule.limit,
        "start_ms": schedule.start_ms,
        "end_ms": schedule.end_ms,
        "name": schedule.name,
    }
    return {key: value for key, value in told.items() if value is not None}
