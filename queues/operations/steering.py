"""What people do to operations: begin, pause, resume, cancel, repeat, restore. Each is recorded; none touches Redis.

Whether somebody may is asked before, by who calls: `needed_for` on every queue that the operation is about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Ending, of_done, record
from queues.errors import InvalidInput, NotFound, Refused
from queues.models import Operation, Outcome
from queues.models.local import is_in_process
from queues.operations import stored
from queues.operations.kinds import action_of, checked
from queues.operations.target import Kind, Reach, Target
from queues.protocol.codec import to_json

LONGEST_REASON = 1_000
LEAST_RATE, MOST_RATE = 0.1, 100_000.0
#: So many may be under way or paused at once: who wants more has a program that begins them.
MOST_OPEN = 100
Phase = Operation.Phase


async def begin(
    actor: Actor,
    target: Target,
    action: str,
    reason: str,
    *,
    reach: Reach | None = None,
    rate_per_s: float | None = None,
    stop_percent: float | None = None,
    parameters: Mapping[str, Any] | None = None,
    expected: int = 0,
    keeps: bool = True,
    repeats: int | None = None,
) -> Operation:
    """Write it down, frozen; the mirror's leader does it. `expected` is what the preview counted, `reach` how far the
    actor may go (None: everywhere). What it removes is kept for undo unless `keeps` is False: pass the preview's
    `restorable`. `stop_percent` is for retries.

    Raises InvalidInput, also for a removal without a reason; Refused where jobs run in process or too many operations
    are open.
    """
    kept = checked(action, target, parameters)
    if is_in_process():
        raise Refused(_("Operations are for jobs in Redis; here they run in the process that adds them."))
    row = Operation(
        action=action,
        connection=target.connection,
        target=target.to_json(),
        reach=replace(reach or Reach(), is_persons=actor.user_id is not None, key_id=actor.key_id).to_json(),
        parameters=to_json(kept),
        queues=to_json(list(target.queues)),
        reason=_reason(reason, action),
        user_id=actor.user_id,
        actor=actor.name[:150],
        rate_per_s=_rate(rate_per_s),
        stop_percent=_percent(stop_percent, action),
        expected=max(0, expected),
        keeps=keeps and action_of(action).removes,
        repeats_id=repeats,
        restores_id=target.of if target.kind is Kind.STORED else None,
    )
    return await _begun(actor, target, row)


async def _begun(actor: Actor, target: Target, row: Operation) -> Operation:
    told: dict[str, Any] = {"operation": None, "what": row.action, "kind": target.kind.value}
    told |= {"states": [state.value for state in target.states], "before_ms": target.before_ms, "count": row.expected}
    told |= {name: value for name, value in (("reason", row.reason), ("query", target.query)) if value}
    told |= {name: value for name, value in (("rate", row.rate_per_s), ("stop", row.stop_percent)) if value}
    only = target.queues[0] if len(target.queues) == 1 else ""
    deed = Deed(actor, "operation.begin", row.connection, only, parameters=told)

    async def act() -> Operation:
        if await Operation.objects.filter(phase__in=(Phase.RUNNING, Phase.PAUSED)).acount() >= MOST_OPEN:
            raise Refused(
                _("There are %(most)s operations under way already; cancel some first.") % {"most": MOST_OPEN}
            )
        await row.asave()
        deed.parameters["operation"] = row.pk
        return row

    said = _("Operation %(number)s was begun.")
    return await record(deed, act, lambda one: Ending(Outcome.DONE, said % {"number": one.pk}, 0))


async def pause(actor: Actor, operation: int) -> Done:
    """Stop after the chunk in hand. Raises NotFound, or Refused where it does not run."""
    return await _steer(actor, operation, "pause", (Phase.RUNNING,), Phase.PAUSED, _("was paused"))


async def resume(actor: Actor, operation: int) -> Done:
    """Go on. What was stopped because too many failed again counts anew. Raises NotFound, or Refused."""
    return await _steer(actor, operation, "resume", (Phase.PAUSED,), Phase.RUNNING, _("goes on"))


async def cancel(actor: Actor, operation: int) -> Done:
    """Leave the jobs that were not come to as they are, for good. Raises NotFound, or Refused where it is over."""
    return await _steer(actor, operation, "cancel", (Phase.RUNNING, Phase.PAUSED), Phase.CANCELLED, _("was cancelled"))


async def _steer(actor: Actor, number: int, verb: str, sources: tuple[Phase, ...], to: Phase, said: str) -> Done:
    row = await _found(number)
    queues = json.loads(row.queues)
    only = queues[0] if len(queues) == 1 else ""
    deed = Deed(actor, f"operation.{verb}", row.connection, only, parameters={"operation": number})
    # To stop is always allowed, also where nothing may be begun any more.
    deed.is_standing = verb != "resume"

    async def act() -> Done:
        changes: dict[str, Any] = {"phase": to, "message": "", "stopped_itself": False}
        if verb == "resume":
            changes |= {"judged": 0, "failed_again": 0}
        if verb == "cancel":
            changes |= {"ended_at": timezone.now()}
        if not await Operation.objects.filter(pk=number, phase__in=sources).aupdate(**changes):
            now = await _found(number)
            raise Refused(
                _("Operation %(number)s is %(phase)s: that cannot be done to it.")
                % {"number": number, "phase": now.get_phase_display()}
            )
        return Done(_("Operation %(number)s %(said)s.") % {"number": number, "said": said}, affected=0)

    return await record(deed, act, of_done)


async def repeat(actor: Actor, operation: int, reason: str = "", *, reach: Reach | None = None) -> Operation:
    """The same target, counted from now on, with the same action and pace. Raises NotFound, or InvalidInput where it
    named its jobs: those were touched.
    """
    row = await _found(operation)
    old = Target.from_json(row.target)
    if old.kind in (Kind.IDS, Kind.STORED):
        raise InvalidInput(_("It named its jobs one by one; choose them again."))
    return await begin(
        actor,
        old.anew(),
        row.action,
        reason or row.reason,
        reach=reach or Reach.from_json(row.reach),
        rate_per_s=row.rate_per_s,
        stop_percent=row.stop_percent,
        parameters=json.loads(row.parameters),
        repeats=row.pk,
    )


async def restore(actor: Actor, operation: int, reason: str = "") -> Operation:
    """Bring back what it removed, as an operation of its own; each job once, where its id is still free.

    Raises NotFound, or Refused where nothing of it is kept (any more) or it runs.
    """
    row = await _found(operation)
    if not row.is_over and row.phase != Phase.PAUSED:
        raise Refused(_("Operation %(number)s is running: pause or cancel it first.") % {"number": operation})
    count = await stored.count(operation)
    if not count:
        raise Refused(
            _("Nothing can be restored: what operation %(number)s removed is not kept any more, or was restored.")
            % {"number": operation}
        )
    target = Target(row.connection, Kind.STORED, Target.from_json(row.target).before_ms, of=operation)
    reach = Reach.from_json(row.reach)
    return await begin(actor, target.over(json.loads(row.queues)), "restore", reason, reach=reach, expected=count)


async def _found(number: int) -> Operation:
    row = await Operation.objects.filter(pk=number).afirst()
    if row is None:
        raise NotFound(_("There is no operation %(number)s.") % {"number": number})
    return row


def _reason(given: str, action: str) -> str:
    reason = given.replace("\0", "").strip()
    if not reason and action_of(action).is_destructive:
        raise InvalidInput(_("Say why these jobs are removed: the reason is kept with the operation and in the audit."))
    if len(reason) > LONGEST_REASON:
        raise InvalidInput(_("The reason may have %(most)s characters.") % {"most": f"{LONGEST_REASON:,}"})
    return reason


def _rate(given: float | None) -> float | None:
    if given is None or LEAST_RATE <= given <= MOST_RATE:
        return given
    raise InvalidInput(_("The pace is between one job in ten seconds and 100,000 jobs per second."))


def _percent(given: float | None, action: str) -> float | None:
    if given is None:
        return None
    if action != "retry" or not 0 < given < 100:
        raise InvalidInput(_("Only a retry stops by itself, at more than 0 and less than 100 percent."))
    return given


async def tell_end(row: Operation) -> None:
    """On record, in the name of who began it."""
    told = {"operation": row.pk, "what": row.action}
    queues = json.loads(row.queues)
    only = queues[0] if len(queues) == 1 else ""
    deed = Deed(Actor(row.user_id, row.actor), "operation.end", row.connection, only, parameters=told, is_standing=True)
    said = _("Operation %(number)s has ended: %(done)s done, %(moved)s had moved on, %(stayed)s stayed.")
    numbers = {name: f"{getattr(row, name):,}" for name in ("done", "moved", "stayed")}

    async def act() -> Done:
        return Done(said % {"number": row.pk, **numbers}, affected=row.done)

    await record(deed, act, of_done)
