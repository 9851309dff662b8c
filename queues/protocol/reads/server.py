"""What Redis says of itself and of who is connected. Both commands may be forbidden: then None."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from queues.errors import RedisRefused
from queues.protocol.clients import Listener, count_workers, listeners
from queues.protocol.codec import integer
from queues.protocol.commands import command
from queues.protocol.connections import prefix, wire

__all__ = [
    "CLIENT_LIST",
    "INFO",
    "Listener",
    "ServerInfo",
    "count_workers",
    "listeners",
    "read_info",
    "server_info",
    "worker_clients",
    "worker_listeners",
]
CLIENT_LIST, INFO = command("CLIENT", "LIST"), command("INFO")


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Of INFO: what an operator wants to know. Bytes; `max_memory` 0 is unlimited."""

    name: str = ""
    version: str = ""
    used_memory: int = 0
    max_memory: int = 0
    eviction_policy: str = ""


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
        used_memory=integer("used_memory", told.get(b"used_memory", b""))[0],
        max_memory=integer("maxmemory", told.get(b"maxmemory", b""))[0],
        eviction_policy=said("maxmemory_policy"),
    )
