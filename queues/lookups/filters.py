"""Which jobs of a state are meant: a filter as a value, frozen at a moment; and the columns that a scan can sort by."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from queues.protocol.codec import integer
from queues.protocol.codec import text as as_text
from queues.states import State

COMPARED: Mapping[str, Callable[[int, int], bool]] = {">=": operator.ge, "<=": operator.le, "=": operator.eq}
#: A larger field is not searched, and the result says of how many jobs.
LARGEST_SEARCHED = 1024 * 1024
#: A longer name or text to sort by counts as none.
LARGEST_SORTED = 16 * 1024


class Facts(Protocol):
    """What a filter and a sort ask of a job; a record from Redis has it, and a row from SQL."""

    @property
    def name(self) -> str: ...
    @property
    def timestamp_ms(self) -> int: ...
    @property
    def delay_ms(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def processed_on_ms(self) -> int | None: ...
    @property
    def finished_on_ms(self) -> int | None: ...
    @property
    def attempts_started(self) -> int: ...
    @property
    def attempts_made(self) -> int: ...
    @property
    def processed_by(self) -> str: ...
    @property
    def progress(self) -> str: ...
    @property
    def failed_reason(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is set must hold. `name`, `text`: found anywhere, whatever the case. Ages are told from `at_ms`; what
    came, or ended, after `until_ms` is not meant.
    """

    name: str = ""
    id_prefix: str = ""
    attempts: tuple[str, int] | None = None
    older_ms: int | None = None
    newer_ms: int | None = None
    text: str = ""
    until_ms: int | None = None

    @property
    def is_empty(self) -> bool:
        return self == Filter()

    @property
    def asks_for_facts(self) -> bool:
        return bool(self.name or self.attempts or self.asks_for_moments)

    @property
    def asks_for_moments(self) -> bool:
        return any(bound is not None for bound in (self.older_ms, self.newer_ms, self.until_ms))

    def means(self, job: Facts, state: State, at_ms: int) -> bool:
        """Whether its facts fit; the id and the text are looked at elsewhere."""
        if self.name and self.name.casefold() not in job.name.casefold():
            return False
        if self.attempts and not COMPARED[self.attempts[0]](job.attempts_made, self.attempts[1]):
            return False
        return not self.asks_for_moments or self._fits_age(since_ms(job, state), at_ms)

    def _fits_age(self, since: int, at_ms: int) -> bool:
        if self.until_ms is not None and since > self.until_ms:
            return False
        if self.older_ms is None and self.newer_ms is None:
            return True
        if not since:
            return False
        age = at_ms - since
        return (self.older_ms is None or age >= self.older_ms) and (self.newer_ms is None or age <= self.newer_ms)

    def is_in(self, held: str) -> bool:
        """Whether the text is there: as it is written, or as JSON escapes it."""
        folded = held.casefold()
        return any(wanted in folded for wanted in self._spellings)

    @property
    def _spellings(self) -> tuple[str, ...]:
        plain = self.text.casefold()
        return tuple({plain, json.dumps(self.text)[1:-1].casefold(), json.dumps(plain)[1:-1]})


def since_ms(job: Facts, state: State) -> int:
    """The moment that a job's age counts from: it ended, it was started, else it was added."""
    if state.is_finished:
        return job.finished_on_ms or 0
    return (job.processed_on_ms if state is State.ACTIVE else 0) or job.timestamp_ms


@dataclass(frozen=True, slots=True)
class Sort:
    """A column to sort by; `fields` are BullMQ's that its key needs, `measured` those of any size."""

    key: Callable[[Facts], int | float | str | None]
    fields: tuple[bytes, ...] = ()
    measured: tuple[bytes, ...] = ()
    #: Whether it shows something of what a producer wrote.
    is_payload: bool = False


def _waited(job: Facts) -> int | None:
    if job.processed_on_ms is None or job.attempts_started > 1 or not job.timestamp_ms:
        return None
    return job.processed_on_ms - job.timestamp_ms - job.delay_ms


def _ran(job: Facts) -> int | None:
    if job.processed_on_ms is None or job.finished_on_ms is None:
        return None
    return job.finished_on_ms - job.processed_on_ms


def _progress(job: Facts) -> float | None:
    try:
        return float(job.progress)
    except ValueError:
        return None


SORTS: Mapping[str, Sort] = {
    "name": Sort(lambda job: job.name.casefold() or None, measured=(b"name",)),
    "attempts": Sort(lambda job: job.attempts_made, (b"atm", b"attemptsMade")),
    "waited": Sort(_waited, (b"timestamp", b"processedOn", b"delay", b"ats")),
    "ran": Sort(_ran, (b"processedOn", b"finishedOn")),
    "worker": Sort(lambda job: job.processed_by or None, measured=(b"pb",)),
    "added": Sort(lambda job: job.timestamp_ms or None, (b"timestamp",)),
    "started": Sort(lambda job: job.processed_on_ms, (b"processedOn",)),
    "priority": Sort(lambda job: job.priority, (b"priority",)),
    "delay": Sort(lambda job: job.delay_ms, (b"delay",)),
    "progress": Sort(_progress, measured=(b"progress",), is_payload=True),
    "error": Sort(lambda job: job.failed_reason or None, measured=(b"failedReason",), is_payload=True),
}


class ReadFacts:
    """Facts from a job's fields as Redis has them: each made when it is asked for, since most of many are not."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def _text(self, name: bytes) -> str:
        return as_text(self._fields.get(name, b""))

    def _number(self, name: bytes) -> int | None:
        value = self._fields.get(name)
        return None if value is None else integer("", value)[0]

    @property
    def name(self) -> str:
        return self._text(b"name")

    @property
    def timestamp_ms(self) -> int:
        return self._number(b"timestamp") or 0

    @property
    def delay_ms(self) -> int:
        return self._number(b"delay") or 0

    @property
    def priority(self) -> int:
        return self._number(b"priority") or 0

    @property
    def processed_on_ms(self) -> int | None:
        return self._number(b"processedOn")

    @property
    def finished_on_ms(self) -> int | None:
        return self._number(b"finishedOn")

    @property
    def attempts_started(self) -> int:
        return self._number(b"ats") or 0

    @property
    def attempts_made(self) -> int:
        # BullMQ ≤ 4 wrote attemptsMade, and readers prefer it where it is left (PROTOCOL.md §1).
        made = self._number(b"attemptsMade")
        return (self._number(b"atm") or 0) if made is None else made

    @property
    def processed_by(self) -> str:
        return self._text(b"pb")

    @property
    def progress(self) -> str:
        return self._text(b"progress")

    @property
    def failed_reason(self) -> str:
        return self._text(b"failedReason")


#: What a filter's facts are read from.
FACT_FIELDS = (b"atm", b"attemptsMade", b"timestamp", b"processedOn", b"finishedOn")


def held_text(value: bytes | str) -> str:
    return value if isinstance(value, str) else as_text(value)
