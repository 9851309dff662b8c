"""What fires, when, and when it clears: every kind of rule against a real Redis, looked at by hand."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from queues import histogram
from queues import queue as queue_of
from queues.alerting import words
from queues.alerting.judging import LONGEST_GAP
from queues.errors import RedisUnavailable
from queues.histogram import bucket
from queues.mirror import stalls
from queues.mirror.alerts import EVERY_S, FRESH, rest_s
from queues.mirror.leader import LeaseLost
from queues.models import Alert, AlertLook, Lease, MirrorReport, Queue, Sample, Series, Stall
from queues.models.sample import EVENTS
from queues.options.alert_rules import KINDS
from queues.protocol.connections import prefix as prefix_of
from queues.protocol.connections import wire
from queues.protocol.keys import Keys
from queues.protocol.running import RunningCommands
from tests.alerting import alerts, configured, earlier, in_database, known, looking
from tests.eventually import eventually
from tests.mirroring import add, finish, redis, session, start, turn_until_quiet

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
QUICK = {"HOLD_S": 0, "COOLDOWN_S": 0}


async def phases() -> list[tuple[str, str]]:
    return [(alert.queue, alert.phase) for alert in await alerts()]


async def test_a_backlog_fires_after_its_hold_and_clears_at_its_own_level(connection, settings):
    configured(settings, RULES={"Deep": {"KIND": "backlog", "FIRES": 4, "CLEARS": 1, "HOLD_S": 60, "QUEUE": "mail*"}})
    await known("mails", "chat")
    await add(connection, "mails", 3)
    await add(connection, "chat", 9)
    async with looking() as duty:
        await duty.turn()
        assert await phases() == []
        await add(connection, "mails", 2)
        await duty.turn()
        assert await phases() == [("mails", "pending")]
        await earlier(61)
        await duty.turn()
        (one,) = await alerts()
        assert (one.phase, one.value, one.peak, one.fires, one.clears) == ("firing", 5, 5, 4, 1)
        await finish(connection, "mails", await start(connection, "mails", 3))
        await duty.turn()
        assert await phases() == [("mails", "firing")], "below its level is not yet at the level where it clears"
        await finish(connection, "mails", await start(connection, "mails", 1))
        await duty.turn()
        (one,) = await alerts()
        assert (one.phase, one.value, one.peak, one.ended_by) == ("cleared", 1, 5, "")
        await duty.turn()
        assert len(await alerts()) == 1


async def stalled(connection: str, queue: str, count: int) -> None:
    at = int(time.time()) // 60 * 60
    await Stall.objects.acreate(connection=connection, queue=queue, at=at, count=count)
    await MirrorReport.objects.acreate(connection=connection, said_at=timezone.now())


async def missed(connection: str, queue: str, count: int) -> None:
    """As after an operator who removed the job of its next run, some time ago."""
    await queue_of(queue).upsert_scheduler("nightly", every_ms=3_600_000)
    at = int(time.time() * 1000) - 605_000
    await redis(connection, "ZADD", f"{prefix_of(connection)}:{queue}:repeat", at, "nightly")


async def behind(connection: str, queue: str, count: int) -> None:
    await MirrorReport.objects.acreate(connection=connection, said_at=timezone.now(), lag_s=200)
    await known("elsewhere")


async def failing(connection: str, queue: str, count: int) -> None:
    series = await Series.objects.acreate(connection=connection, queue=queue)
    minute = int(time.time()) // 60 * 60 - 120
    ended = {"completed": 10, "failed": 20, "recorded": 1, "source": EVENTS}
    await Sample.objects.acreate(series=series, step_s=60, at=minute, wait=histogram.pack({bucket(400.0): 30}), **ended)


async def waiting(connection: str, queue: str, count: int) -> None:
    await add(connection, queue, count)


async def long_ago(connection: str, queue: str, count: int) -> None:
    (job_id,) = await add(connection, queue)
    at = int(time.time() * 1000) - 1_000_000
    await redis(connection, "HSET", f"{prefix_of(connection)}:{queue}:{job_id}", "timestamp", at)


async def nothing(connection: str, queue: str, count: int) -> None: ...


#: kind → what makes it so, and what the page says of it.
TROUBLES = {
    "backlog": (waiting, {"FIRES": 3}, "3 jobs waiting"),
    "oldest_waiting": (long_ago, {}, "the next job has waited 16 min"),
    "failure_rate": (failing, {"WINDOW_S": 3600}, "66.7 % of its jobs failed (20 of 30)"),
    "latency": (failing, {}, "5 of 100 jobs waited 6 min or longer for their start"),
    "stalled": (stalled, {"FIRES": 3}, "jobs stalled 3 times"),
    "no_worker": (waiting, {}, "3 jobs waiting, and no worker"),
    "scheduler_missed": (missed, {}, "its next run was due 10 min ago, and nothing will add it"),
    "mirror_behind": (behind, {}, "the mirror is 3 min behind"),
    "redis_memory": (nothing, {"FIRES": 0.0001, "CLEARS": 0}, "Redis uses"),
}


@pytest.mark.parametrize("kind", TROUBLES)
async def test_every_kind_of_trouble_is_seen_where_it_is_and_nowhere_else(connection, settings, kind):
    make, levels, said = TROUBLES[kind]
    configured(settings, RULES={"Watch": {"KIND": kind} | QUICK | levels})
    await known("mails", "calm")
    await make(connection, "mails", 3)
    async with looking() as duty:
        await duty.turn()
    (one,) = await alerts()
    assert one.phase == "firing"
    assert one.queue == ("mails" if KINDS[kind].per_queue else "")
    assert said in words.what(one)


async def test_a_paused_queue_waits_because_somebody_said_so(connection, settings):
    rules = {"Nobody": {"KIND": "no_worker"} | QUICK, "Old": {"KIND": "oldest_waiting"} | QUICK}
    configured(settings, RULES=rules | {"Deep": {"KIND": "backlog", "FIRES": 1} | QUICK})
    await known("mails")
    await long_ago(connection, "mails", 1)
    await queue_of("mails").pause()
    async with looking() as duty:
        await duty.turn()
    (one,) = await alerts()
    assert one.kind == "backlog"
    assert words.what(one) == "1 job waiting (the queue is paused)"


async def test_what_nobody_knows_clears_nothing_and_a_redis_that_is_silent_fires(own_redis, prefix, settings):
    settings.TORIL = {**settings.TORIL, "CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    rules = {"Deep": {"KIND": "backlog", "FIRES": 2} | QUICK, "Silent": {"KIND": "redis_silent"} | QUICK}
    configured(settings, RULES=rules)
    await known("mails")
    await add("default", "mails", 2)
    async with looking() as duty:
        await duty.turn()
        own_redis.stop()
        await duty.turn()
        (deep,) = await alerts()
        assert deep.phase == "firing"
        assert deep.blind_since is not None
    look = await AlertLook.objects.aget()
    assert look.silent_since is not None
    assert "Deep" in look.unknown
    await AlertLook.objects.aupdate(silent_since=timezone.now() - timedelta(seconds=31))
    async with looking() as taken_over:
        await taken_over.turn()
    silent, deep = await alerts()
    assert (silent.kind, silent.phase) == ("redis_silent", "firing")
    own_redis.start()
    await eventually(answers)
    await add("default", "mails", 2)
    async with looking() as duty:
        await duty.turn()
    silent, deep = await alerts()
    assert (silent.phase, deep.phase, deep.blind_since) == ("cleared", "firing", None)
    assert (await AlertLook.objects.aget()).silent_since is None


async def answers() -> bool:
    """A wire that was cut waits a little before it dials anew."""
    try:
        return bool(await redis("default", "PING"))
    except RedisUnavailable:
        return False


async def test_a_rule_may_say_that_not_knowing_is_trouble(connection, settings):
    rule = {"KIND": "failure_rate", "NO_DATA": "fire", "HOLD_S": 0}
    configured(settings, RULES={"Rate": rule | {"QUEUE": "mails"}, "Kept": rule | {"NO_DATA": "keep"}})
    await known("mails")
    async with looking() as duty:
        await duty.turn()
    (one,) = await alerts()
    assert (one.rule_name, words.what(one)) == ("Rate", "nobody knows: no job of it ended in that time")


async def test_few_jobs_may_clear_a_failure_rate_but_not_fire_it(connection, settings):
    configured(settings, RULES={"Rate": {"KIND": "failure_rate", "LEAST": 31, "WINDOW_S": 3600} | QUICK})
    await known("mails")
    await failing(connection, "mails", 0)
    async with looking() as duty:
        await duty.turn()
        assert await alerts() == []
        configured(settings, RULES={"Rate": {"KIND": "failure_rate", "LEAST": 30, "WINDOW_S": 3600} | QUICK})
        await duty.turn()
        assert await phases() == [("mails", "firing")]
        configured(settings, RULES={"Rate": {"KIND": "failure_rate", "LEAST": 31, "CLEARS": 70, "FIRES": 80} | QUICK})
        await duty.turn()
    assert await phases() == [("mails", "cleared")]


def test_however_long_a_look_takes_the_next_comes_before_holds_begin_anew_and_the_sign_of_life_ends():
    assert rest_s(0.0) == EVERY_S
    assert rest_s(1.0) > EVERY_S
    assert 2 * rest_s(60.0) < min(LONGEST_GAP, FRESH).total_seconds()


async def test_a_hold_that_nobody_watched_begins_anew(connection, settings):
    configured(settings, RULES={"Deep": {"KIND": "backlog", "FIRES": 1, "HOLD_S": 100}})
    await known("mails")
    await add(connection, "mails")
    async with looking() as duty:
        await duty.turn()
        await earlier(200)
        await Alert.objects.aupdate(seen_at=timezone.now() - timedelta(seconds=200))
        await duty.turn()
        assert await phases() == [("mails", "pending")], "nobody knows what was in between"
        await earlier(100)
        await duty.turn()
        assert await phases() == [("mails", "firing")]


async def test_what_fires_ends_with_its_queue_and_with_its_rule(connection, settings):
    rules = {"Deep": {"KIND": "backlog", "FIRES": 1} | QUICK}
    configured(settings, RULES=rules)
    await known("mails", "chat")
    await add(connection, "mails")
    await add(connection, "chat")
    async with looking() as duty:
        await duty.turn()
        await Queue.objects.filter(name="mails").aupdate(removed_at=timezone.now())
        await duty.turn()
        configured(settings, RULES={"Deep": {"KIND": "backlog", "IS_ON": False}})
        await duty.turn()
    told = [(alert.queue, alert.phase, alert.ended_by) for alert in await alerts()]
    assert told == [("chat", "cleared", "rule"), ("mails", "cleared", "gone")]


async def test_who_does_not_lead_any_more_writes_nothing(connection, settings):
    configured(settings, RULES={"Deep": {"KIND": "backlog", "FIRES": 1} | QUICK})
    await known("mails")
    await add(connection, "mails")
    async with looking() as duty:
        await Lease.objects.aupdate(holder="somebody else", epoch=99)
        with pytest.raises(LeaseLost):
            await duty.turn()
    assert await alerts() == []


async def test_a_stall_is_counted_once_however_often_its_event_is_read(connection, settings, client_of_redis, prefix):
    configured(settings, RULES={"Stalls": {"KIND": "stalled", "FIRES": 2} | QUICK})
    await add(connection, "mails", 3)
    await start(connection, "mails", 3)
    guard = RunningCommands(Keys(prefix, "mails"), name="tester", lock_ms=30_000)
    for _ in range(2):
        client_of_redis.delete(f"{prefix}:mails:stalled-check", *client_of_redis.keys(f"{prefix}:mails:*:lock"))
        await wire(connection).call(guard.recover_stalled(1, 1))
    async with session() as one:
        await turn_until_quiet(one)
    async with session() as again:
        await turn_until_quiet(again)
    async with looking() as duty:
        await duty.turn()
    (alert,) = await alerts()
    assert (alert.phase, alert.value) == ("firing", 3)
    # What came in one reading and what came in the next add up.
    row = await Stall.objects.afirst()
    await in_database(stalls.count)(connection, "mails", {row.at: 2})
    assert (await Stall.objects.aget(pk=row.pk)).count == row.count + 2
