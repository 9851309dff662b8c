"""Before an operation begins: what it would touch, counted and shown, with the form that begins it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from dashboard import links
from dashboard.grants import Grants
from dashboard.pages.operation import words
from dashboard.pages.operation.reach import extent
from dashboard.seeing import places
from queues.errors import Forbidden, InvalidInput
from queues.lookups.crowd import few
from queues.lookups.mirror_state import leads
from queues.models.local import is_in_process
from queues.operations import Kind, Preview, Target, action_of, needed_elsewhere, preview

#: More jobs than this are an operation's; so many one sees at a glance.
SCREENFUL = 50
#: What can be asked for here; a restore begins on the page of what it restores.
OFFERED = ("retry", "promote", "remove", "clean", "move", "reprioritize")
#: What is never done at once, however few they are.
BY_OPERATION = ("move", "reprioritize")
MOST_SUGGESTED = 200
MOST_QUEUES = 12


@dataclass(frozen=True, slots=True)
class Ask:
    """What operation/ask.html draws. `others`: queues to which they may be moved; `given` what the form has so far."""

    preview: Preview
    do: str
    given: Mapping[str, Any]
    left_out: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    back: str = ""
    may_read: bool = True

    @property
    def target(self) -> Target:
        return self.preview.target

    @property
    def target_json(self) -> str:
        return self.target.to_json()

    @property
    def order(self) -> str:
        """“Retry 200,000 failed jobs”; where nothing is known of the number, “Retry all”."""
        if not self.preview.count and self.preview.is_least:
            return words.every(self.do)
        return words.order(self.do, self.target, self.preview.count, self.preview.is_least)

    @property
    def is_empty(self) -> bool:
        return not self.preview.count and not self.preview.is_least

    @property
    def can_begin(self) -> bool:
        return not self.is_empty and not self.preview.why_not

    @property
    def meant(self) -> str:
        return words.meant(self.target, self.may_read)

    @property
    def queues(self) -> list[tuple[str, int | None]]:
        """The first of them, with how many of the jobs counted."""
        counted = sorted(self.preview.queues.items(), key=lambda pair: (-pair[1], pair[0]))
        told: list[tuple[str, int | None]] = [*counted] or [(name, None) for name in self.target.queues]
        return told[:MOST_QUEUES]

    @property
    def more_queues(self) -> int:
        return max(0, len(self.preview.queues or self.target.queues) - MOST_QUEUES)

    @property
    def removes(self) -> bool:
        return action_of(self.do).is_destructive

    @property
    def word(self) -> str:
        return "" if self.preview.restorable else word_of(self.do, self.target)


async def is_meant(count: int, is_least: bool = False, *, removes: bool = False) -> bool:
    """Whether this is an operation's: more than a screenful, or a removal, which only an operation can undo; and a
    mirror leads, which runs it.
    """
    if is_in_process() or not (is_least or count > (0 if removes else SCREENFUL)):
        return False
    return await leads()


async def asked(
    grants: Grants, target: Target, do: str, given: Mapping[str, Any] | None = None, back: str = ""
) -> dict[str, Any]:
    """The context of operation/ask.html, counted now. Raises InvalidInput, QueueNotFound, Forbidden, ReadOnly."""
    if do not in OFFERED or target.kind is Kind.STORED:
        raise InvalidInput(_("There is no action “%(action)s” for many jobs.") % {"action": do[:60]})
    told = dict(given or {})
    if is_in_process():
        return {"panel": "operation/ask.html", "ask": None}
    found = await extent(grants, target, do)
    others = await _others(grants, found.target) if do == "move" else ()
    async with few(grants.actor.user_id, "preview"):
        shown = await preview(found.target, do, found.reach, _counted_with(do, told, others))
    reads = all(grants.on(queue).may("job.payload") for queue in found.target.queues)
    ask = Ask(replace(shown, target=found.target), do, told, found.left_out, others, back or _whence(target), reads)
    return {"panel": "operation/ask.html", "ask": ask}


def _whence(target: Target) -> str:
    """The page whose jobs these are."""
    if target.kind is Kind.GROUP:
        return links.failure_url(target.connection, target.of)
    if target.kind is Kind.SEARCH:
        return links.search_url(target.connection, q=target.query)
    if target.kind is Kind.STATE and len(target.queues) == 1 and len(target.states) == 1:
        return links.queue_url(target.connection, target.queues[0], status=target.states[0])
    return links.operations_url(target.connection)


def parameters_of(do: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """What the action needs beside its jobs, as the form says it; what is missing is complained of by the engine."""
    if do == "move":
        return {"queue": str(form.get("to", "")).strip()}
    if do == "reprioritize":
        return {"priority": str(form.get("priority", "")).strip()}
    return {"reset_attempts": True} if do == "retry" and form.get("reset") == "1" else {}


def require_elsewhere(grants: Grants, connection: str, do: str, parameters: Mapping[str, Any]) -> None:
    """What it does to other queues than those of its jobs. Raises QueueNotFound, Forbidden."""
    for queue, needed in needed_elsewhere(do, parameters):
        grants.require_sight(queue, connection)
        grants.on(queue, connection).require(needed)


def word_of(do: str, target: Target) -> str:
    """What is typed before that which cannot be undone: the queue's name where it is one. Nothing where all can be."""
    if not action_of(do).is_destructive:
        return ""
    return target.queues[0] if len(target.queues) == 1 else "remove"


def require_word(typed: str, word: str) -> None:
    """Raises InvalidInput."""
    if word and typed.strip() != word.strip():
        raise InvalidInput(_("Nothing was begun: type “%(word)s” to confirm.") % {"word": word})


def _counted_with(do: str, told: Mapping[str, Any], others: tuple[str, ...]) -> dict[str, Any]:
    """To be counted before the form is filled in, any value will do that is one."""
    parameters = parameters_of(do, told)
    if do == "move" and not parameters["queue"]:
        if not others:
            raise Forbidden(_("There is no other queue to which you may add jobs."))
        return {"queue": others[0]}
    if do == "reprioritize" and not parameters["priority"]:
        return {"priority": 0}
    return parameters


async def _others(grants: Grants, target: Target) -> tuple[str, ...]:
    here = target.connection
    names = sorted(queue for connection, queue in await places() if connection == here)
    others = [name for name in names if target.queues != (name,)]
    may = [name for name in others if grants.sees(name, here) and grants.on(name, here).may("job.add")]
    return tuple(may[:MOST_SUGGESTED])
