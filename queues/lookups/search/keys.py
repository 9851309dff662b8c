"""What may stand before a colon in a search, and what each of it means in terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from queues.errors import InvalidInput
from queues.lookups.search.entries import ANY, MOST_ATTEMPTS, WORKER_JOINTS, field_path
from queues.lookups.search.expressions import Between, Both, Contains, Either, Node, Phrase, Term, Without
from queues.lookups.search.words import LONGEST_WORD, flat, fold, value, words
from queues.states import LISTED, State

DATA = "data."
LEAST_START, LEAST_WITHIN = 2, 3
UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(s|m|h|d|w)")
_MILLISECONDS = re.compile(r"\d{12,14}")
_COMPARED = re.compile(r"(>=|<=|>|<|=)?(\d{1,9})")
#: Short names of states as people type them.
_STATES = {state.value: state for state in State} | {"children": State.WAITING_CHILDREN, "wait": State.WAITING}
_KINDS = {"live": "x=live", "removed": "x=removed", "child": "x=child"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A value as it was typed; `part` is what a sentence names it by."""

    text: str
    is_quoted: bool
    now_ms: int
    part: str

    def wrong(self, why: str) -> InvalidInput:
        return InvalidInput(_("“%(part)s”: %(why)s") % {"part": self.part, "why": why})

    @property
    def starts(self) -> bool:
        """`sum*`"""
        return not self.is_quoted and self.text.endswith("*") and not self.text.startswith("*")

    @property
    def is_within(self) -> bool:
        """`*mmari*` or `*rize`"""
        return not self.is_quoted and self.text.startswith("*") and len(self.text) > 1

    @property
    def bare(self) -> str:
        """Without its stars, which stand at its ends only."""
        text = self.text if self.is_quoted else self.text.strip("*")
        if not self.is_quoted and "*" in text:
            raise self.wrong(_("a star may stand at the end, or at both; put it in quotes to search for a star."))
        return text

    def start(self, least: int = LEAST_START) -> str:
        """The beginning that is asked for."""
        if len(self.bare) < least:
            raise self.wrong(_("before the star must stand at least %(least)s characters.") % {"least": least})
        return self.bare

    def within(self) -> str:
        text = fold(self.bare)
        if len(text) < LEAST_WITHIN:
            raise self.wrong(_("between the stars must stand at least %(least)s characters.") % {"least": LEAST_WITHIN})
        return text


@dataclass(frozen=True, slots=True)
class Key:
    """`read` makes the expression; `about` says for whom it is shown what the field means."""

    read: Callable[[Asked], Node]
    is_payload: bool = False


def anything(asked: Asked) -> Node:
    """Free text: an id, or words of name, id, error and data."""
    if asked.is_within:
        return Contains(asked.within(), ("job_id", "name", "error"))
    if asked.starts:
        word = _one_word(asked, LEAST_WITHIN)
        return Either((Term(f"p={word}", True), *_payload_words([word], is_prefix=True)))
    found = words(asked.bare)
    exact = Term(f"i={value(asked.bare)}")
    if not found:
        if not asked.bare.strip() or asked.bare.isascii():
            raise asked.wrong(_("there is no letter and no digit in it to search for."))
        return exact
    every = Both(tuple(Either((Term(f"p={word}"), *_payload_words([word]))) for word in found))
    if asked.is_quoted and len(found) > 1:
        return Either((exact, Phrase(flat(asked.bare), ("job_id", "name", "error", "data"), every)))
    return Either((exact, every))


def _payload_words(found: list[str], is_prefix: bool = False) -> tuple[Node, ...]:
    return tuple(Term(f"{kind}{word}", is_prefix, is_payload=True) for word in found for kind in ("e=", ""))


def _one_word(asked: Asked, least: int = LEAST_START) -> str:
    found = words(asked.start(least))
    if len(found) != 1:
        raise asked.wrong(_("a star stands behind one word; several words go without."))
    return found[0]


def _begun(asked: Asked, least: int = LEAST_START) -> str:
    begun = value(asked.start(least))
    if begun.startswith("#") and not asked.bare.startswith("#"):
        raise asked.wrong(_("so long or so unusual a text is found whole only, without a star."))
    return begun


def _whole(kind: str) -> Callable[[Asked], Node]:
    """A value that is compared whole, or by its beginning."""

    def read(asked: Asked) -> Node:
        if asked.is_within:
            raise asked.wrong(_("a star may stand at the end only."))
        if asked.starts:
            return Term(f"{kind}={_begun(asked)}", True)
        return Term(f"{kind}={value(_given(asked))}")

    return read


def _given(asked: Asked) -> str:
    if not asked.bare.strip():
        raise asked.wrong(_("it needs a value."))
    return asked.bare


def _id(asked: Asked) -> Node:
    return Contains(asked.within(), ("job_id",)) if asked.is_within else _whole("i")(asked)


