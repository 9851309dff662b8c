"""Flows: recent ones, one parent's children page by page, a job's family. Every look is bounded, and says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from queues.errors import InvalidInput, JobNotFound
from queues.protocol.reads import families as reads
from queues.protocol.reads.families import Member, Ref, Tally
from queues.states import State

#: Of each state of each queue so many of the newest are looked at for flows, and so many are weighed in all.
NEWEST, MOST_WEIGHED = 20, 2_000
MOST_QUEUES = 500
ROOTS = 50
PER_PAGE = 50
#: From a job up to its root; deeper flows are cut.
MOST_DEEP = 20
#: Children looked at in one request where only some are wanted.
MOST_SEARCHED = 5_000
STEP = 250
OUTLINED = 1_000
GROUPS = ("pending", "failed", "ignored", "done")
May = Callable[[Ref], bool]


@dataclass(frozen=True, slots=True)
class Family:
    """Where a job stands in its flow. `root` is None where it has no parent; `is_cut`: the root is further up."""

    parent: Ref | None
    root: Ref | None
    tally: Tally
    is_cut: bool = False

    @property
    def is_flow(self) -> bool:
        return self.parent is not None or self.tally.total > 0


@dataclass(frozen=True, slots=True)
class Roots:
    """`looked`: how many jobs were weighed; `queues` how many queues were looked into, of `of`."""

    members: list[Member]
    looked: int
    queues: int
    of: int


@dataclass(frozen=True, slots=True)
class Children:
    """Some of a group's children. `cursor` reads on, empty at the end; `searched` were looked at for these."""

    members: list[Member]
    cursor: str
    searched: int


@dataclass(frozen=True, slots=True)
class Outline:
    """The unfinished children that were looked at, counted by (state, name), most first; `searched` of `of`."""

    counts: list[tuple[State, str, int]]
    searched: int
    of: int


@dataclass(slots=True)
class Walk:
    """What a walk found: failed jobs without a failed child of their own, and how many of them are `hidden`.

    `is_cut`: there is more than was looked at.
    """

    leaves: list[Ref] = field(default_factory=list)
    searched: int = 0
    hidden: int = 0
    is_cut: bool = False


async def family(connection: str, queue: str, job_id: str) -> Family:
    """A job's parent, its root and its children counted. Two round trips and one for each ancestor."""
    here = reads.at(connection, queue, job_id)
    tally = await reads.tally(connection, here)
    (parent,) = await reads.parents(connection, [here])
    root, seen = parent, {here.key}
    while root is not None and root.is_known and root.key not in seen and len(seen) <= MOST_DEEP:
        seen.add(root.key)
        (above,) = await reads.parents(connection, [root])
        if above is None:
            return Family(parent, root, tally)
        root = above
    return Family(parent, root, tally, is_cut=root is not None)


async def member(connection: str, queue: str, job_id: str) -> Member:
    """One job as a node. Raises JobNotFound."""
    (found,) = await reads.members(connection, [reads.at(connection, queue, job_id)])
    if not found.exists and not found.tally.total and found.state is State.UNKNOWN:
        raise JobNotFound(queue, job_id)
    return found


async def existing(connection: str, refs: Sequence[Ref]) -> list[Ref]:
    """Those of these jobs that are there."""
    found = await reads.members(connection, refs)
    return [one.ref for one in found if one.exists and one.timestamp_ms is not None]


async def recent_roots(connection: str, queues: Sequence[str], may: May) -> Roots:
    """Flows by their root, newest first: parents that wait for children, and those among the newest other jobs."""
    names = list(queues)[:MOST_QUEUES]
    found = await reads.recent(connection, names, NEWEST)
    certain = [ref for _, ref in sorted(found["waiting-children"], key=lambda one: -one[0])]
    others = sorted(
        (one for word in ("active", "wait", "failed", "completed") for one in found[word]), key=lambda one: -one[0]
    )
    weighed = [ref for _, ref in others][:MOST_WEIGHED]
    are = await reads.are_parents(connection, weighed)
    parents = certain + [ref for ref, is_parent in zip(weighed, are, strict=True) if is_parent]
    roots = await _roots_of(connection, parents[: ROOTS * 4])
    shown = [ref for ref in roots if may(ref)][:ROOTS]
    members = await reads.members(connection, shown)
    members.sort(key=lambda one: -(one.timestamp_ms or 0))
    return Roots(members, len(weighed) + len(certain), len(names), len(queues))


async def _roots_of(connection: str, refs: Sequence[Ref]) -> list[Ref]:
    """The roots above these, each once."""
    level, roots, seen = list(dict.fromkeys(refs)), [], set(refs)
    for _depth in range(MOST_DEEP):
        above = await reads.parents(connection, level)
        roots += [ref for ref, parent in zip(level, above, strict=True) if parent is None or not parent.is_known]
        level = [parent for parent in dict.fromkeys(above) if parent and parent.is_known and parent not in seen]
        seen |= set(level)
        if not level:
            break
    return list(dict.fromkeys(roots))


