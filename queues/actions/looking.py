"""What an action looks at before it acts: where the job is, and whether what was asked makes sense there."""

from __future__ import annotations

import asyncio

from django.utils.translation import gettext as _

from queues.actions.audit import Done, Offer
from queues.errors import JobNotFound, JobStateChanged, RedisRefused, RedisUnavailable, Refused
from queues.models.local import is_in_process
from queues.protocol import reads
from queues.protocol.codec import text
from queues.protocol.keys import RESERVED_IDS
from queues.states import JOB_ACTIONS, State


async def look(connection: str, queue: str, job_id: str) -> tuple[State, bool]:
    """Where the job is, and whether its hash is there. Raises JobNotFound where there is none.

    A name in the queue's keyspace that is no job must never reach a script: removing “meta” would take the queue away.
    """
    (state,), (fields,) = await asyncio.gather(
        reads.job_states(connection, queue, [job_id]),
        reads.job_fields(connection, queue, [job_id], ["timestamp", "name"]),
    )
    is_listed = state is not State.UNKNOWN and job_id not in RESERVED_IDS
    if not is_listed and b"timestamp" not in fields:
        raise JobNotFound(queue, job_id)
    return state, bool(fields)


async def checked(connection: str, queue: str, job_id: str, action: str, verb: str) -> State:
    """The state the job is in, where the action makes sense in it."""
    state, has_hash = await look(connection, queue, job_id)
    if not has_hash:
        # The scripts would bring an empty job back to life.
        raise Refused(
            _("Job “%(job)s” was not %(verb)s: its hash is gone, only its id is left. It can be removed.")
            % {"job": job_id, "verb": verb}
        )
    if state is State.UNKNOWN:
        raise Refused(
            _("Job “%(job)s” was not %(verb)s: no list of the queue holds it.") % {"job": job_id, "verb": verb}
        )
    if state not in JOB_ACTIONS[action]:
        raise JobStateChanged(job_id, verb, state.value)
    return state


async def moved(connection: str, queue: str, job_id: str, what: str, undo: Offer | None = None) -> Done:
    """The sentence, with where the job is now."""
    try:
        (state,) = await reads.job_states(connection, queue, [job_id])
    except (RedisUnavailable, RedisRefused):
        return Done(_("Job “%(job)s” %(what)s.") % {"job": job_id, "what": what}, undo=undo)
    if state is State.UNKNOWN:
        return Done(_("Job “%(job)s” %(what)s; it has run already and was not kept.") % {"job": job_id, "what": what})
    return Done(
        _("Job “%(job)s” %(what)s: it is %(label)s now.") % {"job": job_id, "what": what, "label": state.label.lower()},
        state,
        undo=undo,
    )


async def scheduler_of(connection: str, queue: str, job_id: str) -> str:
    try:
        return text(await reads.job_field(connection, queue, job_id, "rjk") or b"")
    except RedisRefused:
        return ""


def refuse_in_process(what: str) -> None:
    """Raises Refused where jobs run in process."""
    if is_in_process():
        raise Refused(_("%(what)s is for jobs in Redis; here they run in the process that adds them.") % {"what": what})
