"""What is refused on queues of older libraries, because those would lose or never see what it does (docs/ages.md)."""

from __future__ import annotations

from django.utils.translation import gettext as _

from queues.errors import Refused
from queues.models.local import is_in_process
from queues.protocol import ages, reads
from queues.protocol.ages import Age

#: What these begin changes a queue or its jobs in Redis.
_WRITING = ("job.", "queue.", "scheduler.", "flow.")
_HARMLESS = frozenset({"job.reveal"})
#: They put jobs among those that wait.
_STARTING = frozenset(
    "job.add job.duplicate job.retry job.promote job.undo job.restore job.recover flow.retry-leaves scheduler.add"
    " scheduler.run queue.retry_all queue.retry_selected queue.promote_all queue.promote_selected".split()
)
#: They may meet jobs with a priority, and are asked for many at once.
_WHOLESALE = frozenset(
    "queue.retry_all queue.retry_selected queue.promote_all queue.promote_selected flow.retry-leaves"
    " queue.reprioritize_selected job.reprioritize".split()
)
_ONE = frozenset({"job.retry", "job.promote"})


class TooOld(Refused):
    """The queue's own programs are older than what was asked for."""

    code = "too_old"


async def permit(action: str, connection: str, queue: str, job_id: str = "", *, priority: int = 0) -> None:
    """Raises TooOld where this must not be done to the queue. One round trip; none for what writes nothing there."""
    if not queue or not action.startswith(_WRITING) or action in _HARMLESS or is_in_process():
        return
    age = await ages.age_of(connection, queue)
    if refusal := refusal_of(age, action, queue):
        raise TooOld(refusal)
    if age.knows_prioritized or action not in _ONE | {"job.add"}:
        return
    if priority or (action in _ONE and await _priority(connection, queue, job_id)):
        raise TooOld(_unseen(queue, age))


def refusal_of(age: Age, action: str, queue: str) -> str:
    """Why not, whichever job is meant; empty where nothing forbids it."""
    if age.is_bull:
        return _(
            "Queue “%(queue)s” is Bull's (version 3 or 4), whose keys BullMQ's scripts would spoil: it is shown here, "
            "and changed by its own programs."
        ) % {"queue": queue}
    if age.is_paused and age.parks and action in _STARTING:
        return _(
            "Queue “%(queue)s” is paused by BullMQ 5 or older, which forgets what is put beside its parked jobs when "
            "it resumes: resume the queue first."
        ) % {"queue": queue}
    if not age.knows_prioritized and action in _WHOLESALE:
        return _unseen(queue, age)
    return ""


def _unseen(queue: str, age: Age) -> str:
    return _(
        "Workers of queue “%(queue)s” run BullMQ %(major)s, which never finds a job that today's scripts give its "
        "priority back: do it job by job, or from that program."
    ) % {"queue": queue, "major": age.major}


async def _priority(connection: str, queue: str, job_id: str) -> bool:
    stored = await reads.job_field(connection, queue, job_id, "priority")
    return stored not in (None, b"", b"0")
