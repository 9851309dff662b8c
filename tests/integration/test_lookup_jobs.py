"""Lists and single jobs, whatever they hold, and what the mirror kept when Redis has them no more."""

from __future__ import annotations

import json
import time

import pytest
import redis
from django.utils import timezone

from queues.errors import JobNotFound, RedisUnavailable
from queues.lookups import jobs as lookup
from queues.lookups.jobs import job_detail
from queues.lookups.lists import job_list
from queues.lookups.payloads import job_payload
from queues.models import Job
from queues.options import reset_options
from queues.protocol.codec import raw, text
from queues.states import State
from tests.planting import plant_delayed, plant_failed, plant_waiting


async def test_a_page_of_failed_jobs_is_newest_first_and_knows_its_place(connection, client_of_redis, prefix):
    ids = plant_failed(client_of_redis, prefix, "chat", 60)
    seen = await job_list(connection, "chat", State.FAILED, page=2)
    assert [job.job_id for job in seen.jobs] == ids[::-1][25:50]
    assert (seen.total, seen.page, seen.pages, seen.per_page, seen.note) == (60, 2, 3, 25, "")
    assert seen.jobs[0].first_error_line == "TimeoutError: no answer"
    assert seen.jobs[0].state == "failed"


@pytest.mark.parametrize(
    ("asked", "got", "note"),
    [
        (0, 1, "There is no page 0: this is the first one."),
        (-5, 1, "There is no page -5: this is the first one."),
        (4, 3, "There is no page 4: this is the last one."),
        (10**30, 3, f"There is no page {10**30}: this is the last one."),
    ],
)
async def test_a_page_that_is_not_there_becomes_the_nearest(connection, client_of_redis, prefix, asked, got, note):
    plant_failed(client_of_redis, prefix, "chat", 60)
    seen = await job_list(connection, "chat", State.FAILED, page=asked)
    assert (seen.page, seen.note) == (got, note)
    assert len(seen.jobs) == (25 if got == 1 else 10)


async def test_an_empty_state_has_one_empty_page(connection):
    await plant_waiting(connection, "chat")
    seen = await job_list(connection, "chat", State.FAILED)
    assert (seen.jobs, seen.total, seen.page, seen.pages, seen.note) == ([], 0, 1, 1, "")


async def test_a_state_that_does_not_exist_shows_the_waiting_jobs_and_says_so(connection):
    await plant_waiting(connection, "chat", 2)
    seen = await job_list(connection, "chat", "bogus")
    assert (seen.state, len(seen.jobs)) == (State.WAITING, 2)
    assert seen.note == "There is no state “bogus”: these are the waiting jobs."
    assert (await job_list(connection, "chat", "wait")).note == ""


async def test_a_page_is_never_larger_than_it_may_be(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 400)
    assert len((await job_list(connection, "chat", "failed", per_page=10**9)).jobs) == 300
    assert len((await job_list(connection, "chat", "failed", per_page=0)).jobs) == 1


async def test_delayed_jobs_know_when_they_are_due(connection):
    await plant_delayed(connection, "chat", 1, delay_ms=60_000)
    (job,) = (await job_list(connection, "chat", State.DELAYED)).jobs
    assert job.due_ms == job.timestamp_ms + 60_000


async def test_the_last_page_of_many_is_as_quick_as_the_first(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 10_000)

    async def took(page: int) -> float:
        best = 1.0
        for _ in range(5):
            began = time.perf_counter()
            assert len((await job_list(connection, "chat", State.FAILED, page)).jobs) == 25
            best = min(best, time.perf_counter() - began)
        return best

    longest = await took(1) * 3 + 0.02
    assert await took(400) < longest
    assert await took(200) < longest


async def test_odd_jobs_in_a_list_show_what_is_wrong_and_spare_the_others(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 5)
    base = f"{prefix}:chat:"
    client_of_redis.delete(f"{base}1", f"{base}2")
    client_of_redis.rpush(f"{base}2", "a list")
    client_of_redis.hset(f"{base}3", mapping={"opts": "{corrupt", "timestamp": "soon", "name": b"\xff\xfe"})
    client_of_redis.zadd(f"{base}failed", {b"\xff\x00id": 1})
    seen = {job.job_id: job for job in (await job_list(connection, "chat", State.FAILED)).jobs}
    assert len(seen) == 6
    assert not seen["1"].exists
    assert "its hash is gone" in seen["1"].problems
    assert "WRONGTYPE" in seen["2"].problems
    assert "opts is not JSON" in seen["3"].problems
    assert "timestamp is not a number" in seen["3"].problems
    assert seen["3"].name == text(b"\xff\xfe")
    assert seen["5"].problems == ""
    assert raw(next(id_ for id_ in seen if id_.endswith("id"))) == b"\xff\x00id"


