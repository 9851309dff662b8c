"""Everything that an operation means, written down before the first of it is touched."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from queues.models import Operation
from queues.operations import books, stored
from queues.operations.finding import Chunk, find
from queues.operations.target import Kind, Reach, Target

#: A turn lasts about this long; of what is stored so many come at a time.
FREEZE_S, CHUNK = 0.1, 1_000


class Freezing:
    """`turn` again and again, until the operation is collected. What broke in the middle begins anew."""

    def __init__(self, number: int, call: Callable[..., Awaitable[Any]], check: Callable[[], None]) -> None:
        self.number, self._call, self._check = number, call, check
        self._chunks: AsyncGenerator[Chunk, None] | None = None
        self._frozen = 0
        self._queues: set[str] = set()
        #: The items of each part that is to be worked off in the opposite order: the first and the last.
        self._parts: dict[str, list[int]] = {}

    async def turn(self, row: Operation) -> float | None:
        """After how many seconds there is more; None where it is to be frozen no longer."""
        if row.phase != Operation.Phase.RUNNING:
            await self.close()
            return None
        if self._chunks is None:
            if not await self._call(books.forget, self.number, self._check):
                return 0.0
            self._chunks = self._found(Target.from_json(row.target), row.action, Reach.from_json(row.reach))
        began = time.monotonic()
        while time.monotonic() - began < FREEZE_S:
            if (chunk := await anext(self._chunks, None)) is None:
                await self._collected()
                return 0.0
            if chunk.found and not await self._written(chunk):
                return None
        return 0.001

    async def close(self) -> None:
        """Callable twice."""
        if self._chunks is not None:
            await self._chunks.aclose()
            self._chunks = None

    async def _found(self, target: Target, action: str, reach: Reach) -> AsyncGenerator[Chunk, None]:
        if target.kind is not Kind.STORED:
            async for chunk in find(target, action, reach):
                yield chunk
            return
        kept = await self._call(stored.listed, target.of)
        for at in range(0, len(kept), CHUNK):
            yield Chunk([one for one in kept[at : at + CHUNK] if reach.has(one.queue)])

    async def _written(self, chunk: Chunk) -> bool:
        first, found = self._frozen + 1, [one for one in chunk.found if books.fits(one)]
        if not await self._call(books.freeze, self.number, self._check, found, first):
            return False
        self._frozen += len(found)
        self._queues |= {one.queue for one in found}
        if chunk.comes_last:
            self._parts.setdefault(chunk.part, [first, first])[1] = self._frozen
        return True

    async def _collected(self) -> None:
        for first, last in self._parts.values():
            await self._call(books.turn_round, self.number, self._check, first, last)
        await self._call(books.collected, self.number, self._check, sorted(self._queues))
        await self.close()
