"""Nobody gives a key what they have not got: whether grants hold abilities on every queue of some patterns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dashboard.grants import Grants, Pattern
from queues.abilities import ABILITIES
from queues.models.api_key import scope_of
from queues.patterns import fits


def lacking(giver: Grants, abilities: Iterable[str], queues: Sequence[str]) -> tuple[str, ...]:
    """Those of the abilities that the giver does not hold on all that these patterns may stand for."""
    wanted = set(abilities)
    missing = {
        ability
        for queue in queues
        for ability in wanted - giver.abilities
        if not _holds(giver, ability, scope_of(queue))
    }
    return tuple(ability for ability in ABILITIES if ability in missing)


def _holds(giver: Grants, ability: str, scope: tuple[str, str]) -> bool:
    return any(ability in pattern.abilities and _covers(pattern, scope) for pattern in giver.patterns)


def _covers(pattern: Pattern, scope: tuple[str, str]) -> bool:
    return all(covers(wide, narrow) for wide, narrow in zip((pattern.connection, pattern.queue), scope, strict=True))


def covers(wide: str, narrow: str) -> bool:
    """Whether each name that fits the one fits the other, as far as can be told: never a yes too many."""
    # A `?` of the wide one would take the narrow one's `*` for one character.
    return wide == narrow or (("?" not in wide or "*" not in narrow) and fits(wide, narrow))
