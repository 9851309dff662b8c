"""Which jobs an address or a form means: ids, states of queues, a filter, a search, a group of failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard.links import name_of
from dashboard.moments import now_ms
from dashboard.pages.listing.confirmation import whole
from dashboard.pages.listing.filtering import read_filter
from queues.errors import InvalidInput
from queues.operations import Kind, Target
from queues.states import State, parse_state

MOST_QUEUES = 1_000
#: “Retry what I found” never means jobs that have completed, unless the address says so: they would run again.
USUAL: Mapping[str, tuple[State, ...]] = {
    "retry": (State.FAILED,),
    "move": (State.WAITING, State.PRIORITIZED, State.DELAYED, State.FAILED),
}


def target_of(given: QueryDict, connection: str, do: str) -> Target:
    """`group=5`, `q=…&at=<ms>`, `id=<connection>/<queue>/<id>` (each percent-encoded; or a bare id beside `queue=`),
    or `queue=…&state=failed` with the parameters of a list's filter; `before=<ms>` freezes it at an earlier moment.
    `target` is one that a form of ours carried. Raises InvalidInput: what is odd must not widen what is meant.
    """
    if told := given.get("target"):
        return _carried(told, connection)
    before = min(whole(given.get("before")) or now_ms(), now_ms())
    states = _states(given)
    if group := whole(given.get("group")):
        return Target.of_group(connection, group, before)
    if query := given.get("q", ""):
        return _of_search(connection, query, min(whole(given.get("at")) or now_ms(), now_ms()), do, states)
    if ids := given.getlist("id"):
        named = [_key(each, connection, given.get("queue", "")) for each in ids]
        return Target.of_ids(connection, named, states[0] if len(states) == 1 else None, before)
    return _of_state(given, connection, states, before)


def _carried(told: str, connection: str) -> Target:
    target = Target.from_json(told)
    if target.connection != connection or target.kind is Kind.STORED:
        raise InvalidInput(_("The form does not say which jobs; open the action again."))
    return replace(target, before_ms=min(target.before_ms, now_ms()))


def _of_search(connection: str, query: str, at_ms: int, do: str, states: tuple[State, ...]) -> Target:
    return replace(Target.of_search(connection, query, at_ms), states=states or USUAL.get(do, ()))


def _of_state(given: QueryDict, connection: str, states: tuple[State, ...], before: int) -> Target:
    queues = list(dict.fromkeys(name for name in given.getlist("queue") if name))
    if len(queues) > MOST_QUEUES:
        raise InvalidInput(_("At most %(most)s queues at once.") % {"most": f"{MOST_QUEUES:,}"})
    complaints: list[str] = []
    wanted = read_filter(given, complaints)
    if complaints:
        raise InvalidInput(complaints[0])
    if wanted.is_empty:
        return Target.of_state(connection, queues, states, before)
    if len(queues) != 1 or len(states) != 1:
        raise InvalidInput(_("A filter is about one state of one queue."))
    return Target.of_filter(connection, queues[0], states[0], wanted, before)


def _states(given: QueryDict) -> tuple[State, ...]:
    found = []
    for told in given.getlist("state"):
        if (state := parse_state(told)) is None:
            raise InvalidInput(_("There is no state “%(state)s”.") % {"state": told[:60]})
        found.append(state)
    return tuple(dict.fromkeys(found))


def _key(told: str, connection: str, queue: str) -> tuple[str, str]:
    if queue:
        return queue, told
    parts = [name_of(part) for part in told.split("/")]
    if len(parts) != 3:
        raise InvalidInput(_("The form does not say which jobs; open the action again."))
    if parts[0] != connection:
        raise InvalidInput(_("One operation is about one connection: choose jobs of one."))
    return parts[1], parts[2]
