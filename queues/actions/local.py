"""The same actions where jobs run in process: what BullMQ's scripts decide, the rows decide here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from queues.actions.audit import Done
from queues.errors import JobLocked, JobNotFound, JobStateChanged, QueueNotFound, Refused, TorilError
from queues.models import Job, moves
from queues.models.local import jobs, queues
from queues.protocol.codec import raw, text
from queues.protocol.moving import Changed, seal
from queues.protocol.writes import now_ms
from queues.states import JOB_ACTIONS, State


async def retry_job(
    queue: str, job_id: str, *, afresh: bool = False, delay_ms: int = 0, closed: TorilError | None = None
) -> Done:
    if delay_ms:
        raise Refused(_("A retry with a delay is for jobs in Redis; here they run in the process that adds them."))
    job = await _checked(queue, job_id, "retry", "retried")
    if job.state == State.COMPLETED and closed is not None:
        raise closed
    is_lifo = job.options.get("lifo") is True
    moved = await sync_to_async(moves.retry)(queue, [job_id], State(job.state), afresh=afresh, first=is_lifo)
    return await _done(queue, job_id, moved, "retried", "was put back to run again")


async def promote_job(queue: str, job_id: str) -> Done:
    await _checked(queue, job_id, "promote", "promoted")
    moved = await sync_to_async(moves.promote)(queue, [job_id])
    return await _done(queue, job_id, moved, "promoted", "was promoted")


async def remove_job(queue: str, job_id: str) -> Done:
    found = jobs(queue).filter(job_id=job_id)
    if not await found.aexists():
        raise JobNotFound(queue, job_id)
    if not await sync_to_async(moves.remove)(found):
        raise JobLocked(job_id)
    return Done(_("Job “%(job)s” was removed.") % {"job": job_id})


async def edit_data(queue: str, job_id: str, data: bytes, sealed: str) -> Done:
    job = await _checked(queue, job_id, "edit", "changed")
    changed = 0
    if seal(raw(job.data)) == sealed:
        same = jobs(queue, State(job.state)).filter(job_id=job_id, data=job.data)
        changed = await same.aupdate(data=text(data))
    if not changed:
        raise Changed(
            _("Job “%(job)s” was not changed: it was changed since you looked. Nothing was overwritten.")
            % {"job": job_id}
        )
    return Done(_("The data of job “%(job)s” was changed.") % {"job": job_id}, job.state_enum)


async def reschedule_job(queue: str, job_id: str, delay_ms: int) -> Done:
    await _checked(queue, job_id, "reschedule", "rescheduled")
    moved = await sync_to_async(moves.change_delay)(queue, job_id, delay_ms, now_ms() + delay_ms)
    return await _done(queue, job_id, moved, "rescheduled", "is due at another time now")


async def reprioritize_job(queue: str, job_id: str, priority: int, first: bool) -> Done:
    await _checked(queue, job_id, "reprioritize", "moved")
    moved = await sync_to_async(moves.change_priority)(queue, job_id, priority, first=first)
    return await _done(queue, job_id, moved, "moved", f"has priority {priority:,} now")


async def pause_queue(queue: str) -> Done:
    return await _switch(queue, True, f"Queue “{queue}” is paused.", f"Queue “{queue}” was paused already.")


async def resume_queue(queue: str) -> Done:
    return await _switch(queue, False, f"Queue “{queue}” runs again.", f"Queue “{queue}” was running already.")


async def _switch(queue: str, is_paused: bool, done: str, already: str) -> Done:
    if not await queues().filter(name=queue).aexists():
        raise QueueNotFound(queue)
    changed = await sync_to_async(moves.set_paused)(queue, is_paused)
    return Done(done) if changed else Done(already, affected=0)


async def _checked(queue: str, job_id: str, action: str, verb: str) -> Job:
    """The job, in a state in which the action makes sense."""
    job = await jobs(queue).filter(job_id=job_id).afirst()
    if job is None:
        raise JobNotFound(queue, job_id)
    if job.state_enum not in JOB_ACTIONS[action]:
        raise JobStateChanged(job_id, verb, job.state)
    return job


async def _done(queue: str, job_id: str, moved: int, verb: str, what: str) -> Done:
    job = await jobs(queue).filter(job_id=job_id).afirst()
    if not moved:
        raise JobStateChanged(job_id, verb, job.state if job else None)
    if job is None:
        return Done(_("Job “%(job)s” %(what)s; it has run already and was not kept.") % {"job": job_id, "what": what})
    return Done(
        _("Job “%(job)s” %(what)s: it is %(label)s now.")
        % {"job": job_id, "what": what, "label": job.state_enum.label.lower()},
        job.state_enum,
    )


# --- many jobs


def meant(queue: str, action: str, state: State, before_ms: int) -> QuerySet[Job]:
    """The jobs that a bulk action means: those that were there, or had ended, at that moment. Never one that runs."""
    states = (State.WAITING, State.PRIORITIZED) if action == "drain" else (state,)
    found = jobs(queue, *(each for each in states if each in moves.AT_REST))
    if state is State.ACTIVE:
        return found.none()
    if state.is_finished:
        return found.filter(finished_on_ms__lte=before_ms)
    return found.filter(timestamp_ms__lte=before_ms)


async def count(queue: str, action: str, state: State, before_ms: int) -> tuple[int, int]:
    """How many jobs it means, of how many in the state."""
    states = (State.WAITING, State.PRIORITIZED) if action == "drain" else (state,)
    return await meant(queue, action, state, before_ms).acount(), await jobs(queue, *states).acount()


class RowWalk:
    """Along the rows, oldest first: what was touched is no longer meant, so each step begins anew."""

    trips: ClassVar[int] = 1

    def __init__(self, queue: str, action: str, state: State, before_ms: int) -> None:
        self.queue, self.action, self.state = queue, action, state
        self._meant = meant(queue, action, state, before_ms)

    async def touch(self, limit: int) -> tuple[int, bool]:
        """Touch at most so many; how many that were, and whether there may be more."""
        ids = [job_id async for job_id in self._meant.order_by("pk").values_list("job_id", flat=True)[:limit]]
        done = await sync_to_async(self._act)(ids) if ids else 0
        return done, len(ids) == limit and done > 0

    def _act(self, job_ids: Sequence[str]) -> int:
        if self.action == "retry-all":
            return moves.retry(self.queue, job_ids, self.state)
        if self.action == "promote-all":
            return moves.promote(self.queue, job_ids)
        return moves.remove(self._meant.filter(job_id__in=job_ids))
