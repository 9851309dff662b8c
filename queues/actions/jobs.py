"""What a person may do to one job. Each is recorded; BullMQ's script decides, the state table only advises buttons."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from queues.actions import local, undo
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Offer, of_done, record
from queues.actions.looking import checked, look, moved, refuse_in_process, scheduler_of
from queues.actions.retrying import former, offer_back, retry_later
from queues.actions.wording import span
from queues.errors import InvalidInput, Refused, TorilError
from queues.models.local import is_in_process
from queues.options import get_options
from queues.protocol import copying, flows, moving, reads, undoing, writes
from queues.protocol.codec import raw
from queues.states import State

LONGEST_REASON = 1_000
#: A year: later than that is a mistake in the unit.
MOST_DELAY_MS = 366 * 86_400_000
MOST_LINES = 2_000


async def retry_job(
    actor: Actor,
    connection: str,
    queue: str,
    job_id: str,
    *,
    reset_attempts: bool = False,
    delay_ms: int = 0,
    refusal_of_completed: TorilError | None = None,
) -> Done:
    """Put a failed or completed job back to wait, or to run in `delay_ms`: its attempts count on, unless
    `reset_attempts`, and its priority stays.

    Raises JobNotFound, JobStateChanged with where the job is by now, or `refusal_of_completed` where it has completed.
    """
    if not 0 <= delay_ms <= MOST_DELAY_MS:
        raise InvalidInput(_("The delay must be between 0 and a year."))

    async def act() -> Done:
        if is_in_process():
            closed = refusal_of_completed
            return await local.retry_job(queue, job_id, afresh=reset_attempts, delay_ms=delay_ms, closed=closed)
        state = await checked(connection, queue, job_id, "retry", "retried")
        if state is State.COMPLETED and refusal_of_completed is not None:
            raise refusal_of_completed
        was = await former(connection, queue, job_id, state)
        if delay_ms:
            await retry_later(connection, queue, job_id, state, was.known, delay_ms, reset_attempts)
            what = _("runs again in %(span)s") % {"span": span(delay_ms)}
        else:
            await writes.retry_job(connection, queue, job_id, state, reset_attempts)
            what = _("was put back to run again")
        back = await offer_back(connection, queue, job_id, state, was, reset_attempts)
        return await moved(connection, queue, job_id, what, back)

    parameters: dict[str, Any] = {"reset_attempts": True} if reset_attempts else {}
    parameters |= {"delay_ms": delay_ms} if delay_ms else {}
    return await _record(actor, "job.retry", connection, queue, job_id, act, parameters)


async def promote_job(actor: Actor, connection: str, queue: str, job_id: str) -> Done:
    """Let a delayed job run now. Raises JobNotFound or JobStateChanged."""

    async def act() -> Done:
        if is_in_process():
            return await local.promote_job(queue, job_id)
        await checked(connection, queue, job_id, "promote", "promoted")
        known = await moving.mark(connection, queue, job_id)
        due = await undoing.due_ms(connection, queue, job_id)
        delay = await reads.job_field(connection, queue, job_id, "delay")
        await writes.promote_job(connection, queue, job_id)
        way: dict[str, Any] = {"from": ["waiting", "prioritized"], "to": "delayed", "at": due}
        way |= {"known": [known.timestamp, known.started], "fields": {"delay": delay or b"0"}}
        back = await undo.offer(connection, "job.promote", queue, job_id, "move", **way)
        return await moved(connection, queue, job_id, _("was promoted"), back)

    return await _record(actor, "job.promote", connection, queue, job_id, act)


async def remove_job(actor: Actor, connection: str, queue: str, job_id: str) -> Done:
    """Remove a job, its logs and its children. Raises JobNotFound, JobLocked (it or a child is being run), or Refused
    where it is a scheduler's coming run.
    """

    async def act() -> Done:
        if is_in_process():
            return await local.remove_job(queue, job_id)
        state, has_hash = await look(connection, queue, job_id)
        try:
            back, why = await _remove(connection, queue, job_id, has_hash and state is not State.UNKNOWN)
        except Refused as error:
            if scheduler := await scheduler_of(connection, queue, job_id):
                raise Refused(
                    _(
                        "Job “%(job)s” was not removed: it is the next run of scheduler “%(scheduler)s”, which "
                        "would stop without it. Remove the scheduler instead."
                    )
                    % {"job": job_id, "scheduler": scheduler}
                ) from error
            raise
        never = _(" This cannot be undone: %(why)s.") % {"why": why} if why else ""
        return Done(_("Job “%(job)s” was removed.%(never)s") % {"job": job_id, "never": never}, undo=back)

    return await _record(actor, "job.remove", connection, queue, job_id, act)


async def _remove(connection: str, queue: str, job_id: str, is_whole: bool) -> tuple[Offer | None, str]:
    """The way back, or why there is none."""
    members = await copying.family(connection, queue, job_id) if is_whole else ""
    if isinstance(members, str):
        await writes.remove_job(connection, queue, job_id)
        return None, members
    copies = await copying.remove_with_copy(connection, queue, job_id, members)
    back = await undo.offer(connection, "job.remove", queue, job_id, "restore", copies=copies)
    return back, "" if back else _("Redis did not take the copy")


async def remove_children(actor: Actor, connection: str, queue: str, job_id: str) -> Done:
    """Remove those of its children that neither run nor have ended: the job goes on when the others are through.

    Raises JobNotFound, JobStateChanged, or Refused where it has none.
    """
    refuse_in_process(_("Removing children"))

    async def act() -> Done:
        await checked(connection, queue, job_id, "remove-children", "freed of its children")
        before = await undoing.pending_children(connection, queue, job_id)
        await flows.remove_unprocessed_children(connection, queue, job_id)
        left = await undoing.pending_children(connection, queue, job_id)
        gone = before - left
        if gone <= 0:
            raise Refused(
                _("Job “%(job)s” has no children that could be removed: those it waits for are being run.")
                % {"job": job_id}
            )
        counts = {"gone": f"{gone:,}", "all": f"{before:,}"}
        what = ngettext(
            "lost %(gone)s of %(all)s child that had not begun",
            "lost %(gone)s of %(all)s children that had not begun",
            before,
        )
        done = await moved(connection, queue, job_id, what % counts)
        return Done(done.message, done.state, affected=gone)

    return await _record(actor, "job.remove-children", connection, queue, job_id, act)


async def recover_job(actor: Actor, connection: str, queue: str, job_id: str) -> Done:
    """Do at once for this job what the stalled check would: only where it is active and no worker holds its lock.

    Raises JobNotFound, JobStateChanged, or Running.
    """
    refuse_in_process(_("Recovering"))

    async def act() -> Done:
        await checked(connection, queue, job_id, "recover", "recovered")
        most = get_options().queue(queue).max_stalled_count
        if await moving.recover(connection, queue, job_id, most):
            return Done(_("Job “%(job)s” was recovered: it waits to be run next.") % {"job": job_id}, State.WAITING)
        return Done(
            _(
                "Job “%(job)s” was recovered, but has stalled more often than the %(most)s times it "
                "may: the next worker will fail it and not run it."
            )
            % {"job": job_id, "most": f"{most:,}"},
            State.WAITING,
        )

    return await _record(actor, "job.recover", connection, queue, job_id, act)


async def fail_job(actor: Actor, connection: str, queue: str, job_id: str, reason: str = "") -> Done:
    """Cancel a job that has not begun: the worker that takes it in its turn fails it with `reason` and does not run it,
    whatever attempts are left. Raises JobNotFound, JobStateChanged, or Running.
    """
    refuse_in_process(_("Failing a job that waits"))
    if len(reason) > LONGEST_REASON:
        raise InvalidInput(
            _("The reason may have %(longest_reason)s characters.") % {"longest_reason": f"{LONGEST_REASON:,}"}
        )
    why = reason or f"Cancelled by {actor.name}."

    async def act() -> Done:
        state = await checked(connection, queue, job_id, "fail", "cancelled")
        before = await reads.job_field(connection, queue, job_id, "defa")
        known = await moving.mark(connection, queue, job_id)
        address = (connection, queue, job_id, "defa")
        verb = "cancelled"
        await moving.change_field(*address, raw(why), moving.seal(before), also_ended=False, verb=verb)
        sealed = moving.seal(raw(why))
        way = {"field": "defa", "value": before, "sealed": sealed, "timestamp": known.timestamp}
        said = "will be run in its turn again"
        back = await undo.offer(connection, "job.fail", queue, job_id, "field", **way, said=said)
        return Done(
            _("Job “%(job)s” will not run. %(when_failed)s") % {"job": job_id, "when_failed": _when_failed(state)},
            state,
            undo=back,
        )

    return await _record(actor, "job.fail", connection, queue, job_id, act, {"reason": why})


def _when_failed(state: State) -> str:
    if state is State.DELAYED:
        return "It stays delayed; when its time has come, the next free worker fails it. Promote it to have it now."
    return "The worker that takes it in its turn fails it with your reason."


async def clear_logs(actor: Actor, connection: str, queue: str, job_id: str) -> Done:
    """Remove what the job has logged. Raises JobNotFound."""
    refuse_in_process(_("Clearing logs"))

    async def act() -> Done:
        state, _has_hash = await look(connection, queue, job_id)
        total = (await reads.job_logs(connection, queue, job_id, 0, 1)).total
        if not total:
            return Done(_("Job “%(job)s” has no logs.") % {"job": job_id}, state, affected=0)
        lines = await undoing.take_logs(connection, queue, job_id, MOST_LINES)
        if lines is None or sum(map(len, lines)) > copying.MOST_BYTES:
            said = "This cannot be undone: they were too many to be kept."
            return Done(
                _("The %(total)s log lines of job “%(job)s” were removed. %(said)s")
                % {"total": f"{total:,}", "job": job_id, "said": said},
                state,
            )
        back = await undo.offer(connection, "job.clear-logs", queue, job_id, "logs", lines=lines)
        return Done(
            _("The %(total)s log lines of job “%(job)s” were removed.") % {"total": f"{total:,}", "job": job_id},
            state,
            undo=back,
        )

    return await _record(actor, "job.clear-logs", connection, queue, job_id, act)


async def _record(
    actor: Actor,
    action: str,
    connection: str,
    queue: str,
    job_id: str,
    act: Callable[[], Awaitable[Done]],
    parameters: dict[str, Any] | None = None,
) -> Done:
    return await record(Deed(actor, action, connection, queue, job_id, parameters or {}), act, of_done)
