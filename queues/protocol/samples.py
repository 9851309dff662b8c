"""What worker processes record of queues by the minute: written by one pipeline each few seconds, gone by itself.

Minutes are of Redis's own clock, counted since the epoch. A minute's hash holds, per queue, that somebody recorded it
and how its jobs ended; what belongs to a job's name, times included, has a hash of its own. Whatever others may have
written in their place is read as far as it makes sense.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queues.histogram import MOST_BUCKETS, Histogram, merge
from queues.protocol import codec
from queues.protocol.commands import Command, call_script, command, pack
from queues.protocol.keys import SampleKeys
from queues.protocol.totals import TOTALS_KEPT_S, folded

#: Figures of a hash, small numbers for they are many: a run's time is its bucket, a wait's is its bucket plus WAIT.
WAIT = 400
COMPLETED, FAILED, RETRIED = 900, 901, 902
LETTERS = {COMPLETED: "c", FAILED: "f", RETRIED: "r"}
PRESENT = "p"
#: How long Redis keeps a minute: what a mirror that was down can catch up with.
KEPT_S = 3 * 3600
NAMES_KEPT_S = 24 * 3600
#: Names of jobs told apart per queue; the rest are counted under REST.
MOST_NAMES = 30
REST, NAMELESS = "(other)", "(no name)"
LONGEST_NAME = 120

#: What one process recorded of one queue in one minute: by job name, by figure.
Figures = dict[int, int]


@dataclass(slots=True)
class Count:
    """How jobs ended within a minute. `retried` are failed attempts with another to come."""

    completed: int = 0
    failed: int = 0
    retried: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.completed or self.failed or self.retried)


@dataclass(slots=True)
class Ended(Count):
    """The same with how long they ran, and how long first attempts had waited: see `queues.histogram`."""

    run: Histogram = field(default_factory=dict)
    wait: Histogram = field(default_factory=dict)

    def add(self, more: Ended) -> Ended:
        self.completed += more.completed
        self.failed += more.failed
        self.retried += more.retried
        merge(self.run, more.run)
        merge(self.wait, more.wait)
        return self


def shown_name(name: str) -> str:
    """A job's name as figures are kept under it: short, and fit for every table."""
    if codec.MARK in name:
        # What stands for odd bytes must not be cut in two.
        name = name.replace(codec.MARK, "?")
    return name if 0 < len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" if name else NAMELESS


def present_commands(on: SampleKeys, minute: int, queues: Sequence[str]) -> list[Command[Any]]:
    """Say that somebody records these queues in this minute: where nothing ends, that is nought and no gap."""
    fields = [part for queue in queues for part in (PRESENT.encode() + codec.raw(queue), 1)]
    key = on.minute(minute)
    return [command("HSET", key, *fields), command("EXPIRE", key, KEPT_S)] if fields else []


def record_command(
    on: SampleKeys, process_id: str, number: int, queue: str, minute: int, told: Mapping[str, Figures]
) -> Command[int]:
    """Add what was recorded; 0 where this delivery was heard before. Numbers of a process rise with each delivery."""
    packed = [part for name, figures in told.items() for part in (codec.raw(name), _flat(figures))]
    totals: Figures = {}
    for figures in told.values():
        merge(totals, figures)
    return call_script(
        "recordMinute",
        (on.delivery(process_id), on.minute(minute), on.names(queue), on.totals(queue)),
        (
            *(number, minute, KEPT_S, codec.raw(queue), on.figures(minute, queue, ""), MOST_NAMES, REST),
            *(pack(packed), NAMES_KEPT_S),
            *(pack([part for pair in _total(totals).items() for part in pair]), TOTALS_KEPT_S),
            *(part for pair in LETTERS.items() for part in pair),
        ),
    )


def _total(figures: Figures) -> dict[str, int]:
    """As the queue's totals hold it."""
    run = {figure: count for figure, count in figures.items() if figure < MOST_BUCKETS}
    wait = {figure - WAIT: count for figure, count in figures.items() if 0 <= figure - WAIT < MOST_BUCKETS}
    ended = {letter: figures[figure] for figure, letter in LETTERS.items() if figures.get(figure)}
    return ended | folded("d", run) | folded("w", wait)


def _flat(figures: Figures) -> list[int]:
    return [part for pair in figures.items() for part in pair]


# --- reading


def minute_command(on: SampleKeys, minute: int) -> Command[dict[str, Count]]:
    """The queues that somebody recorded in this minute, with how their jobs ended."""
    return command("HGETALL", on.minute(minute), read=_counts)


def names_command(on: SampleKeys, queue: str) -> Command[list[str]]:
    return command("ZREVRANGE", on.names(queue), 0, MOST_NAMES, read=_names)


def figures_command(on: SampleKeys, minute: int, queue: str, name: str) -> Command[Ended]:
    return command("HGETALL", on.figures(minute, queue, name), read=_ended)


def _names(reply: Iterable[bytes]) -> list[str]:
    return [name for stored in reply if 0 < len(name := codec.text(stored)) <= LONGEST_NAME]


def _counts(reply: Any) -> dict[str, Count]:
    counted: dict[str, Count] = {}
    for name, value in codec.pairs(reply).items():
        count = counted.setdefault(codec.text(name[1:]), Count())
        letter = name[:1]
        if letter == b"c":
            count.completed = _whole(value)
        elif letter == b"f":
            count.failed = _whole(value)
        elif letter == b"r":
            count.retried = _whole(value)
    return counted


def _ended(reply: Any) -> Ended:
    figures = {_whole(name): _whole(value) for name, value in codec.pairs(reply).items()}
    return Ended(
        completed=figures.get(COMPLETED, 0),
        failed=figures.get(FAILED, 0),
        retried=figures.get(RETRIED, 0),
        run={figure: count for figure, count in figures.items() if 0 <= figure < MOST_BUCKETS and count},
        wait={figure - WAIT: count for figure, count in figures.items() if 0 <= figure - WAIT < MOST_BUCKETS and count},
    )


def _whole(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) < 16 else 0
