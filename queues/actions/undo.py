"""Undoing what was just done, for some minutes: each way back is looked at and done in one step, and a job that moved
on is never touched. Recoveries, cancelled runs and removed children have no way back; bulk work has its own
(queues/operations).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Offer, of_done, record
from queues.errors import NotFound, Refused, TorilError
from queues.models.local import is_in_process
from queues.options import Limiter
from queues.protocol import copying, editing, keeping, moving, reads, steering, undoing, writes
from queues.protocol.moving import Mark
from queues.states import State

log = logging.getLogger(__name__)
OVER = gettext_lazy("This cannot be undone any more: its time is over, or it was undone already.")
#: What was done → how its undoing is called in the audit; what is not here is `job.undo`.
_AUDITED = {"queue.pause": "queue.resume", "queue.resume": "queue.pause", "queue.limits": "queue.limits"}


@dataclass(frozen=True, slots=True)
class Undoable:
    """An act that can be undone: `action` is what was done, and so what one must be allowed to do."""

    connection: str
    token: str
    action: str
    queue: str
    job_id: str
    kind: str
    needed: dict[str, Any]


async def offer(connection: str, action: str, queue: str, job_id: str, kind: str, **needed: Any) -> Offer | None:
    """Keep what it takes to undo this; None where that cannot be kept: the act itself is done and stays so."""
    if is_in_process():
        return None
    token = secrets.token_urlsafe(16)
    kept = {"action": action, "queue": queue, "job_id": job_id, "kind": kind, "needed": needed}
    try:
        return Offer(token, await keeping.keep(connection, token, kept))
    except (TorilError, ValueError) as error:
        log.warning("What an undo of %s on %s/%s needs could not be kept: %s", action, queue, job_id, error)
        return None


async def chain(connection: str, action: str, queue: str, job_id: str, offers: Sequence[Offer | None]) -> Offer | None:
    """One offer for acts done one after the other; the last is undone first. None where one has no way back."""
    tokens = [one.token for one in offers if one is not None]
    if len(tokens) < len(offers):
        return None
    return await offer(connection, action, queue, job_id, "chain", tokens=tokens[::-1])


async def find(connection: str, queue: str, job_id: str, token: str) -> Undoable:
    """Raises NotFound where its time is over, or it belongs to another queue or job."""
    found = None if is_in_process() or not token else await keeping.kept(connection, token[:64])
    if not found or (found.get("queue"), found.get("job_id")) != (queue, job_id):
        raise NotFound(str(OVER))
    # Whoever writes to Redis may have written it: what is none of ours is none.
    action, kind, needed = found.get("action"), found.get("kind"), found.get("needed")
    if not (isinstance(action, str) and isinstance(needed, dict) and isinstance(kind, str) and kind in _WAYS):
        raise NotFound(str(OVER))
    return Undoable(connection, token[:64], action, queue, job_id, kind, needed)


async def undo(actor: Actor, act: Undoable) -> Done:
    """Lead it back. Raises Refused where what was done is no longer as it was left; nothing is touched then."""

    async def run() -> Done:
        # Whoever takes it away first does it: of two clicks one.
        if not await keeping.claim(act.connection, act.token):
            raise NotFound(str(OVER))
        try:
            return await _WAYS[act.kind](act, act.needed)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            log.warning("What an undo of %s on %s/%s needs is odd", act.action, act.queue, act.job_id, exc_info=True)
            raise Refused(_("Not undone: what was kept for it cannot be used.")) from None

    deed = Deed(actor, _AUDITED.get(act.action, "job.undo"), act.connection, act.queue, act.job_id)
    deed.parameters = {"undoes": act.action}
    return await record(deed, run, of_done)


async def _chain(act: Undoable, needed: dict[str, Any]) -> Done:
    done = Done(str(OVER))
    for token in needed["tokens"]:
        link = await find(act.connection, act.queue, act.job_id, token)
        if not await keeping.claim(act.connection, token):
            raise NotFound(str(OVER))
        done = await _WAYS[link.kind](link, link.needed)
    return done


async def _move(act: Undoable, needed: dict[str, Any]) -> Done:
    known, to = Mark(*needed["known"]), State(needed["to"])
    sources = tuple(State(name) for name in needed["from"])
    address = (act.connection, act.queue, act.job_id)
    await moving.move(
        *address,
        "put back",
        taken_from=sources,
        to=to,
        at_ms=needed["at"],
        known=known,
        fields=needed["fields"],
        without=tuple(needed.get("without", ())),
    )
    return Done(
        _("Undone: job “%(job)s” is %(label)s again, as it was.") % {"job": act.job_id, "label": to.label.lower()}, to
    )


async def _delay(act: Undoable, needed: dict[str, Any]) -> Done:
    if await undoing.due_ms(act.connection, act.queue, act.job_id) != needed["after"]:
        raise Refused(_("Not undone: job “%(job)s” is not due then any more.") % {"job": act.job_id})
    return await _move(act, needed)


async def _field(act: Undoable, needed: dict[str, Any]) -> Done:
    address = (act.connection, act.queue, act.job_id, needed["field"], needed["value"], needed["sealed"])
    await moving.change_field(*address, timestamp=needed["timestamp"], verb="changed back")
    (state,) = await reads.job_states(act.connection, act.queue, [act.job_id])
    return Done(_("Undone: job “%(job)s” %(said)s.") % {"job": act.job_id, "said": needed["said"]}, state)


async def _priority(act: Undoable, needed: dict[str, Any]) -> Done:
    address = (act.connection, act.queue, act.job_id)
    known = await moving.mark(*address)
    now = await reads.job_field(*address, "priority")
    if [known.timestamp, known.started] != needed["known"]:
        raise Refused(_("Not undone: job “%(job)s” was started since.") % {"job": act.job_id})
    if int(now or 0) != needed["after"]:
        raise Refused(_("Not undone: the priority of job “%(job)s” was changed since.") % {"job": act.job_id})
    await editing.change_priority(*address, needed["before"], False)
    (state,) = await reads.job_states(act.connection, act.queue, [act.job_id])
    return Done(
        _("Undone: job “%(job)s” has priority %(before)s again, behind its equals.")
        % {"job": act.job_id, "before": f"{needed['before']:,}"},
        state,
    )


async def _restore(act: Undoable, needed: dict[str, Any]) -> Done:
    copies = needed["copies"]
    is_tied = await copying.restore(act.connection, copies)
    (state,) = await reads.job_states(act.connection, act.queue, [act.job_id])
    said = f"Undone: job “{act.job_id}” is back"
    if len(copies) > 1:
        said += f", with {len(copies) - 1} of its children"
    if not is_tied:
        said += "; its parent no longer waits for it"
    return Done(_("%(said)s.") % {"said": said}, state)


async def _taken(act: Undoable, needed: dict[str, Any]) -> Done:
    copies, back = needed["copies"], 0
    for copy in copies:
        with suppress(Refused):
            await copying.restore(act.connection, [copy])
            back += 1
    if not back:
        raise Refused(_("Not undone: there are jobs of these ids again."))
    said = ngettext("Undone: %(count)s job is back", "Undone: %(count)s jobs are back", back)
    if back < len(copies):
        said += _("; of the others the ids are taken")
    return Done(f"{said % {'count': f'{back:,}'}}.", affected=back)


async def _remove(act: Undoable, needed: dict[str, Any]) -> Done:
    for job_id, timestamp in needed["jobs"]:
        # Out of every worker's reach first, in one step with the look whether one has taken it.
        await undoing.take_away(act.connection, act.queue, job_id, Mark(timestamp, "-"))
        await writes.remove_job(act.connection, act.queue, job_id)
    return Done(_("Undone: job “%(what)s” was removed again; it had not begun.") % {"what": needed["jobs"][0][0]})


async def _logs(act: Undoable, needed: dict[str, Any]) -> Done:
    await undoing.bring_logs_back(act.connection, act.queue, act.job_id, needed["lines"])
    (state,) = await reads.job_states(act.connection, act.queue, [act.job_id])
    return Done(
        _("Undone: job “%(job)s” has its %(count)s log lines again.")
        % {"job": act.job_id, "count": f"{len(needed['lines']):,}"},
        state,
    )


async def _switch(act: Undoable, needed: dict[str, Any]) -> Done:
    (facts,) = await reads.queue_facts(act.connection, [act.queue])
    was_paused = act.action == "queue.resume"
    if facts.is_paused is was_paused:
        already = _("Not undone: queue “%(queue)s” is paused already.")
        runs = _("Not undone: queue “%(queue)s” is running already.")
        raise Refused((already if was_paused else runs) % {"queue": act.queue})
    await (writes.pause if was_paused else writes.resume)(act.connection, act.queue)
    again = (
        _("Undone: queue “%(queue)s” is paused again.") if was_paused else _("Undone: queue “%(queue)s” runs again.")
    )
    return Done(again % {"queue": act.queue})


async def _limits(act: Undoable, needed: dict[str, Any]) -> Done:
    (facts,) = await reads.queue_facts(act.connection, [act.queue])
    now = [facts.concurrency, facts.rate_limit_max, facts.rate_limit_duration_ms]
    if now != needed["after"]:
        raise Refused(_("Not undone: the limits of queue “%(queue)s” were changed since.") % {"queue": act.queue})
    concurrency, most, duration_ms = needed["before"]
    if now[0] != concurrency:
        await steering.set_concurrency(act.connection, act.queue, concurrency)
    if now[1:] != [most, duration_ms]:
        limiter = Limiter(most, duration_ms) if most and duration_ms else None
        await steering.set_rate_limit(act.connection, act.queue, limiter)
    return Done(_("Undone: queue “%(queue)s” has its former limits again.") % {"queue": act.queue})


_WAYS: dict[str, Callable[[Undoable, dict[str, Any]], Awaitable[Done]]] = {
    "chain": _chain,
    "move": _move,
    "delay": _delay,
    "field": _field,
    "priority": _priority,
    "restore": _restore,
    "taken": _taken,
    "remove": _remove,
    "logs": _logs,
    "switch": _switch,
    "limits": _limits,
}
