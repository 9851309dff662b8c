"""What a worker and its child processes say to each other: pickled tuples behind their length, over a socket pair.

Pickle, because both ends are the same program and nobody else can reach the socket: it has no name.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!Q")


def pack(words: tuple[Any, ...]) -> bytes:
    body = pickle.dumps(words, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


async def read(reader: asyncio.StreamReader) -> tuple[Any, ...]:
    """Raises EOFError where the other end is gone."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return _unpack(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        raise EOFError from None


def receive(end: socket.socket) -> tuple[Any, ...]:
    """The same for a blocking socket."""
    (length,) = _LENGTH.unpack(_exactly(end, _LENGTH.size))
    return _unpack(_exactly(end, length))


def _exactly(end: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        try:
            part = end.recv(min(length - len(parts), 1 << 20))
        except ConnectionError:
            part = b""
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _unpack(body: bytes) -> tuple[Any, ...]:
    words: tuple[Any, ...] = pickle.loads(body)  # noqa: S301  # our own child's or parent's
    return words
