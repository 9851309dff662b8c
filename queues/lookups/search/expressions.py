"""What a search asks, as a value; whether a job has it; and which part of it a payload must be seen for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from queues.lookups.search.entries import Entry, Texts, entry, texts
from queues.models import Job


@dataclass(frozen=True, slots=True)
class Term:
    token: str
    is_prefix: bool = False
    is_payload: bool = False


@dataclass(frozen=True, slots=True)
class Either:
    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Both:
    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """Not `of`."""

    of: Node


@dataclass(frozen=True, slots=True)
class Between:
    """Something last happened to it from `from_ms` on and before `until_ms`; None is no bound."""

    from_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Contains:
    """The folded text stands somewhere in one of these: `job_id`, `name`, `error` (its first line)."""

    text: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """These words, and so one after the other, in one of `job_id`, `name`, `error`, `data`. `words` is what an index
    can tell of it.
    """

    text: str
    places: tuple[str, ...]
    words: Node = field(compare=False)


Node = Term | Either | Both | Without | Between | Contains | Phrase
#: Places and terms of these need the right to read payloads.
PAYLOADS = frozenset({"error", "data"})


class Subject:
    """A job as a search looks at it."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @cached_property
    def entry(self) -> Entry:
        return entry(self.job)

    @cached_property
    def texts(self) -> Texts:
        return texts(self.job)


def holds(node: Node, subject: Subject, *, reads: bool) -> bool:
    """Whether it is so of this job. `reads`: payloads may be looked into; where not, nothing is found in them."""
    return _TESTS[type(node)](node, subject, reads)


def _term(node: Term, subject: Subject, reads: bool) -> bool:
    if node.is_payload and not reads:
        return False
    tokens = subject.entry.tokens
    return any(token.startswith(node.token) for token in tokens) if node.is_prefix else node.token in tokens


def _between(node: Between, subject: Subject, reads: bool) -> bool:
    at = subject.entry.at_ms
    return (node.from_ms is None or at >= node.from_ms) and (node.until_ms is None or at < node.until_ms)


def _contains(node: Contains, subject: Subject, reads: bool) -> bool:
    return any(node.text in getattr(subject.entry, place) for place in node.places if reads or place not in PAYLOADS)


def _phrase(node: Phrase, subject: Subject, reads: bool) -> bool:
    return any(node.text in getattr(subject.texts, place) for place in node.places if reads or place not in PAYLOADS)


_TESTS: dict[type, Callable[..., bool]] = {
    Term: _term,
    Either: lambda node, subject, reads: any(holds(one, subject, reads=reads) for one in node.of),
    Both: lambda node, subject, reads: all(holds(one, subject, reads=reads) for one in node.of),
    Without: lambda node, subject, reads: not holds(node.of, subject, reads=reads),
    Between: _between,
    Contains: _contains,
    Phrase: _phrase,
}


def parts_of(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Either | Both):
        return node.of
    return (node.of,) if isinstance(node, Without) else ()


def has(node: Node, *kinds: type) -> bool:
    """Whether any of these stands anywhere in it."""
    return isinstance(node, kinds) or any(has(one, *kinds) for one in parts_of(node))
