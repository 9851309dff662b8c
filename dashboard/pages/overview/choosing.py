"""Which queues the overview shows and in which order, from its address and back; what is odd narrows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

from django.utils.translation import gettext_lazy as _

from dashboard import links
from dashboard.pages.queue import rates, sentences
from dashboard.presentation import dashboard_options
from dashboard.request import Request
from queues.models import Queue
from queues.states import LISTED, State, parse_state

#: What a queue may suffer from → how that is called, and whether this one does.
TROUBLES: Mapping[str, tuple[object, Callable[[Queue], bool]]] = {
    "broken": (_("broken"), lambda queue: bool(queue.broken)),
    "no-workers": (_("without workers"), sentences.is_deserted),
    "failing": (_("failing"), rates.is_failing),
    "limited": (_("limited"), sentences.is_limited),
    "paused": (_("paused"), lambda queue: queue.is_paused),
}
#: By what queues are ordered, most first: what is not known comes last.
_MEASURES: Mapping[str, Callable[[Queue], float | None]] = {
    "oldest": lambda queue: -queue.oldest_waiting_ms if queue.oldest_waiting_ms else None,
    "rate": rates.per_minute,
    "failing": rates.failure_rate,
    "drain": rates.drain_ms,
    "workers": lambda queue: queue.workers,
}
SORTS = ("name", *(state.value for state in LISTED), *_MEASURES)
#: Names of queues and groups that a browser remembers, each percent-encoded, with commas between.
STARRED, CLOSED, VIEW = "toril_starred", "toril_closed", "toril_view"


@dataclass(frozen=True, slots=True)
class Choice:
    """`sort` is one of SORTS, `is_reverse` its other way round; `state` and `trouble` narrow, `find` too."""

    connection: str
    find: str = ""
    state: State | None = None
    trouble: str = ""
    sort: str = "name"
    is_reverse: bool = False
    is_tree: bool = False
    closed: frozenset[str] = frozenset()
    starred: frozenset[str] = frozenset()

    @classmethod
    def of(cls, request: Request, connection: str) -> Choice:
        asked, site = request.GET, dashboard_options()
        told = asked.get("sort", "")
        sort = told.removeprefix("-")
        view = asked.get("view") or request.COOKIES.get(VIEW)
        trouble = asked.get("trouble", "")
        is_known = sort in SORTS
        return cls(
            connection,
            asked.get("q", "").strip(),
            parse_state(asked.get("state", "")),
            trouble if trouble in TROUBLES else "",
            sort if is_known else site.sort,
            is_known and told.startswith("-"),
            site.group_by_delimiter if view not in ("flat", "tree") else view == "tree",
            frozenset(asked.getlist("closed")) if "closed" in asked else remembered(request, CLOSED),
            remembered(request, STARRED),
        )

    @property
    def trouble_label(self) -> object:
        return TROUBLES[self.trouble][0] if self.trouble else ""

    @property
    def as_flat(self) -> str:
        return self.url(view="flat")

    @property
    def as_tree(self) -> str:
        return self.url(view="tree")

    @property
    def is_narrow(self) -> bool:
        return bool(self.find or self.state or self.trouble)

    @property
    def query(self) -> dict[str, object]:
        """What an address says of it; what goes without saying is left out."""
        sort = ("-" if self.is_reverse else "") + self.sort
        told = {"q": self.find, "state": self.state and self.state.value, "trouble": self.trouble}
        told |= {"sort": sort if sort != dashboard_options().sort else ""}
        return {key: value for key, value in told.items() if value}

    def url(self, **more: object) -> str:
        return links.overview_url(self.connection, **(self.query | more))

    def sorted_by(self, sort: str) -> str:
        """The address in this order; in its reverse where it is this order already."""
        return replace(self, sort=sort, is_reverse=self.sort == sort and not self.is_reverse).url()

    def narrowed(self, **to: object) -> str:
        """The address with another filter, the others cleared: each says by itself what it shows."""
        cleared = replace(self, find="", state=None, trouble="")
        return replace(cleared, **to).url()  # type: ignore[arg-type]

    def shows(self, queue: Queue) -> bool:
        return (
            self.find.casefold() in queue.name.casefold()
            and (self.state is None or queue.count(self.state) > 0)
            and (not self.trouble or TROUBLES[self.trouble][1](queue))
        )

    def is_starred(self, queue: Queue) -> bool:
        return starred_as(self.connection, queue.name) in self.starred

    def ordered(self, queues: Iterable[Queue]) -> list[Queue]:
        """By name, or most first; equals stay by name."""
        named = sorted(queues, key=lambda queue: queue.name, reverse=self.sort == "name" and self.is_reverse)
        return named if self.sort == "name" else sorted(named, key=self._rank)

    def _rank(self, queue: Queue) -> tuple[bool, float]:
        known = self.measure(queue)
        return known is None, (known or 0) * (1 if self.is_reverse else -1)

    def measure(self, queue: Queue) -> float | None:
        state = parse_state(self.sort)
        return queue.count(state) if state else _MEASURES[self.sort](queue)


def starred_as(connection: str, name: str) -> str:
    """A queue among the favourites; no queue's name holds a colon."""
    return name if connection == links.DEFAULT_CONNECTION else f"{connection}:{name}"


def remembered(request: Request, cookie: str) -> frozenset[str]:
    told = request.COOKIES.get(cookie, "")
    return frozenset(unquote(part) for part in told.split(",") if part)
