"""The one way to act: a row is opened before Redis is asked and closed with the outcome, whatever the request becomes.

No trace, no action: where the row cannot be written, nothing is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from django.db import Error as DatabaseFailure
from django.db.models import Field
from django.utils import timezone
from django.utils.translation import gettext as _

from queues.actions.actor import Actor
from queues.actions.ages import permit
from queues.errors import InvalidInput, NotFound, RedisUnavailable, Refused, TorilError
from queues.models import AuditEntry, Outcome
from queues.protocol.codec import to_json
from queues.restrictions import refusal_of
from queues.states import State

log = logging.getLogger(__name__)
T = TypeVar("T")

_under_way: set[asyncio.Task[Any]] = set()


class AuditUnavailable(TorilError):
    """The database did not take the row, so nothing was done."""

    code = "audit_unavailable"
    status = 503


@dataclass(frozen=True, slots=True)
class Offer:
    """By this token, until then, an act can be undone (queues/actions/undo.py)."""

    token: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Done:
    """What an action did, for the person who asked; `state` is where the job is now. `missed` of what was asked did not
    follow: they refused, or did not answer. Without `undo` it cannot be undone.
    """

    message: str
    state: State | None = None
    affected: int = 1
    missed: int = 0
    undo: Offer | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a row is closed."""

    outcome: Outcome
    message: str
    affected: int


@dataclass(slots=True)
class Deed:
    """One action on one target. `is_unwanted` turns true when nobody waits any more: long work then stops early. What
    the action adds to `parameters` (`before`, `after`) is kept too.
    """

    actor: Actor
    action: str
    connection: str
    queue: str
    job_id: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    is_unwanted: bool = False
    #: It only keeps up what somebody decided before: read-only mode does not undo that.
    is_standing: bool = False


def of_done(done: Done) -> Ending:
    return Ending(Outcome.DONE, done.message, done.affected)


async def record(deed: Deed, act: Callable[[], Awaitable[T]], ending: Callable[[T], Ending]) -> T:
    """Open the row, act, close the row; the action's value, or the error it raised.

    A cancelled caller neither stops the action nor leaves the row open: it is let go when both are through. Raises
    AuditUnavailable before anything is done, and ReadOnly or Forbidden where this is closed to everybody.
    """
    if not deed.is_standing and (closed := refusal_of(deed.action, deed.queue or None)):
        raise closed
    task = asyncio.create_task(_recorded(deed, act, ending), name=f"action {deed.action}")
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        deed.is_unwanted = True
        # A server that is told to stop waits for what it has cancelled, and so for the row.
        await asyncio.wait({task})
        raise


async def settle() -> None:
    """Wait until every action under way in this loop is done and its row closed: for whoever stops the process."""
    loop = asyncio.get_running_loop()
    mine = {task for task in _under_way if task.get_loop() is loop}
    if mine:
        await asyncio.wait(mine)


async def _recorded(deed: Deed, act: Callable[[], Awaitable[T]], ending: Callable[[T], Ending]) -> T:
    entry = await _open(deed)
    try:
        await permit(deed.action, deed.connection, deed.queue, deed.job_id, priority=_priority(deed))
        value = await act()
    except (Refused, NotFound, InvalidInput) as error:
        await _close(deed, entry, Ending(Outcome.REFUSED, str(error), 0))
        raise
    except Exception as error:
        await _close(deed, entry, Ending(Outcome.FAILED, _failure(error), 0))
        raise
    await _close(deed, entry, ending(value))
    return value


def _priority(deed: Deed) -> int:
    options = deed.parameters.get("options")
    return int(options.get("priority") or 0) if isinstance(options, dict) else 0


async def _open(deed: Deed) -> AuditEntry:
    try:
        return await AuditEntry.objects.acreate(
            user_id=deed.actor.user_id,
            actor=_fitting("actor", deed.actor.name),
            action=deed.action,
            connection=_fitting("connection", deed.connection),
            queue=_fitting("queue", deed.queue),
            job_id=_fitting("job_id", deed.job_id),
            parameters=_told(deed),
        )
    except (DatabaseFailure, ValueError) as error:
        log.exception("The audit row of %s could not be opened.", deed.action)
        raise AuditUnavailable(
            _("Nothing was done: the audit record could not be written, because the database did not take it.")
        ) from error


def _told(deed: Deed) -> str:
    return to_json(deed.parameters) if deed.parameters else ""


async def _close(deed: Deed, entry: AuditEntry, ending: Ending) -> None:
    entry.closed_at, entry.parameters = timezone.now(), _told(deed)
    entry.outcome, entry.message, entry.affected = ending.outcome, ending.message, ending.affected
    try:
        await entry.asave(update_fields=["closed_at", "outcome", "message", "affected", "parameters"])
    except DatabaseFailure:
        # What was done is done, and who asked must hear of it; the row goes on saying "outcome unknown".
        log.exception("Audit row %s stays open; its action ended: %s, %s", entry.pk, ending.outcome, ending.message)


def _failure(error: Exception) -> str:
    if isinstance(error, RedisUnavailable):
        return f"{error} Whether it was done is unknown."
    return str(error) if isinstance(error, TorilError) else f"An error in Toril: {type(error).__name__}."


def _fitting(column: str, value: str) -> str:
    """PostgreSQL refuses a longer text, and NUL; neither must forbid an action."""
    length = cast("Field[str, str]", AuditEntry._meta.get_field(column)).max_length
    return value[:length].replace("\0", "\ufffd00")
