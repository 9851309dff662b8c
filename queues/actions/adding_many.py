"""Adding many jobs at once: all of them checked before the first is written, one row in the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Ending, record
from queues.errors import InvalidInput, NotAllAdded
from queues.models import Outcome
from queues.producer import queue
from queues.producer.carrier import carrier
from queues.producer.making import new_job, queue_defaults
from queues.protocol.adding import NewJob

#: So many ids the record tells.
TOLD_IDS = 50
#: Name, data (or NO_DATA) and options of one.
Wanted = tuple[str, Any, Mapping[str, Any]]


def check_jobs(queue_name: str, wanted: Sequence[Wanted]) -> list[NewJob]:
    """Raises InvalidInput naming the first that cannot be, by its place: `jobs[3]: …`."""
    defaults, found = queue_defaults(queue(queue_name).name), []
    for at, (name, data, options) in enumerate(wanted):
        try:
            found.append(new_job(name, data, options, defaults))
        except InvalidInput as error:
            raise InvalidInput(f"jobs[{at}]: {error}") from None
    return found


async def add_many(actor: Actor, connection: str, queue_name: str, wanted: Sequence[Wanted]) -> list[str]:
    """Their ids in order; where an id or deduplication found another job, that one's.

    Raises InvalidInput before anything is written or recorded; NotAllAdded, with the ids so far, where Redis went away
    midway; RedisUnavailable.
    """
    jobs = check_jobs(queue_name, wanted)
    deed = Deed(actor, "job.add", connection, queue_name, parameters={"count": len(jobs)})

    async def act() -> list[str]:
        try:
            ids = await carrier().add_bulk(connection, queue_name, jobs)
        except NotAllAdded as error:
            deed.parameters["ids"] = [job_id for job_id in error.ids if job_id][:TOLD_IDS]
            raise
        deed.parameters["ids"] = ids[:TOLD_IDS]
        return ids

    return await record(deed, act, lambda ids: _ending(queue_name, ids))


def _ending(queue_name: str, ids: Sequence[str]) -> Ending:
    said = _("%(count)s jobs were added to queue “%(queue)s”.")
    return Ending(Outcome.DONE, said % {"count": f"{len(ids):,}", "queue": queue_name}, len(ids))
