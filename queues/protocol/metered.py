"""Many commands at once, timed by Redis's own clock: so whoever works in bulk knows what it costs the others.

Measured from here it would tell of this process's own work, and of whatever else this machine does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from queues.protocol import calls
from queues.protocol.commands import Command, command
from queues.protocol.connections import wire

_TIME: Command[Any] = command("TIME")


@dataclass(slots=True)
class Meter:
    """Seconds from the first to the last command of each write, with what Redis did for others in between."""

    took_s: float = 0.0


_meter: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metering() -> Iterator[Meter]:
    """Everything that this task asks in here counts."""
    meter = Meter()
    token = _meter.set(meter)
    try:
        yield meter
    finally:
        _meter.reset(token)


async def bundle(connection: str, asked: Sequence[Command[Any]]) -> list[Any]:
    """The replies, refusals among them. Raises RedisUnavailable."""
    meter = _meter.get()
    if meter is None or not asked:
        return await wire(connection).bundle(calls.pack(asked), len(asked))
    packed = calls.pack([_TIME, *asked, _TIME])
    began, *replies, ended = await wire(connection).bundle(packed, len(asked) + 2)
    if isinstance(began, list) and isinstance(ended, list):
        meter.took_s += max(0.0, _seconds(ended) - _seconds(began))
    return replies


def _seconds(told: list[bytes]) -> float:
    return int(told[0]) + int(told[1]) / 1e6
