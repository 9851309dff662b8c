"""What two patterns have in common, as patterns again: a key's, where its owner may only so much."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from dashboard.grants import Grants, Pattern
from queues.actions.actor import Actor

#: Two patterns with many stars have very many patterns in common. Where it would be more than this, or take more steps,
#: nothing is given.
MOST, MOST_STEPS = 16, 4_096
EVERYTHING = ("*", "*")


# The same pairs are asked for whenever a key is read anew; patterns made to be hard take a tenth of a second.
@lru_cache(maxsize=4_096)
def meet(one: str, other: str) -> frozenset[str]:
    """Patterns that together fit exactly the names which fit both; none where these would be too many, or too long."""
    try:
        return frozenset(_plain(pattern) for pattern in _meet(_plain(one), _plain(other), {}))
    except (_Tangled, RecursionError):
        return frozenset()


class _Tangled(Exception):
    pass


def _plain(pattern: str) -> str:
    return re.sub(r"\*+", "*", pattern)


def _meet(one: str, other: str, known: dict[tuple[str, str], frozenset[str]]) -> frozenset[str]:
    if (one, other) not in known:
        known[one, other] = frozenset(_either(one, other, known))
        if len(known[one, other]) > MOST or len(known) > MOST_STEPS:
            raise _Tangled
    return known[one, other]


def _either(one: str, other: str, known: dict[tuple[str, str], frozenset[str]]) -> set[str]:
    if one == other or other == "*":
        return {one}
    if one == "*":
        return {other}
    if not one or not other:
        return {""} if not (one + other).strip("*") else set()
    if one[0] == "*" and other[0] == "*":
        rests = _meet(one[1:], other, known) | _meet(one, other[1:], known)
        return {f"*{rest}" for rest in rests}
    if one[0] == "*":
        return set(_meet(one[1:], other, known)) | {other[0] + rest for rest in _meet(one, other[1:], known)}
    if other[0] == "*":
        return _either(other, one, known)
    if one[0] != other[0] and "?" not in (one[0], other[0]):
        return set()
    head = other[0] if one[0] == "?" else one[0]
    return {head + rest for rest in _meet(one[1:], other[1:], known)}


def scoped(actor: Actor, abilities: frozenset[str], scopes: Iterable[tuple[str, str]]) -> Grants:
    """These abilities on the queues of these (connection, queue) patterns."""
    scopes = tuple(scopes)
    if EVERYTHING in scopes:
        return Grants(actor, abilities)
    return Grants(actor, patterns=tuple(Pattern(connection, queue, abilities) for connection, queue in scopes))


def narrowed(holder: Grants, actor: Actor, abilities: frozenset[str], scopes: Iterable[tuple[str, str]]) -> Grants:
    """Of that what the holder may too, on each queue."""
    scopes = tuple(scopes)
    if EVERYTHING in scopes:
        held = tuple(Pattern(p.connection, p.queue, p.abilities & abilities) for p in holder.patterns)
        return Grants(actor, holder.abilities & abilities, held)
    everywhere = Pattern("*", "*", holder.abilities)
    met = [
        Pattern(connection, queue, pattern.abilities & abilities)
        for pattern in (everywhere, *holder.patterns)
        for scope in scopes
        for connection in meet(pattern.connection, scope[0])
        for queue in meet(pattern.queue, scope[1])
    ]
    return Grants(actor, patterns=tuple(pattern for pattern in met if pattern.abilities))
