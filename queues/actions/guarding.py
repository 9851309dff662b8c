"""What is done to kept schedulers where no person acts: taken out again, resumed at their time, forgotten."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from queues.actions import keeping
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.actions.schedulers import resume_scheduler
from queues.errors import JobNotFound, NotFound, Refused
from queues.models import KeptScheduler
from queues.protocol import suspending, writes
from queues.protocol.suspending import Definition

TORIL = Actor(None, "Toril")
#: So long a removed one can be put back.
UNDO_FOR = timedelta(days=1)
#: Of what one pause takes out, so many are recorded each, and then each sixtieth, with how many it were.
RECORDED_EACH, RECORDED_EVERY = 10, 60
#: More paused schedulers than anybody has.
MOST = 1_000


async def guard(connection: str) -> int:
    """One round over the paused schedulers of a connection: how many were taken out again. A database query, and one
    round trip where any is paused.
    """
    rows = [
        row async for row in KeptScheduler.objects.filter(connection=connection, why=KeptScheduler.Why.PAUSED)[:MOST]
    ]
    if not rows:
        return 0
    there = await suspending.are_there(connection, [(row.queue, row.scheduler_id) for row in rows])
    taken = 0
    for row, is_there in zip(rows, there, strict=True):
        if row.until is not None and row.until <= timezone.now():
            await resume_at_its_time(row)
        elif is_there and row.stays:
            taken += await take_out_again(row)
        elif is_there and row.returned_at is None:
            await KeptScheduler.objects.filter(pk=row.pk, since=row.since).aupdate(returned_at=timezone.now())
    return taken


async def resume_at_its_time(row: KeptScheduler) -> None:
    try:
        await resume_scheduler(TORIL, row.connection, row.queue, row.scheduler_id)
    except Refused:
        # It is over, or cannot be added: said on record once, and left for a person.
        await KeptScheduler.objects.filter(pk=row.pk, since=row.since).aupdate(until=None)
    except NotFound:
        pass


async def forget_removed() -> int:
    """Drop what was removed longer ago than it can be put back."""
    old = KeptScheduler.objects.filter(why=KeptScheduler.Why.REMOVED, since__lt=timezone.now() - UNDO_FOR)
    return (await old.adelete())[0]


async def take_out_again(row: KeptScheduler) -> bool:
    """What a program registered while it is paused leaves BullMQ again, with the job that this made; on record.

    Its new definition is kept beside the old one. False where it was not there, or somebody resumes it just now.
    """
    try:
        async with keeping.claimed(row, patience_s=0):
            return await _take_out_again(row)
    except (Refused, NotFound):
        return False


async def _take_out_again(row: KeptScheduler) -> bool:
    (is_there,) = await suspending.are_there(row.connection, [(row.queue, row.scheduler_id)])
    if not is_there:
        return False

    async def act() -> Done | None:
        taken = await suspending.take_out(row.connection, row.queue, Definition(row.scheduler_id))
        if taken is None:
            return None
        # Its first job may wait already; it would run as if nothing were paused.
        with suppress(Refused, JobNotFound):
            await writes.remove_job(row.connection, row.queue, f"repeat:{taken.id}:{taken.next_ms}")
        await _note_return(row, taken)
        said = _(
            "A program registered scheduler “%(name)s”, which %(actor)s paused: it was taken out again, "
            "%(times)s times so far."
        )
        return Done(said % {"name": row.scheduler_id, "actor": row.actor, "times": f"{row.taken_out:,}"})

    if not _is_recorded(row.taken_out + 1):
        return await act() is not None
    deed = Deed(TORIL, "scheduler.pause", row.connection, row.queue, parameters={"scheduler": row.scheduler_id})
    done = await record(deed, act, lambda done: of_done(done or Done(_("It was gone already."), affected=0)))
    return done is not None


def _is_recorded(times: int) -> bool:
    """The first few, then now and then: a program that registers each second must not fill the record for years."""
    return times <= RECORDED_EACH or times % RECORDED_EVERY == 0


async def _note_return(row: KeptScheduler, taken: Definition) -> None:
    first = Definition.from_json(row.definition)
    row.returned_at, row.taken_out = timezone.now(), row.taken_out + 1
    try:
        row.redefined = (
            "" if keeping.is_same(first, taken) or taken.size > keeping.LARGEST_DEFINITION else taken.to_json()
        )
    except ValueError:
        row.redefined = ""
    await row.asave(update_fields=["returned_at", "taken_out", "redefined"])
