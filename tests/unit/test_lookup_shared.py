"""One reading for all who look."""

from __future__ import annotations

import asyncio

import pytest

from queues.errors import RedisUnavailable
from queues.lookups.shared import shared


class Readings:
    def __init__(self) -> None:
        self.count = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        number = self.count
        await self.go_on.wait()
        if number == 1:
            raise RedisUnavailable("away")
        return number


async def test_who_asks_meanwhile_joins_and_a_failed_reading_is_not_kept() -> None:
    read = Readings()
    asking = [asyncio.create_task(shared(("joined", read), 60, read)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    read.go_on.set()
    ends = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, RedisUnavailable, RedisUnavailable]
    assert [await shared(("joined", read), 60, read) for _ in range(2)] == [2, 2]
    assert await shared(("joined", read), 0, read) == 3


async def test_each_key_has_its_own_reading_and_what_nobody_asked_for_is_let_go(monkeypatch) -> None:
    read = Readings()
    read.go_on.set()
    with pytest.raises(RedisUnavailable):
        await shared(("a", read), 60, read)
    assert (await shared(("a", read), 60, read), await shared(("b", read), 60, read)) == (2, 3)
    monkeypatch.setattr("queues.lookups.shared.KEPT_S", -1.0)
    assert (await shared(("c", read), 60, read), await shared(("a", read), 60, read)) == (4, 5)
