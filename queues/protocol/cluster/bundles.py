"""Bundles for several servers: taken apart by slot, and put together again from their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import hiredis

from queues.errors import RedisRefused
from queues.protocol.calls import pack
from queues.protocol.cluster import everywhere, routing
from queues.protocol.commands import Command
from queues.protocol.refusals import Redirected, SlotOnItsWay
from queues.protocol.slots import slot

if TYPE_CHECKING:
    from queues.protocol.cluster.wire import ClusterWire

#: What a server says that has not done a thing.
UNDONE = (Redirected, SlotOnItsWay)


async def bundled(on: ClusterWire, packed: bytes, replies: int) -> list[Any]:
    """Refusals among them. What was sent elsewhere, or is on its way, is asked again by itself."""
    commands: Sequence[Command[Any]] | None = None
    if on.is_in_one_slot:
        # Nothing has to be taken apart: of a thousand commands that would cost more than sending them.
        answers = await _sent(on, on.near, packed, replies)
    else:
        commands = unpacked(packed)
        answers = await _apart(on, commands)
    if any(isinstance(answer, UNDONE) for answer in answers):
        await _again(on, commands or unpacked(packed), answers)
    return answers


def unpacked(packed: bytes) -> list[Command[Any]]:
    reader = hiredis.Reader()
    reader.feed(packed)
    return [Command(tuple(args)) for args in iter(reader.gets, False)]


async def _sent(on: ClusterWire, number: int, packed: bytes, replies: int) -> list[Any]:
    return await on.led(number, lambda leg: leg.on.bundle(packed, replies))


async def _apart(on: ClusterWire, commands: Sequence[Command[Any]]) -> list[Any]:
    answers: list[Any] = [None] * len(commands)
    groups: dict[int, list[int]] = {}
    alone: list[int] = []
    lone = _lone_slot(commands)
    for unit in routing.units(commands):
        part = [commands[at] for at in unit]
        key = routing.leading_key(part)
        if lone is None and key is None and everywhere.is_asked_everywhere(part[0]):
            alone += unit
        else:
            groups.setdefault(lone if lone is not None else on.near if key is None else slot(key), []).extend(unit)

    async def send(number: int, places: list[int]) -> None:
        part = [commands[at] for at in places]
        for at, answer in zip(places, await _sent(on, number, pack(part), len(part)), strict=True):
            answers[at] = answer

    async def ask(at: int) -> None:
        try:
            answers[at] = await on.submit(commands[at])
        except RedisRefused as error:
            answers[at] = error

    await asyncio.gather(*(send(*group) for group in groups.items()), *map(ask, alone))
    return answers


def _lone_slot(commands: Sequence[Command[Any]]) -> int | None:
    """Where all keys lie in one slot: what names none belongs there too, unless it is about connections."""
    keys = {slot(key) for asked in commands if (key := routing.first_key(asked.args)) is not None}
    about_all = any(routing.verb_of(asked.args) in ("CLIENT", "INFO") for asked in commands)
    return keys.pop() if len(keys) == 1 and not about_all else None


async def _again(on: ClusterWire, commands: Sequence[Command[Any]], answers: list[Any]) -> None:
    async def ask(unit: range) -> None:
        for at, answer in zip(unit, await on.run([commands[at] for at in unit], return_errors=True), strict=True):
            answers[at] = answer

    await asyncio.gather(*map(ask, _undone(commands, answers)))


def _undone(commands: Sequence[Command[Any]], answers: Sequence[Any]) -> Iterator[range]:
    for unit in routing.units(commands):
        if any(isinstance(answers[at], UNDONE) for at in unit):
            yield unit
