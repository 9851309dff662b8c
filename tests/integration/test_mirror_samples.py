"""From Redis's minutes to the tables: once, whole, and in longer steps too."""

from __future__ import annotations

import time
from typing import Any

import pytest

from queues import histogram
from queues.mirror.followed import Followed
from queues.mirror.history import ROUND_EVERY_S, PruneSamples
from queues.mirror.leader import Leader
from queues.mirror.samples import Samples
from queues.mirror.tally import Tally
from queues.mirror.thread import DatabaseThread
from queues.models import MirrorSize, Queue, Sample, SampleCursor, Series
from queues.options import reset_options
from queues.protocol.commands import command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.samples import COMPLETED, WAIT, present_commands, record_command
from tests.mirroring import add, finish, redis, session, start, turn_until_quiet

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


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
    found = Sample.objects.filter(series__queue="chat", step_s=step_s, series__name=name, completed__gt=0)
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
    for step_s in (600, 3600, 21_600, 86_400):
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
    for step_s in (60, 600, 3600, 21_600, 86_400):
        found = await row(step_s)
        assert (found.completed, found.recorded) == (8, 1)
        assert sum(histogram.unpack(found.run).values()) == sum(histogram.unpack(found.wait).values()) == 8


async def test_what_redis_forgot_stays_in_the_tables(connection: str) -> None:
    await add(connection, "chat")
    minute = await this_minute() - 3
    await record(minute, 1, completed=5)
    await taken()
    on = SampleKeys(prefix(connection))
    await wire().run([command("DEL", on.minute(minute), on.figures(minute, "chat", "work"), on.delivery("p1"))])
    await record(minute, 1, completed=1)
    await taken()
    assert [(await row(step_s)).completed for step_s in (60, 600, 3600, 21_600, 86_400)] == [5] * 5


async def test_nought_is_a_minute_somebody_recorded_and_a_gap_one_that_nobody_did(connection: str) -> None:
    await add(connection, "chat", 3)
    minute = await this_minute() - 2
    await wire().run(present_commands(SampleKeys(prefix(connection)), minute, ["chat"]))
    await taken()
    rows = [r async for r in Sample.objects.filter(series__queue="chat", step_s=60).order_by("at")]
    assert [(r.at // 60 - minute, r.recorded, r.completed) for r in rows if r.recorded] == [(0, 1, 0)]
    # How much waits is known of the newest minute only.
    assert [(r.waiting, r.delayed) for r in rows if r.waiting is not None] == [(3, 0)]
    assert rows[-1].oldest_ms is not None


async def test_a_delivery_that_is_sent_twice_counts_once(connection: str) -> None:
    minute = await this_minute()
    assert [await record(minute, 1), await record(minute, 1), await record(minute, 2)] == [1, 0, 1]


# --- queues that none of our workers records


async def test_of_other_workers_jobs_the_streams_tell_counts_names_and_times(
    connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The minute under way counts as over, so that nobody waits for its end.
    monkeypatch.setattr("queues.mirror.samples.SETTLE_MS", -60_000)
    minute = await this_minute()
    heard = f"{(minute - 5) * 60_000}-0"
    await redis(connection, "XADD", keys(connection, "chat")("events"), heard, "event", "drained")
    await add(connection, "chat", 3, name="work", delay_ms=0)
    async with session() as mirror:
        await turn_until_quiet(mirror)
    for is_failed, count in ((False, 2), (True, 1)):
        await finish(connection, "chat", await start(connection, "chat", count), '"x"', is_failed=is_failed)
    # As a mirror that was killed five minutes ago: from there on nothing was missed.
    await Queue.objects.filter(name="chat").aupdate(cursor=heard)
    await Sample.objects.all().adelete()
    await taken()
    whole, named = await row(), await row(name="work")
    assert (whole.source, whole.completed, whole.failed, named.completed, named.failed) == ("e", 2, 1, 2, 1)
    assert sum(histogram.unpack(named.run).values()) == sum(histogram.unpack(named.wait).values()) == 3
    wholes = Sample.objects.filter(step_s=60, series__name="", recorded=1)
    recorded = [r.at // 60 - minute async for r in wholes.order_by("at")]
    assert recorded[:5] == [-4, -3, -2, -1, 0]


async def test_where_events_were_missed_the_minutes_are_a_gap(connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queues.mirror.samples.SETTLE_MS", -60_000)
    minute = await this_minute()
    await add(connection, "chat", 1)
    async with session() as mirror:
        await turn_until_quiet(mirror)
    # Its place is before the oldest event that is left.
    await Queue.objects.filter(name="chat").aupdate(cursor=f"{(minute - 5) * 60_000}-0")
    await finish(connection, "chat", await start(connection, "chat", 1))
    await taken()
    assert not await Sample.objects.filter(recorded=1, at__lte=minute * 60).aexists()


def test_a_tally_begins_anew_after_a_loss_and_after_workers_left() -> None:
    tally, chat = Tally(), Followed.resumed("chat", f"{10 * 60_000}-0")
    queues = {"chat": chat}
    tally.begin(queues)

    def seen(now: int, *recorded: str) -> list[int]:
        return [m for _, m, _ in tally.minutes(queues, [now - 2, now - 1], now, recorded)]

    assert seen(12) == [11]
    assert seen(13) == [11, 12]
    chat.losses += 1
    assert seen(14) == []
    assert seen(15) == []
    assert seen(16) == [15]
    # What workers record is not counted; when they have left, from the next whole minute on.
    assert seen(17, "chat") == []
    assert seen(18) == []
    assert seen(20) == [19]


# --- what is forgotten


async def test_each_step_is_forgotten_when_no_chart_reads_it_any_more(connection: str, settings: Any) -> None:
    settings.TORIL = {**settings.TORIL, "MIRROR": {"HISTORY_DAYS": 40}}
    reset_options()
    series = await Series.objects.acreate(connection="default", queue="chat")
    silent = await Series.objects.acreate(connection="default", queue="gone")
    now = time.time()
    kept = {60: 4 * 3600, 600: 30 * 3600, 3600: 8 * 86_400, 21_600: 32 * 86_400, 86_400: 40 * 86_400}
    for step_s, kept_s in kept.items():
        for age_s in (0, kept_s - step_s, kept_s + 86_400 + 2 * step_s):
            await Sample.objects.acreate(series=series, step_s=step_s, at=int(now - age_s) // step_s * step_s)
    leader, database = Leader(), DatabaseThread()
    await database.call(leader.try_take)
    duty = PruneSamples(leader)
    try:
        while await duty.turn() < ROUND_EVERY_S:
            ...
    finally:
        await duty.database.close()
        await database.close()
    left = [
        (row.step_s, now - row.at <= kept[row.step_s] + 2 * row.step_s) async for row in Sample.objects.order_by("pk")
    ]
    assert left == [(step_s, True) for step_s in kept for _ in range(2)]
    assert not await Series.objects.filter(pk=silent.pk).aexists()
    assert (await MirrorSize.objects.aget(name="samples")).rows == 10


async def test_a_new_session_looks_again_and_takes_back_nothing_of_how_far_the_tables_are(connection: str) -> None:
    await add(connection, "chat")
    async with session() as mirror:
        await turn_until_quiet(mirror)
        while mirror.samples.is_behind:
            await mirror.turn()
        until = (await SampleCursor.objects.aget()).until
        await mirror.sides.ask(mirror.samples.rows.save, [], until // 60 - 30)
    assert (await SampleCursor.objects.aget()).until == until
