"""Which jobs an operation means: a frozen value that survives the round trip through a form and the database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import chain
from typing import Any

from django.utils.translation import gettext as _

from queues.errors import InvalidInput
from queues.lookups.filters import COMPARED, Filter
from queues.protocol.writes import now_ms
from queues.states import LISTED, State, parse_state

#: So many jobs, or queues, one selection may name, and so long a query may be.
MOST_IDS, LONGEST_QUERY = 10_000, 10_240
#: No name has these as the codec reads it: a row that holds one could not be written, or not shown.
_ODD = re.compile("[\0\ud800-\udfff]")


class Kind(StrEnum):
    """IDS names them; STATE is all in one or more states of queues; FILTER what fits a filter in one state of a queue;
    SEARCH what a query of the mirror finds; GROUP the failures of a group; STORED what another operation removed.
    """

    IDS = "ids"
    STATE = "state"
    FILTER = "filter"
    SEARCH = "search"
    GROUP = "group"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Target:
    """Make one by `of_ids`, `of_state`, `of_filter`, `of_search` or `of_group`; `to_json` and `from_json` carry it.

    What was added, or ended, after `before_ms` is not meant. `states` are those in which the jobs were seen; a job that
    has left them is not touched; empty: each in which the action is legal.
    """

    connection: str
    kind: Kind
    before_ms: int
    queues: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    #: (queue, job id)
    ids: tuple[tuple[str, str], ...] = ()
    filter: Filter | None = None
    query: str = ""
    #: The failures' group, or the operation whose removed jobs are meant.
    of: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidInput for what no queue and no job is called."""
        if any(map(_ODD.search, (self.query, *self.queues, *chain.from_iterable(self.ids)))):
            raise InvalidInput(_("There is a character in it that no name and no text holds."))

    @classmethod
    def of_ids(
        cls, connection: str, jobs: Iterable[tuple[str, str]], state: State | None = None, before_ms: int = 0
    ) -> Target:
        """Jobs that somebody named, as (queue, id). Raises InvalidInput."""
        ids = tuple(dict.fromkeys(jobs))
        if not ids or len(ids) > MOST_IDS or any(not queue or not 0 < len(job_id) <= 1024 for queue, job_id in ids):
            raise InvalidInput(_("Name between 1 and %(most)s jobs.") % {"most": f"{MOST_IDS:,}"})
        queues = tuple(sorted({queue for queue, _id in ids}))
        return cls(connection, Kind.IDS, before_ms or now_ms(), queues, (state,) if state else (), ids)

    @classmethod
    def of_state(cls, connection: str, queues: Sequence[str], states: Sequence[State], before_ms: int = 0) -> Target:
        """All jobs in these states of these queues. Raises InvalidInput."""
        if not queues or not states:
            raise InvalidInput(_("Say which queues, and which state."))
        return cls(connection, Kind.STATE, before_ms or now_ms(), tuple(queues), tuple(states))

    @classmethod
    def of_filter(cls, connection: str, queue: str, state: State, wanted: Filter, before_ms: int = 0) -> Target:
        """What fits in one state of a queue; ages count from `before_ms`. Raises InvalidInput where it is empty."""
        if wanted.is_empty:
            raise InvalidInput(_("There is no filter."))
        return cls(connection, Kind.FILTER, before_ms or now_ms(), (queue,), (state,), filter=wanted)

    @classmethod
    def of_search(cls, connection: str, query: str, now: int = 0) -> Target:
        """What the query finds in the mirror, in whatever queue. Whether it can be read is told by the preview."""
        if not query.strip() or len(query) > LONGEST_QUERY:
            raise InvalidInput(_("There is no query, or it is too long."))
        return cls(connection, Kind.SEARCH, now or now_ms(), query=query)

    @classmethod
    def of_group(cls, connection: str, group: int, before_ms: int = 0) -> Target:
        """The failed jobs of a group of failures."""
        return cls(connection, Kind.GROUP, before_ms or now_ms(), states=(State.FAILED,), of=group)

    def anew(self) -> Target:
        """The same as of now."""
        return replace(self, before_ms=now_ms())

    def over(self, queues: Sequence[str]) -> Target:
        return replace(self, queues=tuple(queues))

    def to_json(self) -> str:
        told = asdict(self)
        kept = {name: value for name, value in told.items() if value not in ((), None, "", 0)}
        return json.dumps({"before_ms": self.before_ms} | kept)

    @classmethod
    def from_json(cls, text: str) -> Target:
        """Raises InvalidInput for what `to_json` did not write: it comes back through forms."""
        try:
            return _read(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise InvalidInput(_("The form does not say which jobs; open the action again.")) from None


def _read(told: Mapping[str, Any]) -> Target:
    wanted = told.get("filter")
    found = Target(
        connection=_text(told["connection"]),
        kind=Kind(told["kind"]),
        before_ms=_whole(told["before_ms"]),
        queues=tuple(dict.fromkeys(map(_text, told.get("queues", ())))),
        states=tuple(dict.fromkeys(map(_state, told.get("states", ())))),
        ids=tuple(dict.fromkeys((_text(queue), _text(job_id)) for queue, job_id in told.get("ids", ()))),
        filter=_filter(wanted) if wanted else None,
        query=_text(told.get("query", "")),
        of=_whole(told.get("of", 0)),
    )
    if max(len(found.ids), len(found.queues)) > MOST_IDS or len(found.query) > LONGEST_QUERY or not _is_whole(found):
        raise ValueError
    return found


def _is_whole(found: Target) -> bool:
    needed = {
        Kind.IDS: bool(found.ids) and {queue for queue, _id in found.ids} == set(found.queues),
        Kind.STATE: bool(found.queues and found.states),
        Kind.FILTER: len(found.queues) == 1 and len(found.states) == 1 and found.filter is not None,
        # In which queues their jobs are, nobody may say beforehand.
        Kind.SEARCH: bool(found.query) and not found.queues,
        Kind.GROUP: found.of > 0 and not found.queues,
        Kind.STORED: found.of > 0,
    }
    return needed[found.kind]


def _filter(told: Mapping[str, Any]) -> Filter:
    attempts = told.get("attempts")
    if attempts is not None:
        sign, number = attempts
        if sign not in COMPARED:
            raise ValueError
        attempts = (sign, _whole(number))
    older, newer = (None if told.get(name) is None else _whole(told[name]) for name in ("older_ms", "newer_ms"))
    name, prefix, text = (_text(told.get(name, "")) for name in ("name", "id_prefix", "text"))
    return Filter(name, prefix, attempts, older, newer, text)


def _text(value: Any) -> str:
    if not isinstance(value, str) or _ODD.search(value):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise TypeError
    return value


def _state(value: Any) -> State:
    state = parse_state(_text(value))
    if state not in LISTED:
        raise ValueError
    return state


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the person who asks may go: the queues in which they may do this, those whose payload they may search
    (None: every queue), and whether secrets stand masked before them. What lies beyond is not there for the operation.
    """

    queues: tuple[str, ...] | None = None
    payloads: tuple[str, ...] | None = None
    masks: bool = True
    #: Somebody with an account asked, whose rights may be taken away; a shell has them all.
    is_persons: bool = False
    #: The API key that asked, if one did: what it may can be taken away, too.
    key_id: int | None = None

    def has(self, queue: str) -> bool:
        return self.queues is None or queue in self.queues

    def reads(self, queue: str) -> bool:
        return self.payloads is None or queue in self.payloads

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Reach:
        told = json.loads(text or "{}")
        queues, payloads = told.get("queues"), told.get("payloads")
        return cls(
            None if queues is None else tuple(queues),
            None if payloads is None else tuple(payloads),
            bool(told.get("masks", True)),
            bool(told.get("is_persons", False)),
            told.get("key_id"),
        )
