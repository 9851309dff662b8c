"""What Redis says of flows: a parent's children by what became of them, page by page; how each of them stands.

Nothing here reads a whole set, nor a child's result: a parent may have ten thousand children, and each a megabyte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from queues.errors import RedisRefused
from queues.options import get_options
from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.keys import STATE_KEYS, Keys
from queues.protocol.reads.schedulers import CHUNK
from queues.states import LISTED, State

#: Fields of a child that its line shows; each is read only where it is no larger.
LARGEST_SHOWN = 4 * 1024
_TEXTS = (b"name", b"failedReason", b"progress", b"parent", b"parentKey")
_NUMBERS = (b"timestamp", b"processedOn", b"finishedOn", b"atm")
_SETS = [state for state in LISTED if not STATE_KEYS[state][1]]
#: So far into the lists a job is looked for that is in no set.
LOOKED = 1_000
#: What became of a child → the key at its parent, and how it is scanned.
GROUPS = {"pending": ("dependencies", "SSCAN"), "done": ("processed", "HSCAN"), "ignored": ("failed", "HSCAN")}


class Ref(NamedTuple):
    """A job by its whole key. `queue` is empty for a key that lies under no prefix that is known here."""

    key: str
    connection: str = ""
    queue: str = ""
    id: str = ""

    @property
    def is_known(self) -> bool:
        return bool(self.queue)


@dataclass(frozen=True, slots=True)
class Tally:
    """A parent's children, counted: still pending, done, failed and ignored, failed and felt by the parent."""

    pending: int = 0
    done: int = 0
    ignored: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.pending + self.done + self.ignored + self.failed


