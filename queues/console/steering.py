"""`pause` and `resume`: whole queues."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from queues.actions.actor import Actor
from queues.actions.audit import Done
from queues.actions.queues import pause_queue, resume_queue
from queues.console.exits import Exit, exit_of, together
from queues.console.session import Session
from queues.errors import QueueNotFound, TorilError
from queues.lookups.snapshot import snapshot

Act = Callable[[Actor, str, str], Awaitable[Done]]
Outcome = Done | TorilError


def pause(session: Session, options: Namespace) -> Exit:
    """Let workers start nothing more; what runs, runs on."""
    return _each(session, options.queues, pause_queue, "pause")


def resume(session: Session, options: Namespace) -> Exit:
    """Let workers start jobs again."""
    return _each(session, options.queues, resume_queue, "resume")


def _each(session: Session, queues: Sequence[str], act: Act, verb: str) -> Exit:
    if session.is_dry_run:
        missing = session.run(_missing(session.connection, queues))
        if missing:
            raise QueueNotFound(missing[0])
        said = ", ".join(f"“{name}”" for name in queues)
        return session.would(f"would {verb} queue{'s' if len(queues) > 1 else ''} {said}.", queues=list(queues))
    outcomes = session.run(_all(session, queues, act))
    return told(session, [({"queue": name}, outcome) for name, outcome in zip(queues, outcomes, strict=True)])


async def _missing(connection: str, queues: Sequence[str]) -> list[str]:
    found = await snapshot(connection, max_age_s=0.0)
    return [name for name in queues if found.queue(name) is None]


async def _all(session: Session, queues: Sequence[str], act: Act) -> list[Outcome]:
    return [await outcome(act(session.actor, session.connection, name)) for name in queues]


async def outcome(acting: Awaitable[Done]) -> Outcome:
    """What it came to, so that one target's failure does not hide the next."""
    try:
        return await acting
    except TorilError as error:
        return error


def told(session: Session, outcomes: Sequence[tuple[dict[str, Any], Outcome]]) -> Exit:
    """Say how each target fared; one code for all."""
    results = []
    for target, came in outcomes:
        if isinstance(came, TorilError):
            session.screen.note(str(came))
            results.append({**target, "error": {"code": came.code, "message": str(came)}})
        else:
            session.screen.say(came.message)
            missed = {"missed": came.missed} if came.missed else {}
            results.append({**target, "message": came.message, "affected": came.affected, **missed})
    session.screen.give({"results": results})
    return together([_code(came) for _, came in outcomes])


def _code(came: Outcome) -> Exit:
    if isinstance(came, TorilError):
        return exit_of(came)
    return Exit.REFUSED if came.missed else Exit.DONE