def _worker(asked: Asked) -> Node:
    """A worker's name is `web-3:4711`: most ask for its first part, of which there are few."""
    kind = "ww" if WORKER_JOINTS.search(asked.bare) else "w"
    return _whole(kind)(asked)


def _name(asked: Asked) -> Node:
    if asked.is_within:
        return Contains(asked.within(), ("name",))
    if asked.starts:
        return Either((Term(f"nn={_begun(asked)}", True), Term(f"n={_one_word(asked)}", True)))
    whole = Term(f"nn={value(_given(asked))}")
    found = words(asked.bare)
    if not found or asked.is_quoted:
        return whole
    return Either((whole, Both(tuple(Term(f"n={word}") for word in found))))


def _error(asked: Asked) -> Node:
    if asked.is_within:
        return Contains(asked.within(), ("error",))
    if asked.starts:
        return Term(f"e={_one_word(asked)}", True, True)
    found = words(_given(asked))
    if not found:
        raise asked.wrong(_("there is no letter and no digit in it to search for."))
    every = Both(tuple(Term(f"e={word}", is_payload=True) for word in found))
    return Phrase(flat(asked.bare), ("error",), every) if asked.is_quoted and len(found) > 1 else every


def of_data(path: str, asked: Asked) -> Node:
    """`data.user.id:42`; `data.user.id:*` is wherever there is one."""
    at = field_path(".".join(step for step in path.split(".") if step and not step.isdecimal()))
    if not at or at.startswith("#"):
        raise asked.wrong(_("there is no such field."))
    if asked.text == "*" and not asked.is_quoted:
        return Term(f"f={at}", is_payload=True)
    if asked.is_within:
        raise asked.wrong(_("a star may stand at the end only."))
    if asked.text[:1] in "<>" and not asked.is_quoted:
        raise asked.wrong(_("fields of the data are compared as they are written, not as numbers."))
    if asked.starts:
        return Term(f"d={at}={_begun(asked, 1)}", True, True)
    whole = Term(f"d={at}={value(_given(asked))}", is_payload=True)
    found = words(asked.bare)
    if asked.is_quoted or len(found) != 1 or len(found[0]) == LONGEST_WORD:
        return whole
    return Either((whole, Term(f"d={at}={found[0]}", is_payload=True))) if value(asked.bare) != found[0] else whole


def _state(asked: Asked) -> Node:
    state = _STATES.get(asked.text.casefold())
    if state is None:
        known = ", ".join(state.value for state in LISTED)
        raise asked.wrong(_("there is no such state; there are %(known)s.") % {"known": known})
    return Term(f"st={state.value}")


def _kind(asked: Asked) -> Node:
    token = _KINDS.get(asked.text.casefold())
    if token is None:
        raise asked.wrong(_("it may be one of %(known)s.") % {"known": ", ".join(_KINDS)})
    return Term(token)


def _attempts(asked: Asked) -> Node:
    found = _COMPARED.fullmatch(asked.text)
    if found is None:
        raise asked.wrong(_("it needs a number, as in 3, >=3 or <3."))
    sign, count = found[1] or "=", int(found[2])
    if count >= MOST_ATTEMPTS:
        raise asked.wrong(_("attempts are told apart up to %(most)s.") % {"most": MOST_ATTEMPTS - 1})
    at_least, more = _made(count), _made(count + 1)
    return {
        "=": Both((at_least, Without(more))),
        ">=": at_least,
        ">": more,
        "<": Without(at_least),
        "<=": Without(more),
    }[sign]


def _made(count: int) -> Node:
    """So many attempts or more were made."""
    return Term(f"a={count}") if count else Term(ANY)


def _since(asked: Asked) -> Node:
    return Between(from_ms=_moment(asked))


def _before(asked: Asked) -> Node:
    return Between(until_ms=_moment(asked))


def _moment(asked: Asked) -> int:
    """A span back from now, a date, a date and time (of the site's zone if it names none), or milliseconds."""
    if found := _SPAN.fullmatch(asked.text):
        return asked.now_ms - round(float(found[1]) * UNITS_MS[found[2]])
    if _MILLISECONDS.fullmatch(asked.text):
        return int(asked.text)
    try:
        at = datetime.fromisoformat(asked.text)
        at = timezone.make_aware(at) if timezone.is_naive(at) else at
        return round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        why = _("it needs a span such as 30m, 2h or 7d, or a moment such as 2026-11-23 or 2026-11-23T14:05.")
        raise asked.wrong(why) from None


KEYS: Mapping[str, Key] = {
    "queue": Key(_whole("q")),
    "state": Key(_state),
    "name": Key(_name),
    "id": Key(_id),
    "error": Key(_error, is_payload=True),
    "attempts": Key(_attempts),
    "worker": Key(_worker),
    "scheduler": Key(_whole("sch")),
    "connection": Key(_whole("c")),
    "is": Key(_kind),
    "since": Key(_since),
    "before": Key(_before),
}
