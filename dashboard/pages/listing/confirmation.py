"""A bulk action before it starts: which jobs, how many, frozen at a moment; and its run, as long as a request may.

More than a screenful is an operation's, where a mirror leads that runs it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import links
from dashboard.grants import Grants
from dashboard.pages.operation.asking import SCREENFUL, asked, is_meant
from dashboard.pages.operation.reach import extent
from dashboard.request import Request
from queues.actions import bulk
from queues.actions.bulk import Plan, Progress
from queues.errors import InvalidInput
from queues.models import Operation, Queue
from queues.models.local import is_in_process
from queues.operations import Target, begin
from queues.states import BULK_ACTIONS, LISTED, State, parse_state

HOUR_MS = 3_600_000
#: Ages to choose from; any other is `custom` with a number of hours.
AGES = (
    ("now", gettext_lazy("of any age")),
    ("1h", gettext_lazy("older than 1 hour")),
    ("1d", gettext_lazy("older than 1 day")),
    ("7d", gettext_lazy("older than 7 days")),
    ("custom", gettext_lazy("older than …")),
)
_HOURS = {"now": 0, "1h": 1, "1d": 24, "7d": 168}
MOST_HOURS = 87_600
DESTRUCTIVE = frozenset({"clean", "drain"})
#: Bulk action → what an operation calls it.
OPERATIONS = {"retry-all": "retry", "promote-all": "promote", "clean": "clean", "drain": "clean"}
WARNINGS = {"promote-all": gettext_lazy("They run as soon as a worker is free, in spite of their delay.")}


@dataclass(frozen=True, slots=True)
class Age:
    name: str = "now"
    hours: int = 0

    @classmethod
    def read(cls, query: QueryDict) -> Age:
        """Raises InvalidInput for what is no age: a wrong one must not widen what is removed."""
        name, given = query.get("age") or "now", query.get("hours") or "0"
        if name in _HOURS:
            return cls(name, _HOURS[name])
        hours = whole(given)
        if name != "custom" or hours is None or hours > MOST_HOURS:
            words = _("The age must be a whole number of hours from 0 to %(most)s.")
            raise InvalidInput(words % {"most": f"{MOST_HOURS:,}"})
        return cls("custom", hours)


def whole(text: str | None) -> int | None:
    """A whole number as forms of ours write it; None for anything else."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 17 else None


def is_named(form: QueryDict, name: str) -> bool:
    """Whether the person has typed the queue's name."""
    return form.get("typed", "").strip() == name.strip()


def require_name(form: QueryDict, name: str) -> None:
    """Raises InvalidInput unless the person has typed the queue's name: what cannot be undone is not done by a slip."""
    if not is_named(form, name):
        raise InvalidInput(_("Nothing was removed: type the queue’s name, “%(name)s”, to confirm.") % {"name": name})


async def counted(request: Request, queue: Queue, action: str, query: QueryDict, status: State) -> dict[str, Any]:
    """The context of queue/confirm.html, or of operation/ask.html, counted now. A `before` in the query takes an older
    plan up again.
    """
    _require(action, request.grants.on(queue.name))
    state, age, before = asked_state(action, query, status), Age.read(query), whole(query.get("before"))
    plan = await bulk.plan(queue.connection, queue.name, action, state, age.hours * HOUR_MS, before)
    context = told(plan, age, is_again=before is not None)
    if not await is_operation(plan):
        return context
    back = links.queue_url(queue.connection, queue.name, status=status.value)
    return context | await asked(request.grants, target_of(plan), OPERATIONS[action], back=back)


async def is_operation(plan: Plan) -> bool:
    """Whether it is done in the background: not what workers may hold, which an operation leaves alone."""
    if plan.state is State.ACTIVE:
        return False
    return await is_meant(plan.count, plan.is_least, removes=plan.action in DESTRUCTIVE)


def target_of(plan: Plan) -> Target:
    states = (State.WAITING, State.PRIORITIZED) if plan.action == "drain" else (plan.state,)
    return Target.of_state(plan.connection, (plan.queue,), states, plan.before_ms)


async def run(queue: Queue, action: str, form: QueryDict, site: Grants) -> Progress | Operation:
    """Do what was confirmed: the jobs that were there at that moment, and no more than were counted; or begin it."""
    grants = site.on(queue.name)
    _require(action, grants)
    if action in DESTRUCTIVE:
        require_name(form, queue.name)
    state, before, count = parse_state(form.get("state", "")), whole(form.get("before")), whole(form.get("count"))
    if state not in BULK_ACTIONS[action] or before is None or count is None:
        raise InvalidInput(_("The form does not say which jobs; open the action again."))
    plan = await bulk.plan(queue.connection, queue.name, action, state, before_ms=before)
    meant = replace(plan, count=min(plan.count, count))
    if not await is_operation(meant):
        return await bulk.run(grants.actor, meant)
    found = await extent(site, target_of(meant), OPERATIONS[action])
    reason, do = form.get("reason", ""), OPERATIONS[action]
    return await begin(grants.actor, found.target, do, reason, reach=found.reach, expected=meant.count, keeps=True)


def told(plan: Plan, age: Age, is_again: bool) -> dict[str, Any]:
    has_jobs = bool(plan.count or plan.is_least)
    what = plan.sentence.split(".", 1)[0]
    return {
        "panel": "queue/confirm.html",
        "plan": plan,
        "has_jobs": has_jobs,
        # A plan's sentence is an order; here it is a question still.
        "question": plan.sentence.replace(".", "?", 1) if has_jobs else plan.sentence,
        "button": _("Continue: %(what)s") % {"what": f"{what[:1].lower()}{what[1:]}"} if is_again else what,
        "is_again": is_again,
        "is_destructive": plan.action in DESTRUCTIVE,
        "warning": WARNINGS.get(plan.action, ""),
        "is_unled": not is_in_process() and (plan.is_least or plan.count > SCREENFUL),
        "age": age,
        "ages": AGES,
        "cleanable": [state for state in LISTED if state in BULK_ACTIONS["clean"]],
    }


def asked_state(action: str, query: QueryDict, status: State) -> State:
    """The state that the form names, else the one on screen, else the first that the action knows."""
    allowed = BULK_ACTIONS[action]
    named = parse_state(query.get("state", ""))
    return next(state for state in (named, status, *LISTED) if state in allowed)


def _require(action: str, grants: Grants) -> None:
    if action not in BULK_ACTIONS:
        raise InvalidInput(_("There is no action “%(action)s”.") % {"action": action[:60]})
    grants.require(f"queue.{action}")
