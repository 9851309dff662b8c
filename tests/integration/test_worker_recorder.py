"""What workers record by the minute: real jobs, real Redis."""

from __future__ import annotations

from typing import Any

import pytest

from queues.producer import queue
from queues.protocol.connections import prefix, wire
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.samples import Ended, figures_command
from tests.eventually import eventually
from tests.working import operating


async def minutes_now() -> list[int]:
    now = await wire().call(time_command()) // 60_000
    return [now - 1, now]


async def recorded(queue_name: str = "chat", name: str = "work") -> Ended:
    """Of this minute and the one before."""
    on, total = SampleKeys(prefix("default")), Ended()
    for minute in await minutes_now():
        total.add(await wire().call(figures_command(on, minute, queue_name, name)))
    return total


async def until_recorded(completed: int, **where: Any) -> Ended:
    async def is_there() -> bool:
        return (await recorded(**where)).completed >= completed

    await eventually(is_there, 10.0, f"{completed} are recorded")
    return await recorded(**where)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queues.worker.recorder.DELIVER_EVERY_S", 0.05)


async def test_a_job_that_is_removed_as_it_completes_is_in_the_figures(connection: str) -> None:
    async def work(job: Any) -> None: ...

    async with operating(work):
        for _ in range(20):
            await queue("chat").add("work", {}, remove_on_complete=True)
        found = await until_recorded(20)
    assert (found.completed, found.failed, found.retried) == (20, 0, 0)
    assert sum(found.run.values()) == sum(found.wait.values()) == 20