@dataclass(frozen=True, slots=True)
class Member:
    """A job of a flow. `exists` False: its hash is gone. `policy` is what its failure does to the parent, in BullMQ's
    short form (`fpof` …), empty where it only stays unfinished.
    """

    ref: Ref
    exists: bool = True
    state: State = State.UNKNOWN
    name: str = ""
    reason: str = ""
    progress: str = ""
    policy: str = ""
    parent: Ref | None = None
    timestamp_ms: int | None = None
    processed_on_ms: int | None = None
    finished_on_ms: int | None = None
    attempts_made: int = 0
    tally: Tally = Tally()


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor` reads on; empty at the end. A child may come twice, as Redis scans."""

    refs: list[Ref]
    cursor: str = ""


def ref_of(connection: str, key: bytes) -> Ref:
    """The job that a key of BullMQ's names, on this connection or on another one of the same server."""
    whole = codec.text(key)
    for name in _neighbours(connection):
        under = f"{prefix(name)}:"
        queue, colon, job_id = whole.removeprefix(under).partition(":")
        if whole.startswith(under) and colon and queue and job_id:
            return Ref(whole, name, queue, job_id)
    return Ref(whole)


def _neighbours(connection: str) -> list[str]:
    """This one, then the others of its server, the longest prefix first."""
    options = get_options()
    here = options.connection(connection).url
    others = [name for name, told in options.connections.items() if told.url == here and name != connection]
    return [connection, *sorted(others, key=lambda name: -len(prefix(name)))]


def at(connection: str, queue: str, job_id: str) -> Ref:
    return Ref(codec.text(keys(connection, queue).job(job_id)), connection, queue, job_id)


async def children(connection: str, parent: Ref, group: str, cursor: str, count: int) -> Page:
    """Some `count` children of that group (a small parent's all at once) from that cursor on."""
    key = codec.raw(parent.key)
    if group == "failed":
        start = int(cursor or 0)
        found = await wire(connection).call(command("ZRANGE", key + b":unsuccessful", start, start + count - 1))
        more = str(start + count) if len(found) == count else ""
        return Page([ref_of(connection, one) for one in found], more)
    suffix, verb = GROUPS[group]
    following, found = await _scan(connection, verb, key + b":" + suffix.encode(), cursor or "0", count)
    return Page([ref_of(connection, one) for one in found], "" if following == b"0" else following.decode())


async def _scan(connection: str, verb: str, key: bytes, cursor: str, count: int) -> tuple[bytes, list[bytes]]:
    on = wire(connection)
    if verb == "SSCAN":
        following, found = await on.call(command(verb, key, cursor, "COUNT", count))
        return following, list(found)
    try:
        following, found = await on.call(command(verb, key, cursor, "COUNT", count, "NOVALUES"))
        return following, list(found)
    except RedisRefused as error:
        if "syntax" not in str(error).lower():
            raise
    # Before Redis 7.4 the results come along: fewer at a time.
    following, flat = await on.call(command(verb, key, cursor, "COUNT", min(count, 20)))
    return following, list(flat[::2])


async def tally(connection: str, parent: Ref) -> Tally:
    replies = await wire(connection).run(_counts(codec.raw(parent.key)), return_errors=True)
    return _tally(replies)


async def tallies(connection: str, parents: Sequence[Ref]) -> list[Tally]:
    return [_tally(found) for found in await _each(connection, [_counts(_key(ref)) for ref in parents])]


async def members(connection: str, refs: Sequence[Ref]) -> list[Member]:
    """How each of these jobs stands, its own children counted; of one under an unknown prefix only its hash."""
    sizes = await _each(connection, [[command("HSTRLEN", _key(ref), name) for name in _TEXTS] for ref in refs])
    asked = [_fields(found) for found in sizes]
    told = await _each(connection, [_facts(ref, names) for ref, names in zip(refs, asked, strict=True)])
    found = [_member(connection, *row) for row in zip(refs, asked, told, strict=True)]
    unplaced = [ref for ref, one in zip(refs, found, strict=True) if one.exists and one.state is State.UNKNOWN]
    placed = await _in_lists(connection, [ref for ref in unplaced if ref.is_known])
    return [replace(one, state=placed.get(one.ref, one.state)) for one in found]


async def states(connection: str, refs: Sequence[Ref]) -> list[State]:
    """Where each is, as far as sets and locks tell: one that waits, and one that is gone, are UNKNOWN."""
    told = await _each(connection, [_where(ref) for ref in refs])
    return [_state(replies) for replies in told]


async def are_in(connection: str, refs: Sequence[Ref], wanted: Sequence[State]) -> list[State]:
    """Which of these states, kept as sets, each is in; UNKNOWN for any other."""
    asked = [
        [command("ZSCORE", keys(ref.connection, ref.queue).state(state), codec.raw(ref.id)) for state in wanted]
        if ref.is_known
        else []
        for ref in refs
    ]
    told = await _each(connection, asked)
    found = [
        (state for state, score in zip(wanted, scores, strict=False) if isinstance(score, bytes)) for scores in told
    ]
    return [next(one, State.UNKNOWN) for one in found]


async def names(connection: str, refs: Sequence[Ref]) -> list[str]:
    """Each job's name, empty for one that is gone or absurd."""
    sizes = await _each(connection, [[command("HSTRLEN", _key(ref), b"name")] for ref in refs])
    short = [isinstance(size, int) and 0 < size <= LARGEST_SHOWN for (size,) in sizes]
    asked = [
        [command("HGET", _key(ref), b"name")] if is_short else [] for ref, is_short in zip(refs, short, strict=True)
    ]
    told = await _each(connection, asked)
    return [codec.text(found[0]) if found and isinstance(found[0], bytes) else "" for found in told]


async def parents(connection: str, refs: Sequence[Ref]) -> list[Ref | None]:
    """The parent that each job names, None where it names none."""
    sizes = await _each(connection, [[command("HSTRLEN", _key(ref), b"parentKey")] for ref in refs])
    short = [isinstance(size, int) and 0 < size <= LARGEST_SHOWN for (size,) in sizes]
    asked = [
        [command("HGET", _key(r), b"parentKey")] if is_short else [] for r, is_short in zip(refs, short, strict=True)
    ]
    told = await _each(connection, asked)
    return [ref_of(connection, found[0]) if found and isinstance(found[0], bytes) else None for found in told]


async def recent(connection: str, queues: Sequence[str], most: int) -> dict[str, list[tuple[float, Ref]]]:
    """State → the newest of it in these queues, with when; parents that wait for their children all stand in theirs."""
    words = ("waiting-children", "active", "wait", "failed", "completed")
    asked = [[_newest(keys(connection, queue), word, most) for word in words] for queue in queues]
    replies = await _each(connection, asked)
    found: dict[str, list[tuple[float, Ref]]] = {word: [] for word in words}
    for queue, lists in zip(queues, replies, strict=True):
        for word, reply in zip(words, lists, strict=True):
            found[word] += _dated(connection, queue, word, reply)
    return found


async def are_parents(connection: str, refs: Sequence[Ref]) -> list[bool]:
    """Whether each has, or had, children."""
    told = await _each(
        connection,
        [[command("EXISTS", *(_key(ref) + suffix for suffix in _CHILD_KEYS))] for ref in refs],
    )
    return [isinstance(count, int) and count > 0 for (count,) in told]


_CHILD_KEYS = (b":dependencies", b":processed", b":failed", b":unsuccessful")


def _newest(k: Keys, word: str, most: int) -> Command[Any]:
    if word == "active":
        return command("LRANGE", k(word), 0, most - 1)
    if word == "wait":
        # A parent whose children have ended comes here, before it runs; most that stand here are none.
        return command("LRANGE", k(word), 0, most // 4 - 1)
    return command("ZREVRANGE", k(word), 0, most - 1, "WITHSCORES")


def _dated(connection: str, queue: str, word: str, reply: Any) -> list[tuple[float, Ref]]:
    if not isinstance(reply, list):
        return []
    if word in ("active", "wait"):
        return [(float("inf"), at(connection, queue, codec.text(raw))) for raw in reply]
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return [(float(codec.integer("", score)[0]), at(connection, queue, codec.text(raw))) for raw, score in pairs]


def _key(ref: Ref) -> bytes:
    return codec.raw(ref.key)


def _fields(sizes: Sequence[Any]) -> tuple[bytes, ...]:
    large = {name for name, size in zip(_TEXTS, sizes, strict=True) if isinstance(size, int) and size > LARGEST_SHOWN}
    return tuple(name for name in (*_TEXTS, *_NUMBERS) if name not in large)


def _facts(ref: Ref, names: tuple[bytes, ...]) -> list[Command[Any]]:
    return [command("HMGET", _key(ref), *names), *_counts(_key(ref)), *_where(ref)]


def _counts(key: bytes) -> list[Command[Any]]:
    verbs = ("SCARD", "HLEN", "HLEN", "ZCARD")
    return [command(verb, key + suffix) for verb, suffix in zip(verbs, _CHILD_KEYS, strict=True)]


def _tally(replies: Sequence[Any]) -> Tally:
    return Tally(*(reply if isinstance(reply, int) else 0 for reply in replies))


def _where(ref: Ref) -> list[Command[Any]]:
    if not ref.is_known:
        return []
    k, member = keys(ref.connection, ref.queue), codec.raw(ref.id)
    return [*(command("ZSCORE", k.state(state), member) for state in _SETS), command("EXISTS", k.lock(ref.id))]


def _state(replies: Sequence[Any]) -> State:
    for state, score in zip(_SETS, replies, strict=False):
        if isinstance(score, bytes):
            return state
    return State.ACTIVE if replies and replies[-1] == 1 else State.UNKNOWN


def _member(connection: str, ref: Ref, names: tuple[bytes, ...], told: Sequence[Any]) -> Member:
    values, counted, where = told[0], told[1:5], told[5:]
    held = dict(zip(names, values, strict=True)) if isinstance(values, list) else {}
    fields = {name: value for name, value in held.items() if value is not None}
    number = {name: codec.integer("", fields[name])[0] for name in _NUMBERS if name in fields}
    parent = fields.get(b"parentKey")
    return Member(
        ref,
        exists=bool(fields),
        state=_state(where),
        name=codec.text(fields.get(b"name", b"")),
        reason=codec.text(fields.get(b"failedReason", b"")),
        progress=codec.text(fields.get(b"progress", b"")),
        policy=_policy(codec.text(fields.get(b"parent", b""))),
        parent=ref_of(connection, parent) if parent else None,
        timestamp_ms=number.get(b"timestamp"),
        processed_on_ms=number.get(b"processedOn"),
        finished_on_ms=number.get(b"finishedOn"),
        attempts_made=number.get(b"atm", 0),
        tally=_tally(counted),
    )


def _policy(parent: str) -> str:
    told = codec.parse_json(parent) if parent else None
    if not isinstance(told, dict):
        return ""
    return next((flag for flag in ("fpof", "cpof", "idof", "rdof") if told.get(flag) is True), "")


async def _in_lists(connection: str, refs: Sequence[Ref]) -> dict[Ref, State]:
    """Those with a hash that are in no set: at work without a lock, or waiting. A list's depths are taken on trust."""
    asked = [_list_looks(keys(ref.connection, ref.queue), codec.raw(ref.id)) for ref in refs]
    told = await _each(connection, asked)
    return {ref: _listed(replies) for ref, replies in zip(refs, told, strict=True)}


def _list_looks(k: Keys, member: bytes) -> list[Command[Any]]:
    return [
        command("LPOS", k("active"), member, "MAXLEN", LOOKED),
        command("LPOS", k("wait"), member, "RANK", -1, "MAXLEN", LOOKED),
        command("LPOS", k("paused"), member, "RANK", -1, "MAXLEN", LOOKED),
        command("LLEN", k("wait")),
    ]


def _listed(replies: Sequence[Any]) -> State:
    active, waiting, parked, length = replies
    if isinstance(active, int):
        return State.ACTIVE
    is_deep = isinstance(length, int) and length > LOOKED
    return State.WAITING if isinstance(waiting, int) or isinstance(parked, int) or is_deep else State.UNKNOWN


async def _each(connection: str, groups: Sequence[Sequence[Command[Any]]]) -> list[list[Any]]:
    """The replies by group, read in pieces that let others in between."""
    flat = [asked for group in groups for asked in group]
    replies: list[Any] = []
    for start in range(0, len(flat), CHUNK):
        replies += await wire(connection).run(flat[start : start + CHUNK], return_errors=True)
    found = iter(replies)
    return [[next(found) for _ in group] for group in groups]
