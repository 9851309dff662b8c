"""What Redis says of itself and of who is connected. Both commands may be forbidden: then None."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from queues.errors import RedisRefused
from queues.protocol.codec import text
from queues.protocol.commands import command
from queues.protocol.connections import prefix, wire

CLIENT_LIST, INFO = command("CLIENT", "LIST"), command("INFO")


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Of INFO: what an operator wants to know. Bytes; `max_memory` 0 is unlimited."""

    name: str = ""
    version: str = ""
    used_memory: int = 0
    max_memory: int = 0
    eviction_policy: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A worker's connection in CLIENT LIST: on which queue, the worker's own name ("" for none), from where, by which
    number Redis knows it, since how many seconds.
    """

    queue: str
    name: str
    address: str
    identity: bytes
    id: str = ""
    age_s: int = 0


async def worker_clients(connection: str) -> dict[str, int] | None:
    """Queue → how many workers listen, as `worker_listeners` has them. None where CLIENT LIST is forbidden."""
    listeners = await worker_listeners(connection)
    return None if listeners is None else Counter(listener.queue for listener in listeners)


async def worker_listeners(connection: str) -> list[Listener] | None:
    """The workers that listen, told by the names of their blocking connections (PROTOCOL.md §4).

    Node and Toril name them `prefix:base64(queue)[:w:name]`, one each; PyPI's worker `prefix:queue[:w:name]` on two or
    more, so its rows are counted once per name and address. Where a name can be read both ways (“chat” is base64 too)
    it stands for both queues, of which one is there. None where CLIENT LIST is forbidden.
    """
    try:
        listing: bytes = await wire(connection).call(CLIENT_LIST)
    except RedisRefused:
        return None
    return listeners(listing, prefix(connection))


def count_workers(listing: bytes, under: str) -> dict[str, int]:
    """Queue → how many workers listen, of CLIENT LIST's text."""
    return Counter(listener.queue for listener in listeners(listing, under))


def listeners(listing: bytes, under: str) -> list[Listener]:
    """The workers in CLIENT LIST's text, each once."""
    start = under.encode() + b":"
    # Hundreds of rows, most of them nobody's: no value holds a space, so a worker's is found by its name alone.
    rows = (row for row in listing.split(b"\n") if b" name=" + start in row)
    found = {(one.queue, one.identity): one for row in rows for one in _readings(row, start)}
    return list(found.values())


def _readings(row: bytes, start: bytes) -> Iterator[Listener]:
    """The worker whose row of CLIENT LIST this may be."""
    name, address, identity = _value(row, b" name="), _value(row, b" addr="), _value(b" " + row, b" id=")
    queue, _, rest = name.removeprefix(start).partition(b":")
    if not queue or rest == b"qe":
        return
    worker, age = text(rest.removeprefix(b"w:")), _value(row, b" age=")
    more = (text(identity), int(age) if age.isdigit() else 0)
    with suppress(ValueError):
        decoded = base64.b64decode(queue, validate=True)
        if base64.b64encode(decoded) == queue:
            yield Listener(text(decoded), worker, text(address), identity, *more)
    yield Listener(text(queue), worker, text(address), name + address.rpartition(b":")[0], *more)


def _value(row: bytes, key: bytes) -> bytes:
    return row.partition(key)[2].partition(b" ")[0]


async def server_info(connection: str) -> ServerInfo | None:
    """None where INFO is forbidden."""
    try:
        reply: bytes = await wire(connection).call(INFO)
    except RedisRefused:
        return None
    return read_info(reply)


def read_info(reply: bytes) -> ServerInfo:
    """Of INFO's text."""
    told = dict(line.split(b":", 1) for line in reply.splitlines() if b":" in line)

    def said(name: str) -> str:
        return told.get(name.encode(), b"").decode("utf-8", "replace")

    is_valkey = bool(said("valkey_version"))
    return ServerInfo(
        name="Valkey" if is_valkey else "Redis",
        version=said("valkey_version") or said("redis_version"),
        used_memory=int(said("used_memory") or 0),
        max_memory=int(said("maxmemory") or 0),
        eviction_policy=said("maxmemory_policy"),
    )
