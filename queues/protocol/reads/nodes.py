"""The servers of a Cluster, each as it tells of itself; of a single server there is nothing more to say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from queues.errors import RedisUnavailable
from queues.options import get_options
from queues.protocol.cluster import slotmap
from queues.protocol.codec import raw
from queues.protocol.connections import wire
from queues.protocol.reads.about import About, about_of
from queues.protocol.slots import SLOTS, slot, tag
from queues.protocol.wire import Wire

ANSWER_S = 1.0


@dataclass(frozen=True, slots=True)
class Node:
    """A primary: how many of the Cluster's slots it holds, and what it says, or why it says nothing (`trouble`).

    `holds_all`: the prefix has a hash tag, and it is this one's.
    """

    address: str
    slots: int
    holds_all: bool = False
    about: About = field(default_factory=About)
    trouble: str = ""

    @property
    def share(self) -> float:
        return self.slots / SLOTS


async def nodes(connection: str) -> tuple[Node, ...]:
    """In the order of their slots; none where there is no Cluster. Raises RedisUnavailable where nobody can tell."""
    on = await wire(connection).all_of_them()
    return tuple(await asyncio.gather(*(_node(connection, address, each) for address, each in on.items())))


async def _node(connection: str, address: str, on: Wire) -> Node:
    options = get_options().connection(connection)
    known = slotmap.known(options)
    owners = [f"{place.host}:{place.port}" if place else "" for place in known.owners] if known else []
    prefix = raw(options.prefix)
    holds_all = bool(tag(prefix)) and bool(owners) and owners[slot(prefix)] == address
    try:
        async with asyncio.timeout(ANSWER_S):
            found, trouble = await about_of(on), ""
    except TimeoutError:
        found, trouble = About(), "It does not answer."
    except RedisUnavailable as error:
        found, trouble = About(), str(error)
    return Node(address, owners.count(address), holds_all, found, trouble)
