"""`retry`, `promote`, `clean` and `drain`: jobs by id, or many at once, counted before they are touched."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from queues.actions import bulk
from queues.actions.actor import Actor
from queues.actions.audit import Done
from queues.actions.bulk import Plan, Progress
from queues.actions.jobs import promote_job, retry_job
from queues.console.exits import Exit, exit_of, together
from queues.console.session import Session
from queues.console.steering import Outcome, outcome, told
from queues.errors import InvalidInput, QueueNotFound, Refused, TorilError
from queues.lookups.jobs import job_detail
from queues.lookups.snapshot import snapshot
from queues.states import JOB_ACTIONS, State

#: One run of a plan, and so one row of the audit, takes as long as it needs.
NO_BUDGET_S = 7 * 86_400.0
SAY_EVERY_S = 2.0
_PAST = {"retry": "retried", "promote": "promoted"}
Act = Callable[[Actor, str, str, str], Awaitable[Done]]
#: Action, state, and how old.
Wanted = Sequence[tuple[str, str, int]]


def retry(session: Session, options: Namespace) -> Exit:
    """Put failed or completed jobs back to wait: those named, or with --all all of a state."""
    if options.all:
        return _many(session, options, [("retry-all", options.state, 0)])
    return _each(session, options, "retry", retry_job)


def promote(session: Session, options: Namespace) -> Exit:
    """Let delayed jobs run now: those named, or with --all all of them."""
    if options.all:
        return _many(session, options, [("promote-all", State.DELAYED.value, 0)])
    return _each(session, options, "promote", promote_job)


def clean(session: Session, options: Namespace) -> Exit:
    """Remove a state's jobs; with --older-than only those that are old enough."""
    return _many(session, options, [("clean", options.state, options.older_than)], options.limit)


def drain(session: Session, options: Namespace) -> Exit:
    """Remove what waits to be run; with --delayed also what is due later."""
    wanted = [("drain", State.WAITING.value, 0)]
    if options.delayed:
        wanted.append(("clean", State.DELAYED.value, 0))
    return _many(session, options, wanted)


# --- by id


def _each(session: Session, options: Namespace, verb: str, act: Act) -> Exit:
    if bool(options.jobs) == bool(options.all):
        raise InvalidInput(f"{verb}: name jobs by their ids, or give --all.")
    targets = [{"queue": options.queue, "id": job_id} for job_id in options.jobs]
    outcomes = session.run(_would_all(session, options, verb) if session.is_dry_run else _all(session, options, act))
    return told(session, list(zip(targets, outcomes, strict=True)))


async def _all(session: Session, options: Namespace, act: Act) -> list[Outcome]:
    actor, connection, queue = session.actor, session.connection, options.queue
    return [await outcome(act(actor, connection, queue, job_id)) for job_id in options.jobs]


async def _would_all(session: Session, options: Namespace, verb: str) -> list[Outcome]:
    return [await outcome(_would(session, options.queue, job_id, verb)) for job_id in options.jobs]


async def _would(session: Session, queue: str, job_id: str, verb: str) -> Done:
    state = (await job_detail(session.connection, queue, job_id)).job.state_enum
    if state not in JOB_ACTIONS[verb]:
        raise Refused(f"Dry run: job “{job_id}” would not be {_PAST[verb]}: it is {state.label.lower()}.")
    return Done(f"Dry run: would {verb} job “{job_id}”, which is {state.label.lower()}.", state)


# --- many


def _many(session: Session, options: Namespace, wanted: Wanted, limit: int | None = None) -> Exit:
    if getattr(options, "jobs", None):
        raise InvalidInput("Name jobs by their ids, or give --all; not both.")
    plans = session.run(_plans(session, options.queue, wanted, limit))
    meant = [plan for plan in plans if plan.count or plan.is_least]
    said = " ".join(plan.sentence for plan in meant or plans[:1])
    if session.is_dry_run:
        return session.would(said, plans=[_facts(plan) for plan in plans])
    if not meant:
        session.screen.say(said)
        session.screen.give({"results": []})
        return Exit.DONE
    session.confirm(said)
    return _told(session, [_run(session, plan) for plan in meant])


async def _plans(session: Session, queue: str, wanted: Wanted, limit: int | None) -> list[Plan]:
    if (await snapshot(session.connection, max_age_s=0.0)).queue(queue) is None:
        raise QueueNotFound(queue)
    plans = [await bulk.plan(session.connection, queue, action, state, age) for action, state, age in wanted]
    return plans if limit is None else [_limited(plan, limit) for plan in plans]


def _limited(plan: Plan, limit: int) -> Plan:
    """Consent to so many at most; the oldest go first where they are in order."""
    if plan.count <= limit and not plan.is_least:
        return plan
    return replace(plan, count=limit, is_least=False, sentence=f"{plan.sentence} At most {limit:,} of them.")


def _run(session: Session, plan: Plan) -> Progress | TorilError:
    said_at = time.monotonic()

    def say(done: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= SAY_EVERY_S:
            said_at = time.monotonic()
            session.screen.note(f"{done:,} of {'at least ' if plan.is_least else ''}{plan.count:,} …")

    try:
        return session.run(bulk.run(session.actor, plan, NO_BUDGET_S, on_step=say))
    except TorilError as error:
        return error


def _told(session: Session, outcomes: Sequence[Progress | TorilError]) -> Exit:
    results: list[dict[str, object]] = []
    codes: list[Exit] = []
    for came in outcomes:
        if isinstance(came, TorilError):
            session.screen.note(str(came))
            results.append({"error": {"code": came.code, "message": str(came)}})
            codes.append(exit_of(came))
            continue
        session.screen.say(came.sentence)
        facts = {"done": came.done, "skipped": came.skipped, "left": came.left, "finished": came.finished}
        results.append({**_facts(came.plan), **facts, "message": came.sentence})
        codes.append(Exit.DONE if came.finished else Exit.REFUSED)
    session.screen.give({"results": results})
    return together(codes)


def _facts(plan: Plan) -> dict[str, object]:
    return {
        "queue": plan.queue,
        "action": plan.action,
        "state": plan.state.value,
        "count": plan.count,
        "is_least": plan.is_least,
        "before_ms": plan.before_ms,
    }
