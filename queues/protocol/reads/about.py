"""What Redis tells of itself: INFO whole, its slow log, its clock, and what keys cost; each may be forbidden."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queues.errors import RedisRefused, TorilError
from queues.protocol.calls import pack
from queues.protocol.codec import integer, text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import STATE_KEYS, Keys
from queues.protocol.wire import Wire
from queues.states import LISTED, State

MOST_SLOW = 20
#: Of a command's arguments so many are read, and so much of each.
ARGUMENTS, ARGUMENT_BYTES = 6, 60
#: Of a queue's jobs in a state so many are weighed.
SAMPLES = 4
#: What belongs to a queue beside its states.
STRUCTURES = ("meta", "events", "id", "marker", "stalled", "limiter", "pc", "repeat", "de")


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """When it ran (epoch seconds), how long (µs), its name, its other words, cut, and from where."""

    at_s: int
    took_us: int
    name: str
    words: tuple[str, ...]
    more: int
    address: str
    client: str


@dataclass(frozen=True, slots=True)
class About:
    """`info` is INFO's text as names and values. `forbidden` names the commands that this user may not call."""

    info: Mapping[str, str] = field(default_factory=dict)
    slow: tuple[SlowCommand, ...] = ()
    slower_than_us: int | None = None
    #: After how many changes in how many seconds it saves a snapshot: empty for never, None where that is not told.
    save_points: str | None = None
    forbidden: tuple[str, ...] = ()

    def number(self, name: str) -> int:
        """0 for what is not told or is no number."""
        told = self.info.get(name, "").partition(".")[0]
        return integer(name, told.encode())[0]


async def about(connection: str) -> About:
    """In one round trip. Raises RedisUnavailable."""
    return await about_of(wire(connection))


async def about_of(on: Wire) -> About:
    asked = {
        "INFO": command("INFO"),
        "SLOWLOG": command("SLOWLOG", "GET", MOST_SLOW),
        "CONFIG": command("CONFIG", "GET", "slowlog-log-slower-than"),
    }
    # An older Redis takes one name at a time.
    points = command("CONFIG", "GET", "save")
    replies = await on.run([*asked.values(), points], return_errors=True)
    info, slow, config, save = (None if isinstance(reply, TorilError) else reply for reply in replies)
    return About(
        info_values(info or b""),
        tuple(_slow(entry) for entry in slow or ()),
        int(config[1]) if config else None,
        text(save[1]) if save else None,
        tuple(name for name, reply in zip(asked, replies[:-1], strict=True) if isinstance(reply, RedisRefused)),
    )


def info_values(reply: bytes) -> dict[str, str]:
    lines = (text(line).partition(":") for line in reply.splitlines() if b":" in line)
    return {name: value for name, _, value in lines}


def _slow(entry: Any) -> SlowCommand:
    _, at_s, took_us, words, *whence = entry
    shown = tuple(text(word[:ARGUMENT_BYTES]) + ("…" if len(word) > ARGUMENT_BYTES else "") for word in words)
    address, client = (*(text(each) for each in whence), "", "")[:2]
    name = shown[0].upper() if shown else ""
    return SlowCommand(at_s, took_us, name, shown[1:ARGUMENTS], max(0, len(words) - ARGUMENTS), address, client)


async def clock_skew_ms(connection: str) -> tuple[float, float]:
    """By how much Redis's clock is ahead of this machine's, and how unsure that is (half the round trip)."""
    before = time.time()
    seconds, micros = await wire(connection).call(command("TIME"))
    after = time.time()
    return (int(seconds) + int(micros) / 1e6 - (before + after) / 2) * 1000, (after - before) * 500


# --- what queues cost


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of a queue's own keys, and of its jobs by what `weighed` of them weigh; `jobs` is how many there are."""

    queue: str
    structures: int
    jobs_bytes: int
    weighed: int
    jobs: int

    @property
    def total(self) -> int:
        return self.structures + self.jobs_bytes


async def weights(connection: str, counts: Mapping[str, Mapping[State, int]]) -> list[Weight]:
    """Of each of these queues, whose jobs by state are given: two round trips. Raises RedisRefused where MEMORY is
    forbidden. Logs, locks and the sets of flows are not weighed.
    """
    on, names = wire(connection), list(counts)
    suffixes = [suffix for suffix, _ in STATE_KEYS.values()] + list(STRUCTURES)
    asked = [
        [command("MEMORY", "USAGE", k(suffix)) for suffix in suffixes] + [_ids(k, state) for state in LISTED]
        for k in (keys(connection, name) for name in names)
    ]
    width = len(suffixes) + len(LISTED)
    replies = await on.bundle(b"".join(map(pack, asked)), width * len(names))
    groups = [replies[at * width : (at + 1) * width] for at in range(len(names))]
    for reply in (reply for group in groups for reply in group[: len(suffixes)]):
        if isinstance(reply, RedisRefused) and "NOPERM" in str(reply):
            raise reply
    found = [[_listed(reply) for reply in group[len(suffixes) :]] for group in groups]
    weighing = [
        command("MEMORY", "USAGE", keys(connection, name).job(text(job)), "SAMPLES", 0)
        for name, states in zip(names, found, strict=True)
        for ids in states
        for job in ids
    ]
    sizes = iter(await on.bundle(pack(weighing), len(weighing)))
    return [
        _weight(name, counts[name], group[: len(suffixes)], states, sizes)
        for name, group, states in zip(names, groups, found, strict=True)
    ]


def _weight(
    name: str, counts: Mapping[State, int], structures: Sequence[Any], states: Sequence[Sequence[bytes]], sizes: Any
) -> Weight:
    weighed, total = 0, 0.0
    for state, ids in zip(LISTED, states, strict=True):
        known = [size for size in (next(sizes) for _ in ids) if isinstance(size, int)]
        weighed += len(known)
        total += sum(known) / len(known) * counts.get(state, 0) if known else 0
    own = sum(size for size in structures if isinstance(size, int))
    return Weight(name, own, int(total), weighed, sum(counts.values()))


def _ids(k: Keys, state: State) -> Command[Any]:
    suffix, is_list = STATE_KEYS[state]
    return command("LRANGE" if is_list else "ZRANGE", k(suffix), 0, SAMPLES - 1)


def _listed(reply: Any) -> list[bytes]:
    return [] if isinstance(reply, TorilError) else [each for each in reply if not each.startswith(b"0:")]


# --- what a self-check asks of queues


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Of one queue: events in its stream and how many it is to keep; how many jobs are active, and whether somebody
    looked for stalled ones lately.
    """

    queue: str
    events: int
    kept_events: int
    active: int
    is_looked_after: bool


async def upkeep(connection: str, names: Sequence[str]) -> list[Upkeep]:
    """In one round trip."""
    asked: list[Command[Any]] = []
    for k in (keys(connection, name) for name in names):
        asked += [command("XLEN", k("events")), command("HGET", k("meta"), "opts.maxLenEvents")]
        asked += [command("LLEN", k("active")), command("EXISTS", k("stalled-check"))]
    replies = await wire(connection).bundle(pack(asked), len(asked))
    told = [None if isinstance(reply, TorilError) else reply for reply in replies]
    return [
        Upkeep(name, length or 0, int(kept) if kept and kept.isdigit() else 10_000, active or 0, bool(looked))
        for name, (length, kept, active, looked) in zip(names, zip(*[iter(told)] * 4, strict=True), strict=True)
    ]