async def children_of(
    connection: str,
    parent: Ref,
    group: str,
    cursor: str = "",
    state: State | None = None,
    name: str | None = None,
    may: May = lambda ref: True,
) -> Children:
    """A page of one group; with a state or a name only those, of the next few thousand. Raises InvalidInput.

    A job that may not be seen is never matched: that it fits would tell what is hidden.
    """
    if group not in GROUPS or not (cursor == "" or (cursor.isascii() and cursor.isdigit() and len(cursor) <= 20)):
        raise InvalidInput(_("There is no such group of children, or no such place in it."))
    if state is None and name is None:
        page = await reads.children(connection, parent, group, cursor, PER_PAGE)
        return Children(await reads.members(connection, _once(page.refs)), page.cursor, len(page.refs))
    matches: list[Ref] = []
    searched = 0
    while searched < MOST_SEARCHED and len(matches) < PER_PAGE:
        page = await reads.children(connection, parent, group, cursor, STEP)
        refs = [ref for ref in _once(page.refs) if may(ref)]
        matches += await _matching(connection, refs, state, name)
        searched, cursor = searched + len(page.refs), page.cursor
        if not cursor:
            break
    return Children(await reads.members(connection, _once(matches)), cursor, searched)


async def _matching(connection: str, refs: Sequence[Ref], state: State | None, name: str | None) -> list[Ref]:
    if name is not None:
        told = await reads.names(connection, refs)
        refs = [ref for ref, found in zip(refs, told, strict=True) if found == name]
    if state is None:
        return list(refs)
    wanted: State = state
    if state in (State.WAITING, State.ACTIVE):
        # One in no set and without a lock waits, but for the few that are gone: its line says which.
        wanted = State.UNKNOWN if state is State.WAITING else state
        found = await reads.states(connection, refs)
    else:
        found = await reads.are_in(connection, refs, (state,))
    return [ref for ref, one in zip(refs, found, strict=True) if one is wanted]


async def outline(connection: str, parent: Ref, may: May) -> Outline:
    """The unfinished children by state and name, as far as the first thousand."""
    counts: Counter[tuple[State, str]] = Counter()
    cursor, searched = "", 0
    while searched < OUTLINED:
        page = await reads.children(connection, parent, "pending", cursor, STEP)
        refs = [ref for ref in page.refs if may(ref)]
        found, told = await reads.states(connection, refs), await reads.names(connection, refs)
        counts.update((State.WAITING if s is State.UNKNOWN else s, n) for s, n in zip(found, told, strict=True))
        searched, cursor = searched + len(page.refs), page.cursor
        if not cursor:
            break
    total = (await reads.tally(connection, parent)).pending
    return Outline([(state, name, n) for (state, name), n in counts.most_common(20)], searched, total)


MOST_WALKED = 20_000


async def failed_leaves(connection: str, root: Ref, may: May) -> Walk:
    """Failed jobs below that one, or itself, that no failed child of theirs explains. Level by level, each job once."""
    walk, level, seen = Walk(), [root], {root.key}
    for _depth in range(MOST_DEEP):
        below: list[Ref] = []
        for parent in level:
            below += await _failing(connection, parent, walk, seen, may)
            if walk.searched >= MOST_WALKED:
                walk.is_cut = True
                return walk
        level = below
        if not level:
            return walk
    walk.is_cut = True
    return walk


async def _failing(connection: str, parent: Ref, walk: Walk, seen: set[str], may: May) -> list[Ref]:
    """The children of a parent to look below. A failed parent none of whose children failed is a leaf itself."""
    has_failed = False
    below: list[Ref] = []
    for group in ("failed", "pending", "ignored"):
        cursor = ""
        while walk.searched < MOST_WALKED:
            page = await reads.children(connection, parent, group, cursor, STEP)
            refs = [ref for ref in _once(page.refs) if ref.is_known and ref.key not in seen]
            seen |= {ref.key for ref in refs}
            walk.searched, cursor = walk.searched + len(page.refs), page.cursor
            failed, deeper = await _sorted_out(connection, refs)
            has_failed, below = has_failed or bool(failed), below + deeper
            _note(walk, [ref for ref in failed if ref not in deeper], may)
            if not cursor:
                break
    (state,) = await reads.states(connection, [parent])
    if state is State.FAILED and not has_failed:
        _note(walk, [parent], may)
    return below


async def _sorted_out(connection: str, refs: Sequence[Ref]) -> tuple[list[Ref], list[Ref]]:
    """Those that failed; and those below which there may be a failure."""
    states = await reads.are_in(connection, refs, (State.FAILED,))
    # Whatever its own state: a parent that waits to be failed, or ignored a failure, has failed jobs below it.
    are_parents = await reads.are_parents(connection, refs)
    deeper = [ref for ref, is_parent in zip(refs, are_parents, strict=True) if is_parent]
    return [ref for ref, state in zip(refs, states, strict=True) if state is State.FAILED], deeper


def _note(walk: Walk, leaves: Sequence[Ref], may: May) -> None:
    allowed = [ref for ref in leaves if may(ref)]
    walk.leaves += allowed
    walk.hidden += len(leaves) - len(allowed)


def _once(refs: Sequence[Ref]) -> list[Ref]:
    return list(dict.fromkeys(refs))
