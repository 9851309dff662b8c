"""A Redis Cluster for code without an event loop: each command to the server that holds its slot, until a deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import hiredis

from queues.errors import RedisRefused, RedisUnavailable
from queues.options import ConnectionOptions
from queues.protocol.address import seeds
from queues.protocol.cluster import routing, slotmap
from queues.protocol.cluster.bundles import UNDONE
from queues.protocol.cluster.routed import ASKING
from queues.protocol.cluster.slotmap import QUESTION, Place, SlotMap
from queues.protocol.cluster.surveying import to_be_asked
from queues.protocol.codec import raw
from queues.protocol.commands import Command
from queues.protocol.lines import ask_at
from queues.protocol.refusals import ClusterDown, Redirected, refusal
from queues.protocol.slots import slot

PAUSE_S = 0.05
#: One server that is away leaves time for the others.
SURVEY_S = 0.8


def ask_cluster(options: ConnectionOptions, commands: Sequence[Command[Any]], deadline: float) -> list[Any]:
    """Replies in order, error replies among them. Raises RedisUnavailable or TimeoutError."""
    replies: list[Any] = [None] * len(commands)
    is_whole = any(routing.verb_of(asked.args) == "MULTI" for asked in commands)
    todo: list[Errand] = list(_errands(options, commands, is_whole))
    rounds = 0
    while todo:
        again: list[Errand] = []
        for errand in todo:
            told = _asked(options, errand, [commands[at] for at in errand.places], is_whole, deadline)
            for at, reply in zip(errand.places, told, strict=True):
                replies[at] = reply
            again += _left(options, errand, told, is_whole)
        rounds += 1
        if again and time.monotonic() > deadline:
            break
        if again and rounds > 1:
            time.sleep(PAUSE_S)
        todo = again
    return replies


@dataclass(frozen=True, slots=True)
class Errand:
    """Commands of one slot, by their places; asked of whoever holds it, or of whom it is `lent` to."""

    slot: int
    places: list[int]
    lent: Place | None = None


def _errands(options: ConnectionOptions, commands: Sequence[Command[Any]], is_whole: bool) -> Iterator[Errand]:
    """One per slot; a single one where there is a transaction among them."""
    if is_whole:
        yield Errand(slot(routing.leading_key(commands) or raw(options.prefix)), list(range(len(commands))))
        return
    groups: dict[int, list[int]] = {}
    for at, asked in enumerate(commands):
        key = routing.first_key(asked.args)
        groups.setdefault(slot(raw(options.prefix) if key is None else key), []).append(at)
    for number, places in groups.items():
        yield Errand(number, places)


def _asked(
    options: ConnectionOptions, errand: Errand, part: Sequence[Command[Any]], is_whole: bool, deadline: float
) -> list[Any]:
    address = seeds(options)[0].at(*(errand.lent or _owner(options, errand.slot, deadline)))
    try:
        if errand.lent is None:
            return ask_at(address, part, deadline)
        if is_whole:
            return ask_at(address, [ASKING, *part], deadline)[1:]
        return ask_at(address, [word for asked in part for word in (ASKING, asked)], deadline)[1::2]
    except (RedisUnavailable, TimeoutError):
        # Who holds what is asked anew before the next call.
        slotmap.doubt(options)
        raise


def _left(options: ConnectionOptions, errand: Errand, told: Sequence[Any], is_whole: bool) -> Iterator[Errand]:
    """What was not done, and where to ask for it: of a transaction all or nothing."""
    errors = [refusal(str(reply)) if isinstance(reply, hiredis.ReplyError) else None for reply in told]
    undone = [at for at, error in zip(errand.places, errors, strict=True) if isinstance(error, UNDONE)]
    if any(isinstance(error, ClusterDown) for error in errors):
        slotmap.doubt(options)
    if undone:
        first = next(error for error in errors if isinstance(error, UNDONE))
        yield Errand(errand.slot, errand.places if is_whole else undone, _lender(options, first, errand.slot))


def _owner(options: ConnectionOptions, number: int, deadline: float) -> Place:
    known = slotmap.known(options)
    if known is None or known.is_doubted:
        known = _surveyed(options, deadline)
    owner = known.owners[number]
    if owner is None:
        slotmap.doubt(options)
        raise ClusterDown("Redis is not ready: no server of the Cluster holds this slot.")
    return owner


def _surveyed(options: ConnectionOptions, deadline: float) -> SlotMap:
    failure = RedisUnavailable("No server of the Cluster is named.")
    for address in to_be_asked(options):
        try:
            (told,) = ask_at(address, [QUESTION], min(deadline, time.monotonic() + SURVEY_S))
            told = refusal(str(told)) if isinstance(told, hiredis.ReplyError) else told
            return slotmap.learn(options, told, Place(address.host, address.port))
        except RedisUnavailable as error:
            failure = error
        except TimeoutError:
            failure = RedisUnavailable(f"Redis at {address.host}:{address.port} did not answer in time.")
    raise failure


def _lender(options: ConnectionOptions, answer: RedisUnavailable | RedisRefused, number: int) -> Place | None:
    """Where to ask this one time; None: whoever holds the slot then."""
    if not isinstance(answer, Redirected):
        return None
    known = slotmap.known(options)
    before = known.owners[number] if known else None
    to = Place(answer.host or (before.host if before else ""), answer.port)
    if answer.is_for_once:
        return to
    slotmap.moved(options, answer.slot, to)
    return None
