"""Whose connections they are, by the names that CLIENT LIST tells (PROTOCOL.md §4). No I/O."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from queues.protocol.codec import text


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


def count_workers(listing: bytes, under: str) -> dict[str, int]:
    """Queue → how many workers listen, of CLIENT LIST's text."""
    return Counter(listener.queue for listener in listeners(listing, under))


def listeners(listing: bytes, under: str) -> list[Listener]:
    """The workers in CLIENT LIST's text, each once."""
    start, rows = _rows(listing, under)
    found = {(one.queue, one.identity): one for row in rows for one in _readings(row, start)}
    return list(found.values())


def _rows(listing: bytes, under: str) -> tuple[bytes, list[bytes]]:
    start = under.encode() + b":"
    # Hundreds of rows, most of them nobody's: no value holds a space, so a worker's is found by its name alone.
    return start, [row for row in listing.split(b"\n") if b" name=" + start in row]


def rows_of(listing: bytes, under: str, is_here: Callable[[str], bool]) -> bytes:
    """Of this text the workers' rows whose queue `is_here`. What can be read both ways is base64: a queue's own name
    has braces where it matters which server this is.
    """
    start, rows = _rows(listing, under)
    kept = [row for row in rows if (first := next(_readings(row, start), None)) and is_here(first.queue)]
    return b"".join(row + b"\n" for row in kept)


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
