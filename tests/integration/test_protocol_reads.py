"""Reads against real keys: order, counts, odd data."""

from __future__ import annotations

import base64

import pytest
import redis

from queues import queue
from queues.errors import RedisUnavailable
from queues.protocol import events, reads, writes
from queues.protocol.connections import open_wire, wire
from queues.protocol.keys import Keys
from queues.states import State
from tests.planting import plant_delayed, plant_failed, plant_waiting


async def test_queues_are_found_in_redis_and_look_alikes_are_not(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    await plant_waiting(connection, "a/b")
    client_of_redis.hset(f"{prefix}:chat:repeat:x:meta", "a", 1)
    client_of_redis.set(f"{prefix}:string:meta", "no hash")
    assert await reads.queue_names(connection) == ["a/b", "chat"]


async def test_waiting_jobs_stand_next_to_run_first_and_deep_pages_fit_on(connection):
    ids = await plant_waiting(connection, "chat", 30)
    pages = [await reads.job_page(connection, "chat", State.WAITING, start, 7) for start in range(0, 35, 7)]
    assert [row.record.id for page in pages for row in page.rows] == ids
    assert {page.total for page in pages} == {30}


async def test_finished_jobs_stand_newest_first(connection, client_of_redis, prefix):
    ids = plant_failed(client_of_redis, prefix, "chat", 5)
    page = await reads.job_page(connection, "chat", State.FAILED, 1, 3)
    assert [row.record.id for row in page.rows] == ids[::-1][1:4]
    assert page.rows[0].record.failed_reason == "TimeoutError: no answer"


async def test_a_list_reads_no_payload(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2, data='"' + "x" * 1_000_000 + '"')
    before = client_of_redis.info("stats")["total_net_output_bytes"]
    await reads.job_page(connection, "chat", State.FAILED, 0, 25)
    assert client_of_redis.info("stats")["total_net_output_bytes"] - before < 50_000


async def test_delayed_jobs_say_when_they_are_due(connection):
    (job_id,) = await plant_delayed(connection, "chat", 1, delay_ms=60_000)
    row = (await reads.job_page(connection, "chat", State.DELAYED, 0, 25)).rows[0]
    assert row.record.id == job_id
    assert row.due_ms == row.record.timestamp_ms + 60_000


async def test_a_score_that_is_no_time_says_nothing_of_when_a_job_is_due(connection, client_of_redis, prefix):
    scores = {"never": float("-inf"), "ever": float("inf"), "far": 1e300}
    client_of_redis.zadd(f"{prefix}:chat:delayed", scores)
    rows = (await reads.job_page(connection, "chat", State.DELAYED, 0, 25)).rows
    assert [(row.record.id, row.due_ms) for row in rows] == [("never", None), ("far", None), ("ever", None)]
    assert await reads.job_states(connection, "chat", list(scores)) == [State.DELAYED] * 3
    client_of_redis.zadd(f"{prefix}:chat:repeat", {"daily": float("inf")})
    assert [schedule.id for schedule in await queue("chat").schedulers()] == ["daily"]


async def test_jobs_an_older_bullmq_parked_in_paused_count_as_waiting(connection, client_of_redis, prefix):
    await plant_waiting(connection, "old", 3)
    client_of_redis.rename(f"{prefix}:old:wait", f"{prefix}:old:paused")
    client_of_redis.hset(f"{prefix}:old:meta", "paused", 1)
    later = await plant_waiting(connection, "old", 2)
    (facts,) = await reads.queue_facts(connection, ["old"])
    assert facts.counts["waiting"] == 5
    assert facts.is_paused
    assert await reads.state_ids(connection, "old", State.WAITING, 0, 25) == [*later, "1", "2", "3"]
    assert await reads.state_ids(connection, "old", State.WAITING, 3, 25) == ["2", "3"]
    assert await writes.resume(connection, "old") == 0


async def test_facts_of_many_queues_name_limits_ages_and_what_is_broken(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 2)
    client_of_redis.hset(f"{prefix}:chat:meta", mapping={"concurrency": 4, "max": 10, "duration": 60000})
    client_of_redis.set(f"{prefix}:chat:limiter", 10, px=30_000)
    client_of_redis.hset(f"{prefix}:bad:wait", "a", 1)
    chat, bad, none = await reads.queue_facts(connection, ["chat", "bad", "none"])
    assert (chat.concurrency, chat.rate_limit_max, chat.rate_limit_duration_ms) == (4, 10, 60000)
    assert 0 < chat.rate_limited_ms <= 30_000
    assert chat.oldest_waiting_ms > 1_600_000_000_000
    assert "WRONGTYPE" in bad.broken
    assert not none.broken
    assert sum(none.counts.values()) == 0


async def test_a_job_tells_where_it_is_and_how_large_its_parts_are(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1, data='"' + "x" * 200_000 + '"')
    client_of_redis.set(f"{prefix}:chat:1:lock", "token")
    sight = await reads.job(connection, "chat", "1", limit_bytes=1000)
    assert sight.state is State.FAILED
    assert sight.is_locked
    assert sight.sizes["data"] == 200_002
    assert len(sight.record.data) == 1000
    assert not sight.record.problems
    whole = await reads.job_field(connection, "chat", "1", "data")
    assert whole is not None
    assert len(whole) == 200_002


async def test_a_job_that_is_nowhere_does_not_exist(connection):
    sight = await reads.job(connection, "chat", "gone")
    assert not sight.record.exists
    assert sight.state is State.UNKNOWN


async def test_a_wrong_type_at_a_jobs_key_is_shown_not_raised(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    client_of_redis.delete(f"{prefix}:chat:1")
    client_of_redis.set(f"{prefix}:chat:1", "no hash")
    (row,) = (await reads.job_page(connection, "chat", State.FAILED, 0, 25)).rows
    assert "WRONGTYPE" in row.record.problems[0]


async def test_logs_come_from_either_end(connection, client_of_redis, prefix):
    client_of_redis.rpush(f"{prefix}:chat:1:logs", *[f"line {n}" for n in range(10)])
    assert (await reads.job_logs(connection, "chat", "1", 0, 3)).lines == ["line 0", "line 1", "line 2"]
    last = await reads.job_logs(connection, "chat", "1", -3, 3)
    assert (last.lines, last.total) == (["line 7", "line 8", "line 9"], 10)


@pytest.mark.parametrize("worker", ["", ":w:web-1"])
async def test_workers_are_known_by_the_name_node_gives_its_connection(connection, redis_server, prefix, worker):
    name = f"{prefix}:{base64.b64encode(b'chat').decode()}{worker}"
    with redis.Redis(port=redis_server.port, client_name=name) as one, redis.Redis(port=redis_server.port) as other:
        one.ping()
        other.client_setname(f"{prefix}:{base64.b64encode(b'chat').decode()}:qe")
        assert (await reads.worker_clients(connection) or {})["chat"] == 1


@pytest.mark.parametrize("queue", ["chat", "deep-research"])
async def test_a_python_worker_is_known_even_where_its_queues_name_is_base64_as_well(
    connection, redis_server, prefix, queue
):
    name = f"{prefix}:{queue}:w:one"
    with redis.Redis(port=redis_server.port, client_name=name) as one, redis.Redis(port=redis_server.port) as other:
        one.ping()
        other.client_setname(name)
        assert (await reads.worker_clients(connection) or {}).get(queue) == 1


async def test_a_user_who_may_only_read_can_browse(connection, client_of_redis, prefix, redis_server, settings):
    from queues.options import reset_options

    await plant_waiting(connection, "chat", 2)
    client_of_redis.acl_setuser(
        "reader", enabled=True, passwords=["+pw"], keys=["*"], categories=["+@read", "-@dangerous"], commands=["+ping"]
    )
    settings.TORIL = {
        "CONNECTIONS": {"default": {"URL": f"redis://reader:pw@127.0.0.1:{redis_server.port}", "PREFIX": prefix}}
    }
    reset_options()
    assert (await reads.queue_facts(connection, ["chat"]))[0].counts["waiting"] == 2
    assert len((await reads.job_page(connection, "chat", State.WAITING, 0, 25)).rows) == 2
    assert (await reads.job(connection, "chat", "1")).state is State.WAITING
    assert await reads.worker_clients(connection) is None
    assert await reads.server_info(connection) is None


async def test_events_say_what_happened_after_a_cursor(connection, prefix):
    (first,) = await plant_waiting(connection, "chat")
    on = open_wire(connection)
    found = await events.read_events(on, prefix, {"chat": "0-0"}, 100)
    assert [(event.type, event.job_id) for event in found] == [("added", first), ("waiting", first)]
    assert await events.read_events(on, prefix, {"chat": found[-1].id}, 100) == []
    assert await events.changed(on, prefix, {"chat": found[-1].id}, 50) == set()
    await plant_waiting(connection, "chat")
    assert await events.changed(on, prefix, {"chat": found[-1].id, "quiet": "0-0"}, 1000) == {"chat"}
    await on.close()


async def test_nothing_written_after_the_servers_time_stands_before_it(connection, prefix):
    position = await events.server_now(wire(connection))
    await plant_waiting(connection, "chat")
    assert await events.changed(wire(connection), prefix, {"chat": position}, 1000) == {"chat"}


async def test_redis_away_is_one_clear_error(own_redis, settings):
    from queues.options import reset_options

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "x"}}}
    reset_options()
    own_redis.stop()
    with pytest.raises(RedisUnavailable, match="cannot be reached"):
        await reads.queue_names("default")
    reset_options()


async def test_state_look_up_finds_every_state(connection, client_of_redis, prefix):
    k = Keys(prefix, "chat")
    for state in (State.PRIORITIZED, State.DELAYED, State.FAILED, State.COMPLETED, State.WAITING_CHILDREN):
        client_of_redis.zadd(k.state(state), {f"id-{state}": 1})
    client_of_redis.lpush(k("wait"), f"id-{State.WAITING}")
    client_of_redis.lpush(k("active"), f"id-{State.ACTIVE}")
    ids = [f"id-{state}" for state in State]
    assert await reads.job_states(connection, "chat", ids) == list(State)
