"""What each button of a group of failures asks for: read from its form, required of the person, done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.pages.shell.frame import go
from dashboard.request import Request
from dashboard.seeing import seen_by
from queues.actions import failures
from queues.actions.actor import Actor
from queues.actions.audit import Done
from queues.errors import InvalidInput, NotFound, TorilError
from queues.lookups.failures import WINDOWS, Detail, detail

#: The address's `action` → what it needs in every queue of the group that its actor sees.
NEEDED: Mapping[str, str] = {
    "resolve": "failure.resolve",
    "ignore": "failure.ignore",
    "reopen": "failure.reopen",
    "assign": "failure.assign",
    "note": "failure.note",
    "merge": "failure.merge",
    "split": "failure.split",
    "split-values": "failure.split",
}
#: People that are offered as assignees; more are typed.
MOST_STAFF = 200
Plain = Callable[[Actor, str, int], Awaitable[Done]]
PLAIN: Mapping[str, Plain] = {"resolve": failures.resolve, "ignore": failures.ignore, "reopen": failures.reopen}


async def act(request: Request, connection: str, found: Detail) -> HttpResponse:
    action, group = request.GET.get("action", ""), found.line.group.pk
    if action not in NEEDED:
        raise InvalidInput(_("There is no such action on a group of failures."))
    if refused := refusal(request, found, NEEDED[action]):
        raise refused
    done = await _done(request, connection, found, action)
    return go(request, links.failure_url(connection, group), done.message)


async def _done(request: Request, connection: str, found: Detail, action: str) -> Done:
    actor, group, form = request.grants.actor, found.line.group.pk, request.POST
    if plain := PLAIN.get(action):
        return await plain(actor, connection, group)
    if action == "assign":
        name = actor.name if form.get("me") else form.get("user", "")
        return await failures.assign(actor, connection, group, name)
    if action == "note":
        return await failures.note(actor, connection, group, form.get("text", ""))
    if action == "merge":
        return await failures.merge(actor, connection, group, await _others(request, connection))
    if action == "split":
        return await failures.split(actor, connection, group, _seen_causes(found, _numbers(form.getlist("cause"))))
    (cause,) = _seen_causes(found, _numbers([form.get("cause", "")])) or [0]
    return await failures.split_by_value(actor, connection, group, cause, _numbers(form.getlist("place")))


def refusal(request: Request, found: Detail, action: str = "failure.note") -> TorilError | None:
    """Why not: who triages a group may do so in every queue of it that they see."""
    refusals = (request.grants.on(queue).refusal(action) for queue in found.queues)
    return next((refused for refused in refusals if refused), None)


async def _others(request: Request, connection: str) -> list[int]:
    """Groups that this person sees and may triage, too. Raises NotFound or Forbidden."""
    seen, others = await seen_by(request.grants), list(dict.fromkeys(_numbers(request.POST.getlist("group"))))
    # More are refused; those that are merged have been looked at, each of them.
    for other in others[: failures.MOST_MERGED]:
        found = await detail(connection, other, seen, WINDOWS["1h"], 0.0)
        if not isinstance(found, Detail):
            raise NotFound(_("There is no group of failures #%(group)s.") % {"group": other})
        if refused := refusal(request, found, "failure.merge"):
            raise refused
    return others


def _seen_causes(found: Detail, wanted: list[int]) -> list[int]:
    """A cause of a hidden queue is none."""
    known = {cause.pk for cause in found.causes}
    return [cause if cause in known else 0 for cause in wanted]


def _numbers(given: list[str]) -> list[int]:
    told = [number.strip().lstrip("#") for number in given]
    if any(not (number.isascii() and number.isdecimal() and len(number) < 16) for number in told):
        raise InvalidInput(_("The form does not say which; open the action again."))
    return [int(number) for number in told]


async def staff() -> list[str]:
    """Names of those to whom a group may be given."""
    users = get_user_model().objects.filter(is_staff=True, is_active=True)
    name = get_user_model().USERNAME_FIELD
    return [found async for found in users.order_by(name).values_list(name, flat=True)[:MOST_STAFF]]
