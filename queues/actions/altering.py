"""What changes one job where it is: its data, when it is due, its priority. Each says what it was and what it is."""

from __future__ import annotations

import time
from typing import Any

from django.utils.translation import gettext as _

from queues.actions import local, undo
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.actions.looking import checked
from queues.errors import InvalidInput
from queues.models.local import is_in_process
from queues.protocol import editing, moving, reads, undoing
from queues.states import State

MAX_PRIORITY = 2_097_151
#: Redis's score of a delayed job is exact until then.
LAST_MS = 2**41 - 1
#: What was there before is kept for an undo up to here.
MOST_KEPT = 1_048_576
#: So much of a difference is kept in the record, masked.
LONGEST_RECORDED = 8_000


async def edit_data(
    actor: Actor, connection: str, queue: str, job_id: str, data: bytes, sealed: str, difference: str = ""
) -> Done:
    """Replace the job's data by `data`, where it still is what `sealed` was made of (`moving.seal`).

    `difference` is what the record keeps, masked. Raises JobNotFound, JobStateChanged, Running, or Changed: then
    somebody else has changed it, and nothing was overwritten.
    """

    async def act() -> Done:
        if is_in_process():
            return await local.edit_data(queue, job_id, data, sealed)
        state = await checked(connection, queue, job_id, "edit", "changed")
        before = await reads.job_field(connection, queue, job_id, "data")
        known = await moving.mark(connection, queue, job_id)
        address = (connection, queue, job_id, "data")
        await moving.change_field(*address, data, sealed, timestamp=known.timestamp)
        back = None
        if before is not None and len(before) <= MOST_KEPT and moving.seal(before) == sealed:
            way: dict[str, Any] = {"field": "data", "value": before, "sealed": moving.seal(data)}
            way |= {"timestamp": known.timestamp, "said": "has its former data again"}
            back = await undo.offer(connection, "job.edit", queue, job_id, "field", **way)
        return Done(_("The data of job “%(job)s” was changed.") % {"job": job_id}, state, undo=back)

    parameters = {"difference": difference[:LONGEST_RECORDED]}
    return await record(Deed(actor, "job.edit", connection, queue, job_id, parameters), act, of_done)


async def reschedule_job(actor: Actor, connection: str, queue: str, job_id: str, due_ms: int) -> Done:
    """Let a delayed job be due then; a moment that has passed is now. Raises JobNotFound or JobStateChanged."""
    if not 0 <= due_ms <= LAST_MS:
        raise InvalidInput(_("That moment is further off than a job can wait."))
    deed = Deed(actor, "job.reschedule", connection, queue, job_id, {"after": {"due_ms": due_ms}})

    async def act() -> Done:
        now_ms = time.time_ns() // 1_000_000
        delay_ms = max(0, due_ms - now_ms)
        if is_in_process():
            return await local.reschedule_job(queue, job_id, delay_ms)
        await checked(connection, queue, job_id, "reschedule", "rescheduled")
        before = await undoing.due_ms(connection, queue, job_id)
        delay = await reads.job_field(connection, queue, job_id, "delay")
        known = await moving.mark(connection, queue, job_id)
        deed.parameters["before"] = {"due_ms": before}
        await editing.change_delay(connection, queue, job_id, delay_ms, now_ms)
        after = await undoing.due_ms(connection, queue, job_id)
        way: dict[str, Any] = {"from": ["delayed"], "to": "delayed", "at": before, "after": after}
        way |= {"known": [known.timestamp, known.started], "fields": {"delay": delay or b"0"}}
        back = await undo.offer(connection, "job.reschedule", queue, job_id, "delay", **way)
        return Done(_("Job “%(job)s” is due at another time now.") % {"job": job_id}, State.DELAYED, undo=back)

    return await record(deed, act, of_done)


async def reprioritize_job(
    actor: Actor, connection: str, queue: str, job_id: str, priority: int, *, lifo: bool = False
) -> Done:
    """0 is none: before all that have one; then 1 before 2. `lifo`: first among its equals, else last.

    Raises JobNotFound or JobStateChanged.
    """
    if not 0 <= priority <= MAX_PRIORITY:
        raise InvalidInput(
            _("The priority must be a whole number from 0 to %(max_priority)s.") % {"max_priority": f"{MAX_PRIORITY:,}"}
        )
    parameters: dict[str, Any] = {"after": {"priority": priority} | ({"lifo": True} if lifo else {})}
    deed = Deed(actor, "job.reprioritize", connection, queue, job_id, parameters)

    async def act() -> Done:
        if is_in_process():
            return await local.reprioritize_job(queue, job_id, priority, lifo)
        await checked(connection, queue, job_id, "reprioritize", "moved")
        before = _number(await reads.job_field(connection, queue, job_id, "priority"))
        known = await moving.mark(connection, queue, job_id)
        deed.parameters["before"] = {"priority": before}
        await editing.change_priority(connection, queue, job_id, priority, lifo)
        way = {"before": before, "after": priority, "known": [known.timestamp, known.started]}
        back = await undo.offer(connection, "job.reprioritize", queue, job_id, "priority", **way)
        (state,) = await reads.job_states(connection, queue, [job_id])
        said = f"has priority {priority:,} now" if priority else "has no priority now: it runs before all that have one"
        return Done(_("Job “%(job)s” %(said)s.") % {"job": job_id, "said": said}, state, undo=back)

    return await record(deed, act, of_done)


def _number(value: bytes | None) -> int:
    return int(value) if value and value.isdigit() and len(value) < 10 else 0
