"""Adding a job by hand: checked as code's are, and recorded."""

from __future__ import annotations

from typing import Any

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Ending, of_done, record
from queues.producer import NO_DATA, queue
from queues.producer.making import new_job, queue_defaults
from queues.protocol.adding import NewJob

__all__ = ["NO_DATA", "add_job", "check_job"]


def check_job(queue_name: str, name: str, data: Any, options: dict[str, Any]) -> NewJob:
    """The job as it would be added. Raises InvalidInput."""
    handle = queue(queue_name)
    return new_job(name, data, options, queue_defaults(handle.name))


async def add_job(
    actor: Actor, connection: str, queue_name: str, name: str, data: Any, options: dict[str, Any]
) -> tuple[str, Done]:
    """Add a job; its id. The record keeps name and options, not the data.

    Raises InvalidInput before anything is written or recorded, RedisUnavailable within 2 s.
    """
    check_job(queue_name, name, data, options)

    async def act() -> tuple[str, Done]:
        added = await queue(queue_name, connection).add(name, data, **options)
        return added.id, Done(f"Job “{added.id}” was added to queue “{queue_name}”.")

    deed = Deed(actor, "job.add", connection, queue_name, parameters={"name": name, "options": options})
    return await record(deed, act, _ending)


def _ending(added: tuple[str, Done]) -> Ending:
    return of_done(added[1])
