"""One snapshot for all who look: shared, cheap, and honest while Redis is away."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
import redis

from queues.actions.actor import Actor
from queues.actions.queues import pause_queue, resume_queue
from queues.errors import RedisUnavailable
from queues.lookups import discovery
from queues.lookups import snapshot as snapshots
from queues.lookups.snapshot import forget, refresh, snapshot
from queues.options import reset_options
from queues.protocol import connections, reads, writes
from tests.eventually import Stopwatch, eventually
from tests.planting import plant_failed, plant_waiting

#: What the mirror recorded of the last hour is read beside the figures.
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
async def _no_snapshots_left():
    yield
    await forget()


@pytest.fixture
def away(own_redis, prefix, settings):
    """A connection whose server may be stopped; yields the server."""
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    yield own_redis
    reset_options()


def calls(client: redis.Redis, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


async def test_it_lists_every_queue_with_counts_flags_and_age(connection, client_of_redis, prefix, watch):
    await plant_waiting(connection, "b", 2)
    plant_failed(client_of_redis, prefix, "a/b", 3)
    await writes.pause(connection, "b")
    seen = await snapshot(connection)
    assert [(queue.name, queue.waiting, queue.failed, queue.is_paused) for queue in seen.queues] == [
        ("a/b", 0, 3, False),
        ("b", 2, 0, True),
    ]
    assert seen.queue("b").oldest_waiting_ms
    assert seen.queue("b").workers == 0
    assert seen.queue("nope") is None
    assert seen.server.version
    assert seen.age_s < watch.passed_s
    assert seen.error == ""


async def test_a_hundred_viewers_cost_one_round_trip(connection, client_of_redis):
    await plant_waiting(connection, "chat")
    await snapshot(connection)
    before = calls(client_of_redis, "llen")
    seen = await asyncio.gather(*[snapshot(connection, max_age_s=0) for _ in range(100)])
    assert len({id(one) for one in seen}) == 1
    assert calls(client_of_redis, "llen") - before == 3


async def test_a_young_snapshot_asks_redis_nothing(connection, client_of_redis):
    await plant_waiting(connection, "chat")
    first = await snapshot(connection)
    before = client_of_redis.info("stats")["total_commands_processed"]
    assert await snapshot(connection, max_age_s=60) is first
    assert client_of_redis.info("stats")["total_commands_processed"] - before == 1


async def test_an_unchanged_queue_stays_the_same_object_and_a_changed_one_does_not(connection):
    await plant_waiting(connection, "still")
    await plant_waiting(connection, "busy")
    first = await snapshot(connection)
    await plant_waiting(connection, "busy")
    second = await snapshot(connection, max_age_s=0)
    assert second.queue("still") is first.queue("still")
    assert second.queue("busy").waiting == 2
    assert first.queue("busy").waiting == 1


async def test_a_new_queue_shows_within_seconds_and_pages_do_not_wait_for_the_walk(connection, monkeypatch):
    monkeypatch.setattr(discovery, "REST_S", 0.2)
    await plant_waiting(connection, "old")
    await snapshot(connection)
    await plant_waiting(connection, "new")

    async def is_there():
        return (await snapshot(connection, max_age_s=0)).queue("new")

    await eventually(is_there, timeout_s=5)


async def test_names_are_walked_no_more_often_than_they_may(connection, client_of_redis):
    await plant_waiting(connection, "chat")
    await snapshot(connection)
    before = calls(client_of_redis, "scan")
    for _ in range(20):
        await snapshot(connection, max_age_s=0)
    assert calls(client_of_redis, "scan") == before


async def test_a_queue_whose_meta_vanished_goes_without_waiting_for_a_walk(connection, client_of_redis, prefix):
    await plant_waiting(connection, "gone")
    await plant_waiting(connection, "kept")
    await snapshot(connection)
    before = calls(client_of_redis, "scan")
    client_of_redis.delete(*client_of_redis.keys(f"{prefix}:gone:*"))
    seen = await snapshot(connection, max_age_s=0)
    assert [queue.name for queue in seen.queues] == ["kept"]
    assert calls(client_of_redis, "scan") == before
    before = calls(client_of_redis, "llen")
    await snapshot(connection, max_age_s=0)
    assert calls(client_of_redis, "llen") - before == 3


async def test_a_queue_that_is_only_empty_stays(connection, client_of_redis, prefix):
    client_of_redis.hset(f"{prefix}:empty:meta", "opts.maxLenEvents", 10000)
    assert (await snapshot(connection)).queue("empty")
    assert (await snapshot(connection, max_age_s=0)).queue("empty")


async def test_the_watcher_rereads_only_what_changed_into_the_shared_snapshot(connection, client_of_redis):
    await plant_waiting(connection, "busy")
    await plant_waiting(connection, "still")
    first = await snapshot(connection)
    await plant_waiting(connection, "busy", 4)
    before = calls(client_of_redis, "llen")
    again = await refresh(connection, ["busy"])
    assert calls(client_of_redis, "llen") - before == 3
    assert again.queue("busy").waiting == 5
    assert again.queue("still") is first.queue("still")
    assert again.taken_at == first.taken_at
    assert await snapshot(connection, max_age_s=60) is again


async def test_the_watcher_brings_a_new_queue_and_takes_a_vanished_one_away(connection, client_of_redis, prefix):
    await plant_waiting(connection, "old")
    await snapshot(connection)
    await plant_waiting(connection, "new")
    assert (await refresh(connection, ["new", "never"])).queue("new").waiting == 1
    client_of_redis.delete(*client_of_redis.keys(f"{prefix}:new:*"))
    seen = await refresh(connection, ["new"])
    assert [queue.name for queue in seen.queues] == ["old"]


async def test_a_cancelled_viewer_does_not_take_the_reading_from_the_others(connection):
    await plant_waiting(connection, "chat")
    first = asyncio.create_task(snapshot(connection))
    second = asyncio.create_task(snapshot(connection))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).queue("chat")
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_key_of_the_wrong_type_breaks_one_queue_and_names_the_key(connection, client_of_redis, prefix):
    await plant_waiting(connection, "fine", 2)
    await plant_waiting(connection, "bad")
    client_of_redis.delete(f"{prefix}:bad:wait")
    client_of_redis.hset(f"{prefix}:bad:wait", "a", 1)
    seen = await snapshot(connection)
    assert seen.queue("fine").waiting == 2
    assert seen.queue("bad").broken == f"Its key {prefix}:bad:wait is a hash, not a list."
    assert seen.queue("fine").broken == ""


async def test_a_meta_that_is_no_hash_breaks_that_queue_alone(connection, client_of_redis, prefix):
    await plant_waiting(connection, "bad")
    await plant_waiting(connection, "fine")
    await snapshot(connection)
    client_of_redis.delete(f"{prefix}:bad:meta")
    client_of_redis.set(f"{prefix}:bad:meta", "x")
    seen = await snapshot(connection, max_age_s=0)
    assert "meta is a string, not a hash" in seen.queue("bad").broken
    assert seen.queue("fine").waiting == 1


async def test_redis_gone_leaves_the_last_known_with_its_age_and_it_recovers_by_itself(away):
    await plant_waiting("default", "chat", 3)
    good = await snapshot()
    away.stop()
    watch = Stopwatch()
    seen = await snapshot(max_age_s=0)
    assert watch.calm_s < 2
    assert seen.queue("chat").waiting == 3
    assert seen.taken_at == good.taken_at
    assert "Redis" in seen.error
    assert (await refresh("default", ["chat"])).error
    away.start()

    async def is_back():
        return not (await snapshot(max_age_s=0)).error

    await eventually(is_back, timeout_s=5)
    assert (await snapshot(max_age_s=0)).queues == ()


async def test_redis_never_there_is_one_sentence(away):
    away.stop()
    with pytest.raises(RedisUnavailable, match="Redis cannot be reached"):
        await snapshot()
    with pytest.raises(RedisUnavailable):
        await snapshot()


async def test_a_frozen_redis_holds_a_page_up_for_less_than_two_seconds_and_only_once(away):
    await plant_waiting("default", "chat")
    await snapshot()
    away.process.send_signal(signal.SIGSTOP)
    try:
        watch = Stopwatch()
        assert (await snapshot(max_age_s=0)).error
        assert watch.calm_s < 2
        # The silence is known: nobody waits the wire's 1.5 s for it again.
        watch = Stopwatch()
        assert (await snapshot()).error
        assert watch.calm_s < 1
    finally:
        away.process.send_signal(signal.SIGCONT)

    async def is_back():
        return not (await snapshot(max_age_s=0)).error

    await eventually(is_back, timeout_s=5)


async def test_a_keyspace_that_takes_long_to_walk_is_walked_on_while_the_page_answers(connection, monkeypatch):
    walked = asyncio.Event()
    names = reads.queue_names

    async def slow(connection, found):
        if is_by_mail:
            found.add("mail")
        await walked.wait()
        return await names(connection, found)

    monkeypatch.setattr(reads, "queue_names", slow)
    is_by_mail = False
    await plant_waiting(connection, "chat")
    await plant_waiting(connection, "mail")
    watch = Stopwatch()
    with pytest.raises(RedisUnavailable, match="still being walked"):
        await snapshot(connection)
    assert watch.calm_s < 2
    await forget()
    is_by_mail = True
    # What it has come by so far is shown.
    assert [queue.name for queue in (await snapshot(connection)).queues] == ["mail"]
    walked.set()

    async def is_there():
        try:
            return (await snapshot(connection, max_age_s=0)).queue("chat")
        except RedisUnavailable:
            return None

    await eventually(is_there)


async def test_a_user_who_may_not_list_clients_still_sees_the_queues(away, settings, prefix):
    with redis.Redis(port=away.port) as admin:
        admin.execute_command(
            "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@read", "+ping", "-client", "-info", "-@dangerous"
        )
    await plant_waiting("default", "chat")
    url = away.url.replace("redis://", "redis://reader:secret@")
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": url, "PREFIX": prefix}}}
    reset_options()
    seen = await snapshot()
    assert seen.queue("chat").waiting == 1
    assert seen.queue("chat").workers is None
    assert seen.server is None


def test_each_event_loop_has_its_own(connection, client_of_redis, prefix):
    client_of_redis.hset(f"{prefix}:chat:meta", "opts.maxLenEvents", 10000)

    async def look():
        from queues.protocol.connections import close_wires

        try:
            return (await snapshot(connection)).queues
        finally:
            await close_wires()

    assert [queue.name for queue in asyncio.run(look())] == ["chat"]
    assert [queue.name for queue in asyncio.run(look())] == ["chat"]


async def test_two_hundred_queues_with_their_workers_and_ages_are_read_in_one_round_trip(
    connection, client_of_redis, prefix, monkeypatch
):
    for n in range(200):
        plant_failed(client_of_redis, prefix, f"q{n}", 1)
    ids = await plant_waiting(connection, "q7", 3)
    await snapshot(connection)
    monkeypatch.setattr(snapshots, "SURROUNDINGS_EVERY_S", 0)
    on, sent = connections.wire(connection), []
    send = on._write
    on._write = lambda *many: (sent.append(many), send(*many))
    # Another job is the oldest now, of which nothing is known: its age comes with the same answer.
    client_of_redis.lrem(f"{prefix}:q7:wait", 1, ids[0])
    found = await snapshot(connection, max_age_s=0)
    assert len(sent) == 1
    assert found.queue("q7").oldest_waiting_ms == int(client_of_redis.hget(f"{prefix}:q7:{ids[1]}", "timestamp"))
    assert found.queue("q7").workers == 0


async def test_a_user_who_may_not_sort_still_sees_how_old_the_oldest_is(away, settings, prefix):
    with redis.Redis(port=away.port) as admin:
        admin.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-sort_ro")
    (job_id,) = await plant_waiting("default", "chat")
    settings.TORIL = {
        "CONNECTIONS": {"default": {"URL": away.url.replace("redis://", "redis://reader:secret@"), "PREFIX": prefix}}
    }
    reset_options()
    with redis.Redis(port=away.port) as admin:
        added = int(admin.hget(f"{prefix}:chat:{job_id}", "timestamp"))
    for _ in range(2):
        queue = (await snapshot(max_age_s=0)).queue("chat")
        assert (queue.oldest_waiting_ms, queue.broken) == (added, "")


async def test_a_name_with_a_star_has_its_oldest_jobs_age_too(connection, client_of_redis, prefix):
    (job_id,) = await plant_waiting(connection, "a*b")
    added = int(client_of_redis.hget(f"{prefix}:a*b:{job_id}", "timestamp"))
    assert (await snapshot(connection)).queue("a*b").oldest_waiting_ms == added


@pytest.mark.django_db(transaction=True)
async def test_a_paused_queue_tells_who_paused_it_until_it_runs_again(connection):
    await plant_waiting(connection, "chat")
    ana = Actor(None, "ana")
    await pause_queue(ana, connection, "chat")
    pauser = (await snapshot(connection)).queue("chat").pauser
    assert pauser.name == "ana"
    assert abs(pauser.at_ms / 1000 - time.time()) < 5
    await resume_queue(ana, connection, "chat")
    assert (await snapshot(connection, max_age_s=0)).queue("chat").pauser is None
