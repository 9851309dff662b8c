"""What a person may do to a whole queue at once: pause and resume. Each is recorded, and may be asked twice."""

from __future__ import annotations

from django.utils.translation import gettext as _

from queues.actions import local, undo
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import QueueNotFound
from queues.models.local import is_in_process
from queues.protocol import ages, reads, selection, writes

#: Each call of resume moves 7,000 jobs that an older BullMQ parked; this bounds what one request moves.
MOST_CALLS = 200


async def pause_queue(actor: Actor, connection: str, queue: str) -> Done:
    """Workers start nothing more; what runs, runs on. Raises QueueNotFound: a pause must not create a queue."""

    async def act() -> Done:
        if is_in_process():
            return await local.pause_queue(queue)
        if await _is_paused(connection, queue):
            return Done(_("Queue “%(queue)s” was paused already.") % {"queue": queue}, affected=0)
        await _pause(connection, queue)
        back = await undo.offer(connection, "queue.pause", queue, "", "switch")
        return Done(_("Queue “%(queue)s” is paused.") % {"queue": queue}, undo=back)

    return await record(Deed(actor, "queue.pause", connection, queue), act, of_done)


async def resume_queue(actor: Actor, connection: str, queue: str) -> Done:
    """Workers start jobs again; what an older BullMQ parked beside the list comes back. Raises QueueNotFound."""

    async def act() -> Done:
        if is_in_process():
            return await local.resume_queue(queue)
        was_paused = await _is_paused(connection, queue)
        parked = await selection.key_length(connection, queue, "paused")
        if not was_paused and not parked:
            return Done(_("Queue “%(queue)s” was running already.") % {"queue": queue}, affected=0)
        left = await _resume(connection, queue, parked)
        back = await undo.offer(connection, "queue.resume", queue, "", "switch") if was_paused else None
        return Done(_resumed(queue, was_paused, parked, left), undo=back)

    return await record(Deed(actor, "queue.resume", connection, queue), act, of_done)


async def _pause(connection: str, queue: str) -> None:
    """As the queue's own programs do it: those of BullMQ 5 and older park what waits."""
    if not (await ages.age_of(connection, queue)).parks:
        return await writes.pause(connection, queue)
    for _round in range(MOST_CALLS):
        if not await ages.park(connection, queue):
            return None
    return None


async def _is_paused(connection: str, queue: str) -> bool:
    if not all(await selection.queues_exist(connection, [queue])):
        raise QueueNotFound(queue)
    (facts,) = await reads.queue_facts(connection, [queue])
    return facts.is_paused


async def _resume(connection: str, queue: str, parked: int) -> int:
    """How many parked jobs are left: none, unless an old producer parks them faster than they come back."""
    left = await writes.resume(connection, queue)
    for _round in range(MOST_CALLS):
        if not left or left >= parked:
            break
        parked, left = left, await writes.resume(connection, queue)
    return left


def _resumed(queue: str, was_paused: bool, parked: int, left: int) -> str:
    now = f"Queue “{queue}” {'runs again' if was_paused else 'was running already'}"
    if not parked:
        return f"{now}."
    back = f"{now}; {parked - left:,} jobs that an older BullMQ had parked came back"
    return f"{back}, {left:,} are still parked: resume again." if left > 0 else f"{back}."
