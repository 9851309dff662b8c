"""Adding jobs: what lies in Redis afterwards, and what is refused before anything lies there."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time

import pytest
import redis
from asgiref.sync import async_to_sync

from queues import queue
from queues.errors import InvalidInput, RedisUnavailable, TorilError
from queues.options import DECLARED, reset_options
from queues.protocol.blocking import close_blocking
from queues.protocol.keys import Keys
from queues.signals import job_added
from tests.conftest import RedisServer
from tests.eventually import Stopwatch, eventually, eventually_sync
from tests.stand import ROOT


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, "chat")


@pytest.fixture(autouse=True)
def _no_idle_connections():
    yield
    close_blocking()


def stored(client: redis.Redis, keys: Keys, job_id: str) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in client.hgetall(keys.job(job_id)).items()}


async def test_a_job_lies_in_wait_as_node_would_write_it(connection, keys, client_of_redis):
    added = await queue("chat").add("greet", {"to": "Zoë", "none": None})
    assert (added.id, added.queue, added.name) == ("1", "chat", "greet")
    job = stored(client_of_redis, keys, "1")
    assert client_of_redis.lrange(keys("wait"), 0, -1) == [b"1"]
    assert job["name"] == "greet"
    assert job["data"] == '{"to":"Zoë","none":null}'
    assert json.loads(job["opts"]) == {"attempts": 0}
    assert abs(int(job["timestamp"]) - time.time() * 1000) < 5_000
    assert (job["delay"], job["priority"]) == ("0", "0")


async def test_every_option_is_stored_under_the_key_node_reads(connection, keys, client_of_redis):
    await queue("chat").add(
        "greet",
        job_id="mine",
        priority=7,
        attempts=4,
        backoff={"type": "exponential", "delay": 250, "jitter": 0.5},
        remove_on_complete={"age": 60, "count": 10},
        remove_on_fail=5,
        keep_logs=3,
        stack_trace_limit=2,
        timestamp_ms=1_700_000_000_000,
    )
    job = stored(client_of_redis, keys, "mine")
    assert json.loads(job["opts"]) == {
        "attempts": 4,
        "backoff": {"type": "exponential", "delay": 250, "jitter": 0.5},
        "priority": 7,
        "removeOnComplete": {"age": 60, "count": 10},
        "removeOnFail": 5,
        "kl": 3,
        "stackTraceLimit": 2,
        "jobId": "mine",
        "timestamp": 1_700_000_000_000,
    }
    assert job["timestamp"] == "1700000000000"
    assert job["data"] == "{}"
    assert client_of_redis.zrange(keys("prioritized"), 0, -1) == [b"mine"]


async def test_a_delayed_job_is_due_when_it_says(connection, keys, client_of_redis):
    before = time.time() * 1000
    added = await queue("chat").add("later", delay_ms=60_000, backoff=500)
    (_, score), *_ = client_of_redis.zrange(keys("delayed"), 0, -1, withscores=True)
    assert before + 59_990 < score / 4096 < before + 62_000
    assert json.loads(stored(client_of_redis, keys, added.id)["opts"])["backoff"] == {"type": "fixed", "delay": 500}


async def test_the_newest_lifo_job_is_next(connection, keys, client_of_redis):
    for name in "ab":
        await queue("chat").add(name, job_id=name)
    await queue("chat").add("c", job_id="c", lifo=True)
    assert client_of_redis.lrange(keys("wait"), 0, -1)[-1] == b"c"


async def test_the_queues_settings_apply_where_a_job_does_not_say_otherwise(
    connection, keys, client_of_redis, settings
):
    settings.TORIL = {
        **settings.TORIL,
        "QUEUES": {
            "chat": {
                "attempts": 3,
                "backoff": {"type": "exponential", "delay": 1000},
                "remove_on_complete": {"age": 3600},
                "remove_on_fail": True,
            }
        },
    }
    reset_options()
    plain = await queue("chat").add("plain")
    own = await queue("chat").add("own", attempts=1, backoff=5, remove_on_fail=False)
    opts = json.loads(stored(client_of_redis, keys, plain.id)["opts"])
    assert opts == {
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 1000},
        "removeOnComplete": {"age": 3600},
        "removeOnFail": True,
    }
    opts = json.loads(stored(client_of_redis, keys, own.id)["opts"])
    assert (opts["attempts"], opts["backoff"], opts["removeOnFail"]) == (1, {"type": "fixed", "delay": 5}, False)


async def test_what_its_processors_declare_applies_as_soon_as_it_is_known(connection, monkeypatch):
    before = await (await queue("chat").add("greet")).refresh()
    monkeypatch.setitem(DECLARED, "chat", {"attempts": 4})
    after = await (await queue("chat").add("greet")).refresh()
    DECLARED["chat"]["attempts"] = 5
    again = await (await queue("chat").add("greet")).refresh()
    assert [job.options["attempts"] for job in (before, after, again)] == [0, 4, 5]


async def test_an_id_that_exists_adds_nothing(connection, keys, client_of_redis):
    first = await queue("chat").add("greet", {"n": 1}, job_id="once")
    again = await queue("chat").add("greet", {"n": 2}, job_id="once")
    assert first.id == again.id == "once"
    assert stored(client_of_redis, keys, "once")["data"] == '{"n":1}'
    assert client_of_redis.llen(keys("wait")) == 1


@pytest.mark.parametrize(
    "job_id", ["a b", "😀", "<img src=x>", "/?#%", "x/retry", '"q"', "[*]", "y" * 500, "null", "v1.2"]
)
async def test_ids_that_people_choose_are_kept(connection, keys, client_of_redis, job_id):
    assert (await queue("chat").add("greet", job_id=job_id)).id == job_id
    assert client_of_redis.exists(keys.job(job_id))


async def test_half_a_surrogate_pair_in_data_is_escaped_as_json(connection, keys, client_of_redis):
    added = await queue("chat").add("greet", {"name": "\ud83d"})
    assert stored(client_of_redis, keys, added.id)["data"] == '{"name":"\\ud83d"}'


def test_plain_code_adds_through_the_sync_door(connection, keys, client_of_redis):
    added = queue("chat").sync.add("greet", {"n": 1}, priority=2)
    assert stored(client_of_redis, keys, added.id)["data"] == '{"n":1}'


async def test_threads_add_through_the_sync_door_at_once(connection, keys, client_of_redis):
    def add_ten() -> None:
        for _ in range(10):
            queue("chat").sync.add("greet")

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert client_of_redis.llen(keys("wait")) == 40


async def test_the_sync_door_says_why_it_is_shut_inside_an_event_loop(connection, client_of_redis, prefix):
    with pytest.raises(TorilError, match="await queue"):
        queue("chat").sync.add("greet")
    assert client_of_redis.keys(f"{prefix}*") == []


async def test_adding_fails_within_two_seconds_when_redis_is_gone(own_redis: RedisServer, settings):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "gone"}}}
    reset_options()
    await queue("chat").add("greet")
    await asyncio.to_thread(own_redis.stop)
    for add in (lambda: queue("chat").add("greet"), lambda: asyncio.to_thread(queue("chat").sync.add, "greet")):
        watch = Stopwatch()
        with pytest.raises(RedisUnavailable):
            await add()
        assert watch.calm_s < 2
    await asyncio.to_thread(own_redis.start)
    await eventually(adding_works, timeout_s=3)
    reset_options()


async def adding_works() -> bool:
    try:
        await queue("chat").add("greet")
    except RedisUnavailable:
        return False
    return True


@pytest.mark.parametrize("kind", ["asyncio.run", "async_to_sync"])
def test_a_loop_that_ends_leaves_no_connection_behind(connection, client_of_redis, kind):
    before = len(client_of_redis.client_list())
    for _ in range(5):
        if kind == "asyncio.run":
            asyncio.run(queue("chat").add("x"))
        else:
            async_to_sync(queue("chat").add)("x")
    eventually_sync(lambda: len(client_of_redis.client_list()) <= before)


@pytest.fixture
def heard():
    """Whatever `job_added` tells."""
    told: list[dict[str, str]] = []

    def listen(sender, **facts):
        assert sender == facts["queue"]
        told.append({name: facts[name] for name in ("queue", "job_id", "job_name")})

    job_added.connect(listen)
    yield told
    job_added.disconnect(listen)


async def test_every_job_that_was_added_is_announced(connection, heard):
    chat = queue("chat")
    await chat.add("one", job_id="a")
    await chat.add_bulk([{"name": "two", "job_id": "b"}, {"name": "three", "job_id": "c"}])
    await chat.add_flow("four", job_id="d", children=[{"name": "five", "job_id": "e", "queue": "other"}])
    await chat.upsert_scheduler("beat", every_ms=60_000, name="six")
    job = await chat.run_scheduler("beat")
    with pytest.raises(InvalidInput):
        await chat.add("refused", priority=-1)
    told = [("chat", "a", "one"), ("chat", "b", "two"), ("chat", "c", "three"), ("chat", "d", "four")]
    told += [("other", "e", "five"), ("chat", job.id, "six")]
    assert [(one["queue"], one["job_id"], one["job_name"]) for one in heard] == told


def test_what_a_listener_raises_harms_no_job(connection):
    def listen(sender, **facts):
        raise ZeroDivisionError

    job_added.connect(listen)
    try:
        assert queue("chat").sync.add("greet").id == "1"
    finally:
        job_added.disconnect(listen)


def test_a_script_that_used_the_sync_door_ends_without_a_warning(redis_server):
    program = f"""
from django.conf import settings
settings.configure(TORIL={{"CONNECTIONS": {{"default": {{"URL": {redis_server.url!r}}}}}}})
from queues import queue
queue("chat").sync.counts()
"""
    ended = subprocess.run([sys.executable, "-X", "dev", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
