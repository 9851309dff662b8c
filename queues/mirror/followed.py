"""What the follower remembers of one queue between two looks."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from enum import StrEnum

from queues.protocol.codec import QueueFacts
from queues.protocol.events import position
from queues.protocol.reads.pulses import START, Pulse
from queues.states import LISTED, State

ALL = frozenset(LISTED)
#: Before a stored cursor: up to here events were taken in, but before it some were missed and not yet made good.
UNSETTLED = "~"


class Kind(StrEnum):
    WALK = "compare with the sets"
    PATROL = "compare with the sets, unhurried"
    CLOSE = "close the rows"


@dataclass(slots=True)
class Work:
    """Something long, done step by step between two readings of events."""

    kind: Kind
    steps: AsyncGenerator[None, None]
    is_whole: bool = True
    began_at: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Followed:
    """`cursor`: events up to it are in the rows. `is_settled`: and nothing before it is missing, because the queue was
    compared with its sets since the last gap.
    """

    name: str
    cursor: str = START
    is_settled: bool = False
    is_gone: bool = False
    #: Its `events` key is no stream; an XREAD that names it fails.
    is_broken: bool = False
    #: States to compare with Redis's sets as soon as may be.
    wanted: frozenset[State] = ALL
    #: A gap was found that the walk under way cannot close, for it began before.
    is_lost: bool = True
    #: The oldest event left when a gap was found: the same gap is not found twice.
    lost_until: str = ""
    #: How often events were missed.
    losses: int = 0
    work: Work | None = None
    walked_at: float | None = None
    heard_at: float = 0.0
    #: Its sets are not walked again before.
    rest_until: float = 0.0
    facts: QueueFacts | None = None
    #: The difference of counts that was walked for; where it stays, ids without a job make it, and no walk can mend it.
    mended: dict[State, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def resumed(cls, name: str, stored: str) -> Followed:
        if not stored or stored.startswith(UNSETTLED):
            return cls(name, stored.removeprefix(UNSETTLED) or START)
        return cls(name, stored, is_settled=True, wanted=frozenset(), is_lost=False)

    def stored(self, cursor: str) -> str:
        """The cursor as it is kept in the table."""
        return cursor if self.is_settled else UNSETTLED + cursor

    @property
    def is_pressing(self) -> bool:
        """Whether there is work that should not wait."""
        is_wanted = bool(self.wanted) and time.monotonic() >= self.rest_until
        return is_wanted or self.is_gone or (self.work is not None and self.work.kind is not Kind.PATROL)

    @property
    def is_in_doubt(self) -> bool:
        """Whether its rows are known not to be Redis's yet."""
        return bool(self.wanted) or self.is_pressing

    def missed(self, pulse: Pulse) -> str:
        """Why events after the cursor may be lost; empty where none are."""
        first, last, here = position(pulse.first), position(pulse.last), position(self.cursor)
        if last < here:
            return "its event stream begins anew"
        if first > here and pulse.first != self.lost_until and (pulse.was_trimmed or self.cursor != START):
            return "its event stream was trimmed before it was read"
        if pulse.first == START and last > here:
            return "its event stream was emptied before it was read"
        return ""

    def missed_s(self, pulse: Pulse) -> float:
        """How long the time is of which events were missed."""
        until = pulse.last if pulse.first in (START, self.cursor) else pulse.first
        return max(0.0, (position(until)[0] - position(self.cursor)[0]) / 1000) if self.cursor != START else 0.0

    def lose(self, pulse: Pulse) -> None:
        """Events before the oldest that is left were missed: the sets must tell what they did."""
        if position(pulse.last) < position(self.cursor):
            self.cursor = pulse.last if pulse.was_trimmed else START
        elif pulse.first == START:
            self.cursor = pulse.last
        self.lost_until, self.losses = pulse.first, self.losses + 1
        self.is_settled, self.is_lost, self.wanted = False, True, ALL
