"""What stands behind a connection: one server, Sentinels or a Cluster; and where the primary is just now.

It opens no socket: whoever dials lends it a way to ask, a wire on the loop or a line that blocks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from queues.errors import RedisRefused, RedisUnavailable
from queues.options import ConnectionOptions
from queues.protocol.address import Address, seeds, sentinels
from queues.protocol.commands import Command, command

Topology = Literal["single", "sentinel", "cluster"]
#: Replies in order, refusals among them. Raises RedisUnavailable where that server does not answer within ASK_S.
Ask = Callable[[Address, Sequence[Command[Any]]], Awaitable[list[Any]]]
#: How long one Sentinel may think: two that are away leave a page time for the third.
ASK_S = 0.4

_found: dict[ConnectionOptions, Topology] = {}
#: Which of the Sentinels answered last; it is asked first.
_answering: dict[ConnectionOptions, Address] = {}


def known(options: ConnectionOptions) -> Topology | None:
    """What is said in the settings, or was found out; None where it has to be asked."""
    if options.topology:
        return cast(Topology, options.topology)
    return "single" if len(options.hosts) == 1 else _found.get(options)


async def topology(options: ConnectionOptions, ask: Ask) -> Topology:
    """Asked once and kept. Hosts that answer SENTINEL are Sentinels; a list of others is a Cluster.

    Raises RedisUnavailable where none answers; the next call asks anew.
    """
    if (said := known(options)) is None:
        said = _found[options] = await _asked(options, ask)
    return said


async def located(address: Address, ask: Ask) -> Address:
    """The one server to dial now. Of Sentinels the primary is asked each time: it may have moved.

    Raises RedisUnavailable where it cannot be told, or where a Cluster is no single server.
    """
    if (options := address.through) is None:
        return address
    if await topology(options, ask) == "cluster":
        raise RedisUnavailable(f"Connection “{options.name}” is a Cluster, which no single server answers for.")
    return await primary(options, ask)


async def primary(options: ConnectionOptions, ask: Ask) -> Address:
    """Where the Sentinels see the primary, to be entered with the URL's own name and password."""
    failure: RedisUnavailable | None = None
    for sentinel in _in_turn(options):
        try:
            found = await _primary_of(options, sentinel, ask)
        except RedisUnavailable as error:
            failure = error
            continue
        _answering[options] = sentinel
        host, port = found[0].decode(), int(found[1])
        return replace(seeds(options)[0].at(host, port), must_be_primary=True)
    raise failure or RedisUnavailable("No Sentinel is named.")


def check_role(answer: Any) -> None:
    """Raises RedisUnavailable where whom the Sentinels named is a replica; who may not ask for ROLE is let by."""
    if isinstance(answer, list) and answer[0] != b"master":
        raise RedisUnavailable("The Sentinels name a server that is not the primary (yet).")


async def _primary_of(options: ConnectionOptions, sentinel: Address, ask: Ask) -> Sequence[bytes]:
    (found,) = await _with_password(options, sentinel, ask)
    where = f"The Sentinel at {sentinel.host}:{sentinel.port}"
    if isinstance(found, RedisRefused):
        raise RedisUnavailable(f"{where} does not tell where the primary is: {found}")
    if not found:
        name = options.sentinel_master
        raise RedisUnavailable(f"{where} knows no primary named “{name}”: set REDIS_SENTINEL_MASTER (SENTINEL_MASTER).")
    return cast(Sequence[bytes], found)


async def _with_password(options: ConnectionOptions, sentinel: Address, ask: Ask) -> list[Any]:
    """Its answer; where it wants a password and none was set for it, with that of the servers."""
    asked = [command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", options.sentinel_master)]
    try:
        return await ask(sentinel, asked)
    except RedisUnavailable as error:
        if "NOAUTH" not in str(error) or sentinel.password:
            raise
    server = seeds(options)[0]
    return await ask(replace(sentinel, username=server.username, password=server.password), asked)


async def _asked(options: ConnectionOptions, ask: Ask) -> Topology:
    failure: RedisUnavailable | None = None
    for sentinel in _in_turn(options):
        try:
            (found,) = await _with_password(options, sentinel, ask)
        except RedisUnavailable as error:
            failure = error
            continue
        is_cluster = isinstance(found, RedisRefused) and "unknown command" in str(found).lower()
        return "cluster" if is_cluster else "sentinel"
    raise failure or RedisUnavailable("No server is named.")


def _in_turn(options: ConnectionOptions) -> Iterator[Address]:
    all_of_them = sentinels(options)
    first = _answering.get(options)
    return iter(sorted(all_of_them, key=lambda one: one != first))
