"""An expression in the language of each database's word index. What neither can tell is left true, and looked at in
the rows: a match is never missed, and `holds` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap

from queues.lookups.search.entries import ANY, right
from queues.lookups.search.expressions import (
    PAYLOADS,
    Between,
    Both,
    Contains,
    Either,
    Node,
    Phrase,
    Term,
    Without,
    has,
    parts_of,
)
from queues.lookups.search.seen import Place, Seen


@dataclass(frozen=True, slots=True)
class Language:
    """How a term is written, one that only begins so, and what is joined."""

    term: Callable[[str], str]
    begun: Callable[[str], str]
    both: str
    either: str
    without: str


def _fts5(token: str) -> str:
    return '"' + token.replace('"', '""') + '"'


def _tsquery(token: str) -> str:
    return "'" + token.replace("\\", "\\\\").replace("'", "''") + "'"


FTS5 = Language(_fts5, lambda token: f"{_fts5(token)} *", " AND ", " OR ", " NOT ")
TSQUERY = Language(_tsquery, lambda token: f"{_tsquery(token)}:*", " & ", " | ", " & !")


def match(root: Node, seen: Seen, language: Language) -> str | None:
    """What to ask the index; None where nothing can match."""
    writer = Writer(language)
    if not reads_payloads(root) or seen.payloads is None or seen.payloads == seen.queues:
        found = writer.node(root, reads=True)
        return writer.text(writer.both([found, writer.among(seen.queues)]))
    read = writer.among(seen.payloads)
    other = writer.both([writer.among(seen.queues), writer.without([True], [read])])
    found = writer.either(
        [
            writer.both([writer.node(root, reads=True), read]),
            writer.both([writer.node(root, reads=False), other]),
        ]
    )
    return writer.text(found)


def reads_payloads(node: Node) -> bool:
    """Whether any of it asks for what jobs carry."""
    if isinstance(node, Term):
        return node.is_payload
    if isinstance(node, Contains | Phrase):
        return bool(PAYLOADS & set(node.places))
    return any(map(reads_payloads, parts_of(node)))


def is_exact(root: Node, seen: Seen) -> bool:
    """Whether the index's answer needs no second look: parts of words are asked beside it, phrases cannot be."""
    if has(root, Phrase):
        return False
    is_mixed = seen.payloads is not None and reads_payloads(root)
    return not (is_mixed and has(root, Contains)) and not any(_is_hidden(part) for part in parts_of(root))


def _is_hidden(part: Node) -> bool:
    """Moments and parts of words are told to the database where they stand alone; elsewhere they are left true."""
    if isinstance(part, Between | Contains | Term):
        return False
    if isinstance(part, Without) and isinstance(part.of, Contains):
        return False
    return has(part, Between, Contains)


#: True and False stand for all and for none.
Written = str | bool


class Writer:
    """Writes expressions, constants folded away."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def text(self, written: Written) -> str | None:
        if written is False:
            return None
        return self.language.term(ANY) if written is True else written

    def node(self, node: Node, *, reads: bool, is_denied: bool = False) -> Written:
        if isinstance(node, Term):
            if node.is_payload and not reads:
                return False
            return (self.language.begun if node.is_prefix else self.language.term)(node.token)
        if isinstance(node, Either):
            return self.either([self.node(one, reads=reads, is_denied=is_denied) for one in node.of])
        if isinstance(node, Both | Without):
            return self._both(parts_of(node) if isinstance(node, Both) else (node,), reads, is_denied)
        if isinstance(node, Phrase) and not is_denied:
            return self.node(node.words, reads=reads)
        # Not told to the index: true where that lets more through.
        return not is_denied

    def _both(self, nodes: Sequence[Node], reads: bool, is_denied: bool) -> Written:
        kept = [self.node(n, reads=reads, is_denied=is_denied) for n in nodes if not isinstance(n, Without)]
        denied = [self.node(n.of, reads=reads, is_denied=not is_denied) for n in nodes if isinstance(n, Without)]
        return self.without(kept, denied)

    def without(self, kept: Sequence[Written], denied: Iterable[Written]) -> Written:
        all_, none = self.both(kept), self.either(denied)
        if all_ is False or none is True:
            return False
        if none is False:
            return all_
        return f"({self.text(all_)}{self.language.without}{none})"

    def both(self, written: Iterable[Written]) -> Written:
        parts = list(written)
        if False in parts:
            return False
        return self._joined(self.language.both, [part for part in parts if part is not True]) or True

    def either(self, written: Iterable[Written]) -> Written:
        parts = list(written)
        if True in parts:
            return True
        return self._joined(self.language.either, [part for part in parts if part is not False]) or False

    def among(self, places: frozenset[Place] | None) -> Written:
        if places is None:
            return True
        return self.either([self.language.term(token) for token in sorted(set(starmap(right, places)))])

    def _joined(self, by: str, parts: Sequence[Written]) -> str:
        told = list(dict.fromkeys(map(str, parts)))
        return f"({by.join(told)})" if len(told) > 1 else "".join(told)
