"""What a program wants to be told of: events that fit all that it names; and who of many wants a given one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from django.utils.translation import gettext as _

from dashboard.live.facts import LONGEST, indexed, said
from dashboard.live.notice import Notice
from queues.errors import InvalidInput
from queues.options import get_options

LONGEST_NAME = 1024
#: Under which a subscription is found: by the one of its conditions that fits least.
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """Empty: whatever may be seen."""

    queue: str = ""
    job_id: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    #: Names of events; none: all.
    events: frozenset[str] = frozenset()

    @property
    def key(self) -> Key:
        if self.fields:
            return ("field", *self.fields[0])
        if self.job_id:
            return ("job", self.job_id)
        return ("queue", self.queue) if self.queue else ("all",)

    def fits(self, notice: Notice) -> bool:
        event, carried = notice.event, notice.carried if self.fields else {}
        return (
            self.queue in ("", event.queue)
            and self.job_id in ("", event.job_id)
            and (not self.events or notice.type in self.events)
            and all(carried.get(name) == value for name, value in self.fields)
        )

    @property
    def told(self) -> dict[str, Any]:
        """As it was asked for."""
        named = {"queue": self.queue, "jobId": self.job_id, **dict(self.fields), "events": sorted(self.events)}
        return {name: value for name, value in named.items() if value}


def subscription(asked: Mapping[str, Any]) -> Subscription:
    """From what a program names. Raises InvalidInput: a condition that is not understood must not widen the rest."""
    known = indexed()
    if odd := sorted(set(asked) - {"queue", "jobId", "events", *known}):
        names = ", ".join(("queue", "jobId", *known))
        told = {"name": str(odd[0])[:64], "names": names}
        raise InvalidInput(_("There is no subscription by “%(name)s”; there is one by: %(names)s.") % told)
    queue = _text(asked, "queue", LONGEST_NAME)
    if queue and not get_options().live.follows(queue):
        raise InvalidInput(_("Queue “%(queue)s” is not followed here (LIVE, QUEUES).") % {"queue": queue[:64]})
    fields = tuple((name, _text(asked, name, LONGEST)) for name in known if name in asked)
    return Subscription(queue, _text(asked, "jobId", LONGEST_NAME), fields, _events(asked.get("events", ())))


def _text(asked: Mapping[str, Any], name: str, longest: int) -> str:
    value = asked.get(name)
    if name not in asked:
        return ""
    if not isinstance(value, str | int | float) or not 0 < len(text := said(value)) <= longest:
        raise InvalidInput(_("“%(name)s” must be a text, not empty and not too long.") % {"name": name})
    return text


def _events(value: Any) -> frozenset[str]:
    if not isinstance(value, list | tuple) or len(value) > 50 or not all(isinstance(one, str) for one in value):
        raise InvalidInput(_("“%(name)s” must be a list of names.") % {"name": "events"})
    return frozenset(value)


class Wanting(Protocol):
    def may_find(self, notice: Notice, wanted: Subscription) -> bool:
        """Whether it may be told by this subscription that there is such a job."""


W = TypeVar("W", bound=Wanting)


class Index(Generic[W]):
    """Who wants what; finding them costs the same whether a hundred listen or a thousand."""

    def __init__(self) -> None:
        self._held: dict[Key, dict[W, set[Subscription]]] = {}

    def add(self, listener: W, wanted: Subscription) -> None:
        self._held.setdefault(wanted.key, {}).setdefault(listener, set()).add(wanted)

    def remove(self, listener: W, wanted: Subscription) -> None:
        """Callable for what was never there."""
        at = self._held.get(wanted.key, {})
        at.get(listener, set()).discard(wanted)
        if listener in at and not at[listener]:
            del at[listener]
        if wanted.key in self._held and not at:
            del self._held[wanted.key]

    def of(self, notice: Notice) -> Iterator[W]:
        """Each once, however many of its subscriptions fit."""
        event = notice.event
        keys: list[Key] = [("all",), ("queue", event.queue), ("job", event.job_id)]
        keys += [("field", name, value) for name, value in notice.carried.items()]
        found: set[W] = set()
        for key in keys:
            for listener, subscriptions in self._held.get(key, {}).items():
                if listener not in found and _wants(listener, subscriptions, notice):
                    found.add(listener)
                    yield listener


def _wants(listener: Wanting, subscriptions: Iterable[Subscription], notice: Notice) -> bool:
    return any(each.fits(notice) and listener.may_find(notice, each) for each in subscriptions)
