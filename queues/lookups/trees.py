"""A flow as a tree, for programs: from its root down, so many levels and so many children of each. A job in a queue
that may not be seen is not in it; that there is one is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from queues.lookups.flows import MOST_DEEP, May
from queues.protocol.reads import families as reads
from queues.protocol.reads.families import Member, Ref
from queues.protocol.reads.ignored import ignored_reasons

#: Of a tree of more than one level below its root.
MOST_NODES = 200
#: In the order in which BullMQ's own reader tells of children.
GROUPS = ("done", "pending", "failed", "ignored")


@dataclass(slots=True)
class Node:
    """`is_truncated`: it has children that are not here. `reasons`: of ignored failures, by the child's key."""

    member: Member
    children: list[Node] = field(default_factory=list)
    is_truncated: bool = False
    reasons: dict[str, str] = field(default_factory=dict)


async def root_of(connection: str, queue: str, job_id: str, may: May) -> Ref | None:
    """The job at the top of its flow, itself where it has no parent; None where one above it may not be seen."""
    here = reads.at(connection, queue, job_id)
    seen = {here.key}
    for _level in range(MOST_DEEP):
        (above,) = await reads.parents(connection, [here])
        if above is None:
            return here
        if above.key in seen or not may(above):
            return None
        seen.add(above.key)
        here = above
    return None


async def tree(connection: str, root: Ref, depth: int, most_children: int, may: May) -> Node | None:
    """`depth` counts the levels, the root's among them. None where the root is gone."""
    (found,) = await reads.members(connection, [root])
    if not found.exists:
        return None
    top = Node(found)
    left = max(MOST_NODES, most_children) if depth <= 2 else MOST_NODES
    level, seen = [top], {root.key}
    for _below in range(depth - 1):
        level, left = await _grow(connection, level, most_children, left, seen, may)
        if not level:
            break
    for node in level:
        node.is_truncated = node.is_truncated or node.member.tally.total > len(node.children)
    return top


async def _grow(
    connection: str, level: Sequence[Node], most: int, left: int, seen: set[str], may: May
) -> tuple[list[Node], int]:
    """The nodes below these, and how many more there may be."""
    lists = await asyncio.gather(*[_children(connection, node.member, most) for node in level])
    below: list[Node] = []
    for node, refs in zip(level, lists, strict=True):
        shown = [ref for ref in refs if may(ref) and ref.key not in seen][: max(left, 0)]
        seen.update(ref.key for ref in shown)
        members = await reads.members(connection, shown)
        node.children = [Node(one) for one in members if one.exists]
        vanished = len(members) - len(node.children)
        node.is_truncated = len(node.children) + vanished < node.member.tally.total
        if node.member.tally.ignored:
            node.reasons = await ignored_reasons(connection, node.member.ref, shown)
        left -= len(shown)
        below += node.children
    return below, left


async def _children(connection: str, member: Member, most: int) -> list[Ref]:
    tally = member.tally
    counts = {"done": tally.done, "pending": tally.pending, "failed": tally.failed, "ignored": tally.ignored}
    found: list[Ref] = []
    for group in GROUPS:
        if counts[group] and len(found) < most:
            found += (await reads.children(connection, member.ref, group, "", most)).refs
    return list(dict.fromkeys(found))[:most]
