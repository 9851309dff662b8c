"""What is done to one queue, or to all that the caller may: pause, limits, and what touches many jobs at once.

Bull Board does the latter in one request, and so does this, in steps that no worker feels. Where that takes longer
than a program waits, the answer says how far it came: asked again, it goes on.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from dashboard.api.board import asked
from dashboard.api.board.fresh import changed
from dashboard.api.board.refusals import Said, invalid
from dashboard.api.board.route import Call
from queues.actions import bulk, groups, limits, obliterating
from queues.actions import queues as acting
from queues.actions.bulk import Progress
from queues.errors import QueueNotFound, Refused
from queues.lookups.snapshot import refresh
from queues.models import Queue
from queues.options import Limiter
from queues.states import BULK_ACTIONS, State, parse_state

#: How long one request works; proxies wait 30 s and longer.
BUDGET_S = 25.0
#: Bull Board spares what is younger.
GRACE_MS = 5_000
_NOTHING: dict[str, Any] = {}


async def pause_all(call: Call) -> dict[str, Any]:
    return await _on_all(call, "pause")


async def resume_all(call: Call) -> dict[str, Any]:
    return await _on_all(call, "resume")


async def _on_all(call: Call, action: str) -> dict[str, Any]:
    """All queues that the caller sees and may; those that are read-only are left as they are."""
    seen = (await call.around()).queues
    meant = [queue for queue in seen if call.grants.on(queue.name).may(f"queue.{action}")]
    if seen and not meant:
        call.grants.on(seen[0].name).require(f"queue.{action}")
    planned = await groups.plan(call.connection, action, meant)
    done = await groups.run(call.actor, planned, BUDGET_S)
    await changed(call.connection, *[queue.name for queue in meant])
    # One that was obliterated meanwhile failed to be paused, and nobody misses it.
    there = await call.around()
    left = [share.queue for share in done.left] + [name for name, _why in done.failures if there.queue(name)]
    if left:
        raise _unfinished(_("Not done for these queues: %(queues)s.") % {"queues": ", ".join(left)[:500]})
    return _NOTHING


async def pause(call: Call, queue: str) -> dict[str, Any]:
    call.grants.on(queue).require("queue.pause")
    await acting.pause_queue(*call.at(queue))
    await changed(call.connection, queue)
    return _NOTHING


async def resume(call: Call, queue: str) -> dict[str, Any]:
    call.grants.on(queue).require("queue.resume")
    await acting.resume_queue(*call.at(queue))
    await changed(call.connection, queue)
    return _NOTHING


# --- many jobs


async def promote(call: Call, queue: str) -> dict[str, Any]:
    await _bulk(call, queue, "promote-all", State.DELAYED)
    return _NOTHING


async def empty(call: Call, queue: str) -> dict[str, Any]:
    """What waits goes, with a priority too; what is delayed stays."""
    await _bulk(call, queue, "drain", State.WAITING)
    return _NOTHING


async def clean(call: Call, queue: str, status: str) -> dict[str, Any]:
    """BullMQ's word (`wait`) or Bull Board's (`waiting`); for any other this is refused."""
    state = parse_state(status) if status != "paused" else None
    if state not in BULK_ACTIONS["clean"]:
        raise invalid("INVALID_QUERY_PARAM", _("Jobs of that state are not cleaned."), field="queueStatus")
    await _bulk(call, queue, "clean", state, GRACE_MS)
    return _NOTHING


async def retry(call: Call, queue: str, status: str) -> dict[str, Any]:
    if status not in (State.FAILED, State.COMPLETED):
        raise Said(400, "STATUS_NOT_RETRIABLE", options={"status": status})
    if status == State.COMPLETED:
        call.grants.on(queue).require("job.retry-completed")
    done = await _bulk(call, queue, "retry-all", State(status))
    return {"retried": done.done, "skipped": done.skipped}


async def _bulk(call: Call, queue: str, action: str, state: State, grace_ms: int = 0) -> Progress:
    call.grants.on(queue).require(f"queue.{action}")
    await call.queue(queue)
    planned = await bulk.plan(call.connection, queue, action, state, grace_ms)
    done = await bulk.run(call.actor, planned, BUDGET_S)
    await changed(call.connection, queue)
    if not done.finished:
        raise _unfinished(done.sentence)
    return done


def _unfinished(sentence: str) -> Said:
    return Said(503, "INTERNAL_SERVER_ERROR", sentence, code="NOT_FINISHED")


async def obliterate(call: Call, queue: str) -> dict[str, Any]:
    """Only a paused queue; with `force` although jobs of it run."""
    call.grants.on(queue).require("queue.obliterate")
    force = asked.body(call.request).get("force", False)
    if not isinstance(force, bool):
        raise invalid("INVALID_REQUEST_BODY", field="force")
    before = await obliterating.ruin(call.connection, queue)
    if not before.is_paused:
        raise Said(400, "QUEUE_NOT_PAUSED")
    if before.active and not force:
        raise Said(409, "QUEUE_HAS_ACTIVE_JOBS", message={"key": "ERRORS.QUEUE_HAS_ACTIVE_JOBS_DETAILS"})
    done = await obliterating.obliterate(*call.at(queue), force=force, budget_s=BUDGET_S)
    await changed(call.connection, queue)
    if not done.finished:
        raise _unfinished(done.sentence)
    return _NOTHING


# --- limits


async def _read_now(call: Call, queue: str) -> Queue:
    """Both limits are set together, so the other one is read just before. Raises QueueNotFound."""
    known = (await refresh(call.connection, [queue])).queue(queue)
    if known is None:
        raise QueueNotFound(queue)
    return known


async def set_concurrency(call: Call, queue: str) -> dict[str, Any]:
    """0 is none."""
    call.grants.on(queue).require("queue.limits")
    sent = asked.body(call.request)
    most = asked.whole_in(sent, "concurrency", "INVALID_CONCURRENCY", 0, limits.MOST_AT_ONCE)
    known = await _read_now(call, queue)
    limiter = None
    if known.rate_limit_max and known.rate_limit_duration_ms:
        limiter = Limiter(known.rate_limit_max, known.rate_limit_duration_ms)
    await limits.set_limits(*call.at(queue), most or None, limiter)
    await changed(call.connection, queue)
    return _NOTHING


async def set_rate_limit(call: Call, queue: str) -> dict[str, Any]:
    """`max` null, or none, is no limit."""
    call.grants.on(queue).require("queue.limits")
    sent = asked.body(call.request)
    limiter = None
    if sent.get("max") is not None:
        most = asked.whole_in(sent, "max", "INVALID_RATE_LIMIT", 1, limits.MOST_PER_WINDOW)
        limiter = Limiter(most, asked.whole_in(sent, "duration", "INVALID_RATE_LIMIT", 1, limits.LONGEST_WINDOW_MS))
    known = await _read_now(call, queue)
    if known.is_local:
        raise Said(400, "RATE_LIMIT_NOT_SUPPORTED")
    await limits.set_limits(*call.at(queue), known.concurrency or None, limiter)
    await changed(call.connection, queue)
    return _NOTHING


async def release(call: Call, queue: str) -> dict[str, Any]:
    """Where nothing holds it back there is nothing to release, and that is no mistake."""
    call.grants.on(queue).require("queue.limits")
    known = await call.queue(queue)
    if known.is_local:
        raise Said(400, "RATE_LIMIT_NOT_SUPPORTED")
    try:
        await limits.release_hold(*call.at(queue))
    except Refused:
        return _NOTHING
    await changed(call.connection, queue)
    return _NOTHING
