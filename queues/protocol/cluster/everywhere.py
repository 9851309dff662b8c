"""Commands without a key, where the queues lie all over the Cluster: asked of every primary, and answered as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from queues.protocol.calls import collected
from queues.protocol.clients import rows_of
from queues.protocol.cluster import routing, slotmap
from queues.protocol.cluster.slotmap import Place
from queues.protocol.commands import Command
from queues.protocol.keys import Keys
from queues.protocol.slots import slot
from queues.protocol.wire import Wire

if TYPE_CHECKING:
    from queues.protocol.cluster.wire import ClusterWire

#: Of INFO, what adds up, what is the least of all, and of what anything else than this is told first.
SUMMED = frozenset(
    "used_memory used_memory_peak used_memory_rss maxmemory connected_clients blocked_clients rejected_connections"
    " instantaneous_ops_per_sec total_commands_processed evicted_keys expired_keys total_connections_received".split()
)
LEAST = frozenset(("uptime_in_seconds", "rdb_last_save_time"))
USUAL = {
    "maxmemory_policy": "noeviction",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "loading": "0",
}


def is_asked_everywhere(asked: Command[Any]) -> bool:
    words = [routing.as_bytes(word).upper() for word in asked.args[:2]]
    return words[0] in (b"TIME", b"INFO", b"SCRIPT") or words == [b"CLIENT", b"LIST"]


def submitted(on: ClusterWire, asked: Command[Any]) -> asyncio.Future[Any]:
    """It leaves with whatever else is submitted now: what is asked after it is answered after it, at each server."""
    known = slotmap.known(on.options)
    futures = _asked_of([on.node(place) for place in known.primaries], asked) if known else None
    return asyncio.get_running_loop().create_task(_merged(on, asked, futures), name="ask everywhere")


def _asked_of(nodes: Sequence[Wire], asked: Command[Any]) -> list[asyncio.Future[Any]]:
    return [node.submit(Command(asked.args)) for node in nodes]


async def _merged(on: ClusterWire, asked: Command[Any], futures: list[asyncio.Future[Any]] | None) -> Any:
    if futures is None:
        known = await on.known()
        futures = _asked_of([on.node(place) for place in known.primaries], asked)
    try:
        replies = await collected(futures, return_errors=False)
    except Exception:
        on.doubt()
        raise
    return asked.read(_merge(on, asked)(replies))


def _merge(on: ClusterWire, asked: Command[Any]) -> Callable[[list[Any]], Any]:
    verb = routing.verb_of(asked.args).upper()
    if verb == "TIME":
        # What was written after this reply must not lie before it, whichever server wrote it.
        return lambda replies: min(replies, key=lambda told: (int(told[0]), int(told[1])))
    if verb == "INFO":
        return one_info
    if verb == "CLIENT":
        return lambda listings: _workers(on, listings)
    return _of_script


def _workers(on: ClusterWire, listings: Sequence[bytes]) -> bytes:
    """Workers where their queue lies: a client of a Cluster has connections of one name to several servers."""
    known, under = slotmap.known(on.options), on.options.prefix
    if known is None:
        return b""
    kept = []
    for place, listing in zip(known.primaries, listings, strict=False):

        def is_here(queue: str, at: Place = place) -> bool:
            return known.owners[slot(Keys(under, queue).base)] == at

        kept.append(rows_of(listing, under, is_here))
    return b"".join(kept)


def _of_script(replies: list[Any]) -> Any:
    """EXISTS: where all have it; LOAD: its name."""
    first = replies[0]
    return [min(told) for told in zip(*replies, strict=True)] if isinstance(first, list) else first


def one_info(replies: Sequence[bytes]) -> bytes:
    """INFO of all of them as if they were one server."""
    told = [dict(line.split(b":", 1) for line in reply.splitlines() if b":" in line) for reply in replies]
    return b"".join(
        b"%s:%s\r\n" % (name, _one(name.decode(), [each.get(name, b"") for each in told])) for name in told[0]
    )


def _one(name: str, values: Sequence[bytes]) -> bytes:
    numbers = [int(value) for value in values if value.lstrip(b"-").isdigit()]
    if name in SUMMED and numbers:
        return b"%d" % sum(numbers)
    if name in LEAST and numbers:
        return b"%d" % min(numbers)
    if name == "run_id":
        return b"+".join(sorted(values))
    if name in USUAL:
        return next((value for value in values if value.decode() != USUAL[name]), values[0])
    return values[0]
