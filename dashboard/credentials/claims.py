"""What a token's claims give: abilities on queues, and data to which its bearer is bound. Absent, they give nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dashboard.grants import Grants, Pattern
from queues.abilities import ABILITIES
from queues.actions.actor import Actor
from queues.models.api_key import scope_of
from queues.options.tokens import Given, Issuer

#: Each pattern is asked about each queue.
MOST_PATTERNS, LONGEST_PATTERN = 100, 255


def grants_from(claims: Mapping[str, Any], issuer: Issuer) -> Grants:
    """What the settings give each of this issuer's tokens, what its roles give, and what it claims itself."""
    given = [issuer.gives, *_by_role(claims, issuer), _claimed(claims, issuer)]
    patterns = tuple(
        Pattern(*scope_of(queue), each.abilities) for each in given if each.abilities for queue in each.queues
    )
    actor = Actor(None, f"jwt:{claims['sub']}")
    everywhere = [pattern.abilities for pattern in patterns if (pattern.connection, pattern.queue) == ("*", "*")]
    return Grants(actor, frozenset().union(*everywhere), patterns)


def own_from(claims: Mapping[str, Any], issuer: Issuer) -> dict[str, str] | None:
    """The fields of jobs' data and what they must hold for this bearer; None where a claim for one is missing."""
    own = {}
    for field, claim in issuer.own:
        value = claims.get(claim)
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            return None
        own[field] = str(value)
    return own


def _by_role(claims: Mapping[str, Any], issuer: Issuer) -> Iterator[Given]:
    held = set(_words(claims.get(issuer.role_claim))) if issuer.role_claim else set()
    return (given for role, given in issuer.roles if role in held)


def _claimed(claims: Mapping[str, Any], issuer: Issuer) -> Given:
    abilities = frozenset(_words(claims.get(issuer.abilities_claim))) & frozenset(ABILITIES)
    queues = tuple(each for each in _words(claims.get(issuer.queues_claim)) if len(each) <= LONGEST_PATTERN)
    return Given(abilities | {"view"} if abilities else abilities, queues[:MOST_PATTERNS])


def _words(claim: Any) -> list[str]:
    """A list of texts, or one text of words, as `scope` is."""
    if isinstance(claim, str):
        return claim.split()
    return [each for each in claim if isinstance(each, str)] if isinstance(claim, list) else []
