"""From Redis's minutes to the tables: once, whole, and in longer steps too."""

from __future__ import annotations

import pytest

from queues import histogram
from queues.mirror.samples import Samples
from queues.models import Sample, SampleCursor
from queues.protocol.commands import command
from queues.protocol.connections import prefix, wire
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.samples import COMPLETED, WAIT, present_commands, record_command
from tests.mirroring import add, session, turn_until_quiet

pytestmark = pytest.mark.django_db(transaction=True)


async def this_minute() -> int:
    return int(await wire().call(time_command())) // 60_000


async def record(minute: int, number: int, name: str = "work", completed: int = 1, run_s: float = 0.1) -> int:
    told = {name: {COMPLETED: completed, histogram.bucket(run_s): completed, WAIT + histogram.bucket(1.0): completed}}
    return await wire().call(record_command(SampleKeys(prefix("default")), "p1", number, "chat", minute, told))


async def taken() -> Samples:
    """By a new session, which looks at all that Redis holds."""
    async with session() as mirror:
        await turn_until_quiet(mirror)
        while mirror.samples.is_behind:
            await mirror.turn()
        return mirror.samples


async def row(step_s: int = 60, name: str = "", at: int | None = None) -> Sample:
    found = Sample.objects.filter(queue="chat", step_s=step_s, name=name, completed__gt=0)
    return await (found.aget(at=at) if at is not None else found.aget())


async def test_a_minute_is_taken_once_however_often_it_is_looked_at(connection: str) -> None:
    await add(connection, "chat")
    minute = await this_minute() - 2
    await record(minute, 1, completed=5)
    await record(minute, 2, "mail", completed=2, run_s=3)
    await taken()
    await taken()
    whole, mail = await row(), await row(name="mail")
    assert (whole.completed, whole.recorded, whole.source, whole.at) == (7, 1, "w", minute * 60)
    assert (mail.completed, histogram.percentiles(histogram.unpack(mail.run), [0.5])) == (
        2,
        [pytest.approx(3000, rel=1 / 16)],
    )
    for step_s in (600, 3600):
        longer = await row(step_s)
        assert (longer.completed, longer.recorded, longer.at) == (7, 1, minute * 60 // step_s * step_s)
        assert sum(histogram.unpack(longer.run).values()) == sum(histogram.unpack(longer.wait).values()) == 7
    assert (await SampleCursor.objects.aget()).until > minute * 60


async def test_what_comes_late_is_added_to_the_longer_steps_too(connection: str) -> None:
    await add(connection, "chat")
    minute = await this_minute() - 4
    await record(minute, 1, completed=5)
    await taken()
    await record(minute, 2, completed=3)
    await taken()
    assert [(await row(step_s)).completed for step_s in (60, 600, 3600)] == [8, 8, 8]


async def test_what_redis_forgot_stays_in_the_tables(connection: str) -> None:
    await add(connection, "chat")
    minute = await this_minute() - 3
    await record(minute, 1, completed=5)
    await taken()
    on = SampleKeys(prefix(connection))
    await wire().run([command("DEL", on.minute(minute), on.figures(minute, "chat", "work"), on.delivery("p1"))])
    await record(minute, 1, completed=1)
    await taken()
    assert [(await row(step_s)).completed for step_s in (60, 600, 3600)] == [5, 5, 5]


async def test_nought_is_a_minute_somebody_recorded_and_a_gap_one_that_nobody_did(connection: str) -> None:
    await add(connection, "chat", 3)
    minute = await this_minute() - 2
    await wire().run(present_commands(SampleKeys(prefix(connection)), minute, ["chat"]))
    await taken()
    rows = [r async for r in Sample.objects.filter(queue="chat", step_s=60).order_by("at")]
    assert [(r.at // 60 - minute, r.recorded, r.completed) for r in rows if r.recorded] == [(0, 1, 0)]
    # How much waits is known of the newest minute only.
    assert [(r.waiting, r.delayed) for r in rows if r.waiting is not None] == [(3, 0)]
    assert rows[-1].oldest_ms is not None


async def test_a_delivery_that_is_sent_twice_counts_once(connection: str) -> None:
    minute = await this_minute()
    assert [await record(minute, 1), await record(minute, 1), await record(minute, 2)] == [1, 0, 1]
