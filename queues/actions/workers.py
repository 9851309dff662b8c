"""What a person may ask of worker processes: be quiet, resume, stop, cancel a job. Each is recorded, and each tells how
far it came: a process reads what is asked, says that it took it, and then what came of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import InvalidInput, JobNotFound, NotFound, Refused, TorilError
from queues.options import get_options
from queues.protocol import fleet, orders, reads
from queues.protocol.codec import text
from queues.protocol.fleet import SILENT_AFTER_S, Beat
from queues.protocol.orders import ALL, Answer, Order, Stage, Verb
from queues.states import State

#: A little longer than an order is valid: what was taken in the last moment is still heard of.
WAIT_S = orders.VALID_S + 0.5
LOOK_EVERY_S = 0.05
NO_WORKERS = gettext_lazy("There are no workers: jobs run in the process that adds them (USE_JOB_QUEUE is false).")

#: verb → what a process does then, singular and plural.
_SAID = {
    Verb.QUIET: ngettext_lazy("%(who)s takes no new jobs", "%(who)s take no new jobs", "count"),
    Verb.RESUME: ngettext_lazy("%(who)s takes jobs again", "%(who)s take jobs again", "count"),
    Verb.STOP: ngettext_lazy("%(who)s finishes what it runs and ends", "%(who)s finish what they run and end", "count"),
}


class NoAnswer(TorilError):
    """No worker answered in time; what was asked is void now and will not be done later."""

    code = "no_answer"
    status = 504


class NotRunning(Refused):
    """The job is not being run, so it cannot be cancelled; `state` is where it is."""

    code = "not_running"

    def __init__(self, job_id: str, state: State, advice: str) -> None:
        told = {"job": job_id, "state": state.label.lower(), "advice": advice}
        if state is State.UNKNOWN:
            sentence = _("Job “%(job)s” is not being run: no list of the queue holds it. %(advice)s")
        else:
            sentence = _("Job “%(job)s” is not being run: it is %(state)s. %(advice)s")
        super().__init__(sentence % told)
        self.state = state


async def quiet(actor: Actor, connection: str, process_id: str | None = None) -> Done:
    """The process, or where none is named each of them, takes no new jobs; what it runs, runs on.

    Raises NotFound where there is no such process, NoAnswer where none answered within 5 s.
    """
    return await _steer(actor, connection, Verb.QUIET, process_id)


async def resume(actor: Actor, connection: str, process_id: str | None = None) -> Done:
    """The reverse of `quiet`. Raises Refused too, where the process is stopping."""
    return await _steer(actor, connection, Verb.RESUME, process_id)


async def stop(actor: Actor, connection: str, process_id: str | None = None) -> Done:
    """As SIGTERM does: no new jobs, running ones finish within the drain timeout, then the process ends."""
    return await _steer(actor, connection, Verb.STOP, process_id)


async def cancel_job(
    actor: Actor, connection: str, queue: str, job_id: str, reason: str = "", retry: bool = False
) -> Done:
    """End a running job: it fails with `reason`, and is tried again only where `retry` says so.

    Async processors are cancelled; a plain function sees `job.cancelled` and may go on. Raises JobNotFound, NotRunning,
    Refused where its worker cannot be spoken to, NoAnswer.
    """
    if len(reason) > orders.LONGEST_REASON:
        raise InvalidInput(
            _("The reason may have %(longest_reason)s characters.") % {"longest_reason": f"{orders.LONGEST_REASON:,}"}
        )
    why = reason or _("Cancelled by %(actor)s.") % {"actor": actor.name}

    async def act() -> Done:
        process_id = await _runner(connection, queue, job_id)
        order = Order(Verb.CANCEL, process_id, actor.name, 0, queue, job_id, why, retry)
        answer = (await _ask(connection, order, [process_id])).get(process_id)
        if answer is None:
            raise NoAnswer(
                _("No worker answered within %(valid_s)s s: job “%(job)s” was not cancelled.")
                % {"valid_s": f"{orders.VALID_S:g}", "job": job_id}
            )
        return await _cancelled(connection, queue, job_id, answer)

    parameters = {"reason": why, "retry": retry}
    return await record(Deed(actor, "job.cancel", connection, queue, job_id, parameters), act, of_done)


# --- processes


async def _steer(actor: Actor, connection: str, verb: Verb, process_id: str | None) -> Done:
    async def act() -> Done:
        asked = await _reachable(connection, process_id)
        order = Order(verb, process_id or ALL, actor.name, 0)
        answers = await _ask(connection, order, [beat.id for beat in asked])
        return _outcome(verb, asked, answers)

    parameters = {"process": process_id or "all"}
    return await record(Deed(actor, f"workers.{verb.value}", connection, "", parameters=parameters), act, of_done)


async def _reachable(connection: str, process_id: str | None) -> list[Beat]:
    """The processes that should answer. Raises NotFound for none."""
    now_ms, beats = await _beats(connection)
    found = [beat for beat in beats if process_id in (None, beat.id)]
    if process_id is not None and not found:
        raise NotFound(
            _("There is no worker process “%(process_id)s”; it may have stopped.") % {"process_id": process_id}
        )
    heard = [beat for beat in found if process_id is not None or now_ms - beat.beat_ms <= SILENT_AFTER_S * 1000]
    if not heard:
        raise NotFound(_("There is no worker process that could be asked."))
    return heard


async def _beats(connection: str) -> tuple[int, list[Beat]]:
    if not get_options().use_job_queue:
        raise Refused(str(NO_WORKERS))
    return await fleet.beats(connection)


def _outcome(verb: Verb, asked: Sequence[Beat], answers: dict[str, Answer]) -> Done:
    stages = {beat.id: answers[beat.id].stage for beat in asked if beat.id in answers}
    if not stages:
        raise NoAnswer(
            _("No worker answered within %(valid_s)s s; nothing was done.") % {"valid_s": f"{orders.VALID_S:g}"}
        )
    refused = [answers[beat.id].message for beat in asked if stages.get(beat.id) is Stage.REFUSED]
    if len(refused) == len(asked):
        raise Refused(_("%(who)s refused. %(what)s") % {"who": _who(asked), "what": refused[0]})
    done = [beat for beat in asked if stages.get(beat.id) is Stage.DONE]
    taken = [beat for beat in asked if stages.get(beat.id) is Stage.TAKEN]
    said = [_SAID[verb] % {"who": _who(done), "count": len(done)}] if done else []
    if taken:
        late = _("%(who)s took the request and will follow as soon as a job lets its event loop turn")
        said.append(late % {"who": _who(taken)})
    if refused:
        said.append(_("%(count)s refused (%(why)s)") % {"count": len(refused), "why": refused[0].rstrip(".")})
    if silent := [beat for beat in asked if beat.id not in stages]:
        said.append(_("%(who)s did not answer") % {"who": _who(silent)})
    # Each part begins as a sentence does, and only the first is one.
    told = "; ".join([said[0], *(f"{part[0].lower()}{part[1:]}" for part in said[1:])])
    return Done(_("%(told)s.") % {"told": told}, affected=len(done) + len(taken), missed=len(refused) + len(silent))


def _who(beats: Sequence[Beat]) -> str:
    if len(beats) == 1:
        return _("Worker “%(name)s”") % {"name": beats[0].name}
    return _("%(count)s workers") % {"count": len(beats)}


async def _ask(connection: str, order: Order, expected: Sequence[str]) -> dict[str, Answer]:
    """Give the order; what each has answered when all are through with it, or the time is over."""
    given = await orders.give(connection, order)
    until = time.monotonic() + WAIT_S
    while True:
        found = await orders.answers(connection, given.request)
        through = all(one in found and found[one].stage is not Stage.TAKEN for one in expected)
        if through or time.monotonic() >= until:
            return found
        await asyncio.sleep(LOOK_EVERY_S)


# --- one job


async def why_not_cancelled(connection: str, queue: str, job_id: str) -> str:
    """Why this job cannot be cancelled now, as a sentence; empty where it can. Raises JobNotFound."""
    try:
        await _runner(connection, queue, job_id)
    except Refused as error:
        return str(error)
    return ""


async def _runner(connection: str, queue: str, job_id: str) -> str:
    """The process that runs the job."""
    _now_ms, beats = await _beats(connection)
    (state,), (owner,), (fields,) = await asyncio.gather(
        reads.job_states(connection, queue, [job_id]),
        reads.lock_owners(connection, queue, [job_id]),
        reads.job_fields(connection, queue, [job_id], ["timestamp", "name"]),
    )
    if state is State.UNKNOWN and not fields:
        raise JobNotFound(queue, job_id)
    if state is not State.ACTIVE:
        raise NotRunning(job_id, state, _("It has ended.") if state.is_finished else _("Remove it instead."))
    if not owner:
        raise NotRunning(job_id, state, _("But no worker holds its lock: it will be put back to wait soon."))
    if owner not in {beat.id for beat in beats}:
        raise Refused(
            _(
                "Job “%(job)s” was not cancelled: the worker that runs it has no ear for Toril (a Node "
                "worker, or one whose heartbeat Redis forbids)."
            )
            % {"job": job_id}
        )
    return owner


async def _cancelled(connection: str, queue: str, job_id: str, answer: Answer) -> Done:
    """What became of the job, as Redis has it."""
    (state,) = await reads.job_states(connection, queue, [job_id])
    if answer.stage is Stage.REFUSED:
        raise Refused(
            _("Job “%(job)s” was not cancelled: its run had ended just before; %(where)s.")
            % {"job": job_id, "where": _where(state)}
        )
    if answer.stage is Stage.TAKEN:
        return Done(
            _(
                "The worker has told job “%(job)s” to end; it still runs, and a plain function runs on "
                "until it looks at job.cancelled."
            )
            % {"job": job_id},
            state,
        )
    if state is State.COMPLETED:
        return Done(
            _("Job “%(job)s” was told to end, and completed all the same.") % {"job": job_id}, state, affected=0
        )
    if state is State.UNKNOWN:
        return Done(_("Job “%(job)s” was cancelled; it was not kept.") % {"job": job_id})
    why = text(await reads.job_field(connection, queue, job_id, "failedReason") or b"")
    told = {"job": job_id, "where": _where(state), "why": why}
    if why:
        return Done(_("Job “%(job)s” was cancelled: %(where)s (“%(why)s”).") % told, state)
    return Done(_("Job “%(job)s” was cancelled: %(where)s.") % told, state)


def _where(state: State) -> str:
    if state is State.UNKNOWN:
        return _("it is gone")
    return _("it is %(state)s now") % {"state": state.label.lower()}