async def test_a_structural_key_of_the_wrong_type_is_a_sentence(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    client_of_redis.set(f"{prefix}:chat:failed", "x")
    seen = await job_list(connection, "chat", State.FAILED)
    assert seen.broken == f"Its key {prefix}:chat:failed is a string, not a sorted set."
    assert seen.jobs == []
    assert (await job_list(connection, "chat", State.WAITING)).broken == ""


async def test_one_job_is_whole(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    client_of_redis.rpush(f"{prefix}:chat:1:logs", *[f"line {n}" for n in range(500)])
    seen = await job_detail(connection, "chat", "1")
    assert seen.is_live
    assert (seen.job.state, seen.job.data, seen.job.failed_reason) == ("failed", '{"n": 0}', "TimeoutError: no answer")
    assert seen.job.stacks == ["TimeoutError: no answer\n  at work (jobs.py:1)"]
    assert (len(seen.logs), seen.logs[-1], seen.log_total) == (200, "line 499", 500)
    assert seen.sizes["data"] == 8
    assert seen.cut == frozenset()
    assert seen.note == ""


async def test_a_large_payload_is_cut_and_says_its_real_size(connection, client_of_redis, prefix):
    large = json.dumps({"text": "é" * 3_000_000}, ensure_ascii=False)
    plant_failed(client_of_redis, prefix, "chat", 1, data=large)
    client_of_redis.rpush(f"{prefix}:chat:1:logs", "x" * 100_000)
    seen = await job_detail(connection, "chat", "1")
    assert seen.sizes["data"] == len(large.encode())
    assert seen.cut == {"data"}
    assert len(seen.job.data.encode()) <= 65_536 + 3
    assert seen.job.problems == ""
    assert len(seen.logs[0]) < 10_000
    assert await job_payload(connection, "chat", "1", "data") == large.encode()
    assert await job_payload(connection, "chat", "1", "name") is None


async def test_a_long_history_of_stacks_still_shows_every_newest_attempt(connection, client_of_redis, prefix):
    stacks = [f"Error {n}\n" + "frame\n" * 5_000 for n in range(10)]
    plant_failed(client_of_redis, prefix, "chat", 1, stacktrace=json.dumps(stacks))
    seen = await job_detail(connection, "chat", "1")
    assert "stacktrace" in seen.cut
    assert [stack.split("\n")[0] for stack in seen.job.stacks] == [f"Error {n}" for n in range(2, 10)]
    assert max(map(len, seen.job.stacks)) < 9_000


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "stored",
    ["[" * 200_000, "1" * 6_000, '"\\ud800"', "NaN", "{corrupt", "", b"\xff\xfe", '["' + "x" * 200_000],
)
async def test_data_of_any_kind_is_shown_as_stored(connection, client_of_redis, prefix, stored):
    plant_failed(client_of_redis, prefix, "chat", 1, data=stored, stacktrace=stored, opts=stored, progress=stored)
    seen = await job_detail(connection, "chat", "1")
    as_bytes = stored if isinstance(stored, bytes) else stored.encode()
    if "data" not in seen.cut:
        assert raw(seen.job.data) == as_bytes
    assert await job_payload(connection, "chat", "1", "data") == as_bytes
    assert isinstance(seen.job.stacks, list)
    assert (await job_list(connection, "chat", State.FAILED)).jobs[0].job_id == "1"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("odd", ["x/retry", "a b", "émoji 🐂", "'\"<b>", "%2F", "../..", "*?[a]", "\x00\x01", "7:8:9"])
async def test_any_id_is_found_under_its_own_name(connection, client_of_redis, prefix, odd):
    stored = odd.encode()
    name = text(stored)
    client_of_redis.hset(f"{prefix}:chat:meta", "opts.maxLenEvents", 1)
    client_of_redis.hset(f"{prefix}:chat:".encode() + stored, mapping={"name": "n", "timestamp": 5, "data": "{}"})
    client_of_redis.zadd(f"{prefix}:chat:failed", {stored: 5})
    assert (await job_detail(connection, "chat", name)).job.job_id == name
    assert [job.job_id for job in (await job_list(connection, "chat", "failed")).jobs] == [name]


async def test_an_id_whose_hash_is_gone_is_shown_with_its_problem(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2)
    client_of_redis.delete(f"{prefix}:chat:1", f"{prefix}:chat:2")
    client_of_redis.rpush(f"{prefix}:chat:2", "a list")
    for job_id, problem in (("1", "its hash is gone"), ("2", "WRONGTYPE")):
        seen = await job_detail(connection, "chat", job_id)
        assert (seen.job.exists, seen.job.state, seen.is_live) == (False, "failed", True)
        assert problem in seen.job.problems


async def test_a_hash_that_no_list_holds_says_so(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    client_of_redis.delete(f"{prefix}:chat:failed")
    seen = await job_detail(connection, "chat", "1")
    assert seen.job.state == "unknown"
    assert "no list of the queue holds it" in seen.job.problems


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["meta", "wait", "events", "1:logs", "1:lock", "repeat:nightly", "nope", ""])
async def test_what_is_no_job_is_not_found(connection, client_of_redis, prefix, name):
    await plant_waiting(connection, "chat")
    client_of_redis.rpush(f"{prefix}:chat:1:logs", "x")
    client_of_redis.set(f"{prefix}:chat:1:lock", "x")
    client_of_redis.hset(f"{prefix}:chat:repeat:nightly", mapping={"name": "n", "data": "{}", "every": 1000})
    with pytest.raises(JobNotFound):
        await job_detail(connection, "chat", name)


async def keep(job_id: str, timestamp_ms: int, **more) -> Job:
    return await Job.objects.acreate(
        connection="default",
        queue="chat",
        job_id=job_id,
        timestamp_ms=timestamp_ms,
        **{"state": "completed", "data": '{"kept":true}', **more},
    )


@pytest.mark.django_db(transaction=True)
async def test_a_job_redis_dropped_is_shown_as_the_mirror_kept_it(connection):
    await plant_waiting(connection, "chat")
    gone = timezone.now()
    await keep("77", 1000, name="older", removed_at=gone)
    await keep("77", 2000, name="newer", removed_at=gone, data='"' + "x" * 100_000 + '"')
    await Job.objects.acreate(connection="default", queue="other", job_id="77", timestamp_ms=9000, state="failed")
    seen = await job_detail(connection, "chat", "77")
    assert (seen.is_live, seen.job.name, seen.job.removed_at) == (False, "newer", gone)
    assert seen.note.startswith("Redis no longer has this job.")
    assert (seen.sizes["data"], seen.cut) == (100_002, {"data"})
    assert len(seen.job.data) < 66_000
    assert len(await job_payload(connection, "chat", "77", "data")) == 100_002


@pytest.fixture
def away(own_redis, prefix, settings):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    yield own_redis
    reset_options()


@pytest.mark.django_db(transaction=True)
async def test_while_redis_is_away_the_mirrors_copy_is_shown_as_such(away):
    await keep("7", 1000, state="failed")
    away.stop()
    seen = await job_detail("default", "chat", "7")
    assert (seen.is_live, seen.job.state, seen.job.data) == (False, "failed", '{"kept":true}')
    assert "Redis" in seen.note
    assert "copy Toril kept" in seen.note
    with pytest.raises(RedisUnavailable):
        await job_detail("default", "chat", "8")
    with pytest.raises(RedisUnavailable):
        await job_list("default", "chat", "failed")


@pytest.mark.django_db(transaction=True)
async def test_an_id_that_came_back_is_the_living_one(connection, client_of_redis, prefix):
    await keep("1", 1000, name="a former life", removed_at=timezone.now())
    plant_failed(client_of_redis, prefix, "chat", 1)
    seen = await job_detail(connection, "chat", "1")
    assert (seen.is_live, seen.job.name) == (True, "work")


async def test_a_list_costs_little_however_large_its_jobs_are(connection, client_of_redis: redis.Redis, prefix):
    plant_failed(
        client_of_redis, prefix, "chat", 3, data='"' + "x" * 2_000_000 + '"', reason="e" * 2_000_000, stacktrace="[]"
    )
    before = client_of_redis.info("stats")["total_net_output_bytes"]
    seen = await job_list(connection, "chat", State.FAILED)
    assert client_of_redis.info("stats")["total_net_output_bytes"] - before < 200_000
    assert "failedReason is too large for a list: 2,000,000 bytes" in seen.jobs[0].problems


def test_limits_are_what_the_papers_promise():
    assert lookup.SHOWN == 64 * 1024
