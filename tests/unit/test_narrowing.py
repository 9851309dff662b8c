"""What two patterns of queues have in common: exactly the names that fit both, or nothing where that is too tangled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.credentials.narrowing import MOST, meet, narrowed
from dashboard.grants import Grants, Pattern
from queues.actions.actor import Actor
from queues.actions.keys import Wanted, checked
from queues.errors import InvalidInput
from queues.patterns import fits

PATTERNS, NAMES = st.text("ab*?", max_size=7), st.lists(st.text("ab", max_size=8), max_size=30)
ACTOR = Actor(None, "key:a")


@settings(max_examples=100)
@given(PATTERNS, PATTERNS, NAMES)
def test_two_patterns_have_in_common_what_fits_both(one: str, other: str, names: list[str]) -> None:
    met = meet(one, other)
    for name in names:
        both = fits(one, name) and fits(other, name)
        found = any(fits(pattern, name) for pattern in met)
        assert found == both or (not met and both), (met, name)
    assert len(met) <= MOST


@settings(max_examples=100)
@given(st.text("ab*?", max_size=4), st.text("ab*?", max_size=4), st.text("ab", max_size=6))
def test_of_ordinary_patterns_nothing_is_lost(one: str, other: str, name: str) -> None:
    assert any(fits(pattern, name) for pattern in meet(one, other)) == (fits(one, name) and fits(other, name))


def test_tangled_patterns_give_nothing() -> None:
    assert meet("*a" * 60, "*b" * 60) == frozenset()
    assert meet("a" * 3_000 + "*", "a*") in (frozenset(), frozenset({"a" * 3_000 + "*"}))


def test_patterns_that_are_hard_to_reckon_with_are_refused_and_met_once() -> None:
    for pattern in ("*a" * 9, "*" * 9, "a" * 256):
        with pytest.raises(InvalidInput):
            checked(Wanted("deploy", ("view",), (pattern,)))
    assert checked(Wanted("deploy", ("view",), ("*a" * 8,))).queues == ("*a" * 8,)
    before = meet.cache_info().hits
    assert meet("*?a" * 8, "mails-*") is meet("*?a" * 8, "mails-*")
    assert meet.cache_info().hits > before


HELD = st.frozensets(st.sampled_from(["view", "retry", "pause", "clean"]), max_size=4)
SOME = st.tuples(st.sampled_from(["*", "a*", "*b", "?", "ab"]), HELD)


@settings(max_examples=100)
@given(
    HELD,
    st.lists(SOME, max_size=3),
    HELD,
    st.lists(st.sampled_from(["*", "b*", "*a", "ab"]), max_size=3),
    st.text("ab"),
)
def test_a_key_may_what_its_owner_may_and_it_names_and_nothing_else(
    everywhere: frozenset[str],
    some: list[tuple[str, frozenset[str]]],
    abilities: frozenset[str],
    queues: list[str],
    name: str,
) -> None:
    owner = Grants(ACTOR, everywhere, tuple(Pattern("*", queue, held) for queue, held in some))
    key = narrowed(owner, ACTOR, abilities, [("*", queue) for queue in queues])
    held = owner.on(name).abilities & abilities if any(fits(queue, name) for queue in queues) else frozenset()
    assert key.on(name).abilities == (held if "view" in held else frozenset())
    assert key.sees(name) == ("view" in held)
