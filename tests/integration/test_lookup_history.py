"""Hours, days and weeks from the tables and what Redis has newer; gaps, bounds, and how fast."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async

from queues import histogram
from queues.lookups.history import RANGES, history
from queues.lookups.metrics import pulses
from queues.mirror.sample_rows import Backlog, Minute, SampleRows
from queues.models import Deploy, Sample, Series
from queues.models.sample import DAY_S
from queues.protocol.connections import prefix, wire
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.samples import COMPLETED, FAILED, Ended, present_commands, record_command

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


class AnyLeader:
    """Holds whatever lease there is."""

    def check(self) -> None: ...


def rows() -> SampleRows:
    return SampleRows("default", AnyLeader())  # type: ignore[arg-type]


def ended(completed: int = 0, failed: int = 0, run_s: float = 0.1, wait_s: float = 1.0) -> Ended:
    count = completed + failed
    return Ended(completed, failed, 0, {histogram.bucket(run_s): count}, {histogram.bucket(wait_s): count})


def minute(at: int, queue: str = "chat", source: str = "w", backlog: Backlog | None = None, **names: Ended) -> Minute:
    whole = Ended()
    for one in names.values():
        whole.add(one)
    return Minute(queue, at, source, dict(names), whole, backlog)


async def save(*minutes: Minute) -> None:
    await sync_to_async(rows().save)(minutes, max(one.minute for one in minutes) + 1)


def now() -> int:
    return int(time.time()) // 60


async def test_a_minute_that_nobody_recorded_is_a_gap_and_an_idle_one_is_nought(connection: str) -> None:
    here = now()
    await save(
        minute(here - 5, a=ended(3, 1)), minute(here - 3), minute(here - 2, source="", backlog=Backlog(7, 1, None))
    )
    found = await history(connection, RANGES["1h"], queue="chat")
    told = {point.at // 60 - here: point for point in found.points}
    assert len(found.points) == 60
    assert [told[-5].per_minute(told[-5].ended.completed), told[-3].per_minute(0), told[-4].per_minute(0)] == [
        3,
        0,
        None,
    ]
    assert (told[-2].per_minute(0), told[-2].waiting, told[-3].waiting) == (None, 7, None)
    assert [(t.name, t.completed, t.failed, t.failure_rate) for t in found.totals] == [("a", 3, 1, 0.25)]


async def test_percentiles_are_of_all_runs_together_and_not_of_percentiles(connection: str) -> None:
    here = now()
    # A minute of 99 quick runs and one of a single slow one: the mean of their medians would be 5 s.
    await save(minute(here - 70, a=ended(99, run_s=0.01)), minute(here - 69, a=ended(1, run_s=10)))
    found = await history(connection, RANGES["24h"], queue="chat")
    (total,) = found.totals
    assert total.run_ms == [pytest.approx(10, rel=histogram.ERROR)] * 3
    for step in (RANGES["7d"], RANGES["30d"]):
        (told,) = [point for point in (await history(connection, step, queue="chat")).points if point.recorded]
        assert told.run_ms()[0] == pytest.approx(10, rel=histogram.ERROR)


async def test_what_the_tables_lack_comes_from_redis_and_nothing_twice(connection: str) -> None:
    redis_minute = int(await wire().call(time_command())) // 60_000
    on = SampleKeys(prefix(connection))
    for number, at in enumerate((redis_minute - 3, redis_minute - 2), 1):
        await wire().call(record_command(on, "p1", number, "chat", at, {"a": {COMPLETED: 5, FAILED: 1, 10: 6}}))
    await wire().run(present_commands(on, redis_minute - 1, ["chat"]))
    await save(minute(redis_minute - 3, a=ended(5, 1)))
    for queue in ("chat", None):
        found = await history(connection, RANGES["1h"], queue=queue)
        counted = {point.at // 60 - redis_minute: point.ended.completed for point in found.points if point.recorded}
        assert counted == {-3: 5, -2: 5, -1: 0}
        assert [(t.name, t.completed, t.failed) for t in found.totals] == [("a" if queue else "chat", 10, 2)]


async def test_of_all_queues_only_those_that_are_asked_for_are_summed(connection: str) -> None:
    here = now()
    await save(minute(here - 5, a=ended(3)), minute(here - 5, "secret", a=ended(100), backlog=Backlog(9, 9, 9)))
    found = await history(connection, RANGES["1h"], queues=["chat"])
    assert [total.name for total in found.totals] == ["chat"]
    assert sum(point.ended.completed for point in found.points) == 3
    assert all(point.waiting is None for point in found.points)
    assert sum(point.ended.completed for point in (await history(connection, RANGES["24h"])).points) == 103


async def test_one_name_of_a_queue_has_its_own_lines_and_the_queues_gaps(connection: str) -> None:
    here = now()
    await save(minute(here - 5, a=ended(3), b=ended(4)), minute(here - 4, b=ended(1)))
    found = await history(connection, RANGES["1h"], queue="chat", name="a")
    told = {point.at // 60 - here: point.per_minute(point.ended.completed) for point in found.points}
    assert (told[-5], told[-4], told[-3]) == (3, 0, None)


async def test_deploys_of_the_range_come_with_it(connection: str) -> None:
    for hours in (1 / 2, 5):
        await Deploy.objects.acreate(at=datetime.now(UTC) - timedelta(hours=hours), label=f"{hours} h ago")
    assert [d.label for d in (await history(connection, RANGES["1h"])).deploys] == ["0.5 h ago"]
    assert [d.label for d in (await history(connection, RANGES["24h"])).deploys] == ["5 h ago", "0.5 h ago"]


async def test_a_year_of_a_queue_with_ten_names_is_read_from_its_days(connection: str, record_property) -> None:
    here = now() * 60 // DAY_S * DAY_S
    times = histogram.pack({index: 3 + index % 5 for index in range(60, 90)})
    names = [await Series.objects.acreate(connection="default", queue="chat", name=f"name-{n}") for n in range(10)]
    whole = await Series.objects.acreate(connection="default", queue="chat")
    await Sample.objects.abulk_create(
        [
            Sample(series=one, step_s=DAY_S, at=here - day * DAY_S, recorded=1440, completed=100, run=times, wait=times)
            for day in range(365)
            for one in (whole, *names)
        ],
        batch_size=500,
    )
    began = time.perf_counter()
    found = await history(connection, RANGES["1y"], queue="chat")
    record_property("figures", f"a year of a queue with 10 names: {(time.perf_counter() - began) * 1000:.0f} ms")
    assert (len(found.points), found.points[0].ended.completed, found.points[-1].ended.completed) == (365, 100, 100)
    assert [(total.completed, total.run_ms[0]) for total in found.totals] == [(36_500, found.totals[0].run_ms[0])] * 10


async def test_a_pulse_of_a_queue_that_others_work_on_is_what_the_mirror_saw(connection: str) -> None:
    here = int(await wire().call(time_command())) // 60_000
    await wire().run(present_commands(SampleKeys(prefix(connection)), here - 2, ["ours"]))
    await save(minute(here - 3, "theirs", source="e", a=ended(6, 2)), minute(here - 3, "ours", source="e", a=ended(9)))
    found = await pulses(connection)
    assert (found["theirs"].completed[-3], found["theirs"].failed[-3], found["theirs"].completed[-2]) == (6, 2, None)
    assert found["ours"].completed[-3:-1] == (None, 0)
