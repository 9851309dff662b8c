"""Showing what is masked: nothing changes, and it is recorded all the same, before anything is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.utils.translation import gettext as _

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Ending, of_done, record
from queues.errors import NotFound
from queues.models import Outcome


async def reveal_data(actor: Actor, connection: str, queue: str, job_id: str, why: str) -> Done:
    """Record that the masked values of a job's data are shown, and in which form. Raises AuditUnavailable."""

    async def act() -> Done:
        return Done(_("The masked values of job “%(job)s” were shown.") % {"job": job_id}, affected=0)

    return await record(Deed(actor, "job.reveal", connection, queue, job_id, {"for": why}), act, of_done)


async def reveal_field(
    actor: Actor, connection: str, queue: str, job_id: str, field: str, read: Callable[[], Awaitable[bytes | None]]
) -> bytes:
    """What `read` gives of this field (BullMQ's name), recorded. Raises NotFound where that is None."""

    async def act() -> bytes:
        value = await read()
        if value is None:
            raise NotFound(
                _("Queue “%(queue)s” holds no %(field)s of a job “%(job)s”.")
                % {"queue": queue, "field": field, "job": job_id}
            )
        return value

    deed = Deed(actor, "job.reveal", connection, queue, job_id, {"field": field})
    said = f"The masked values of {field} of job “{job_id}” were shown."
    return await record(deed, act, lambda value: Ending(Outcome.DONE, said, 0))
