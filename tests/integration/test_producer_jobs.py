"""What a program may do with one job, and what it finds of it."""

from __future__ import annotations

import json

import pytest

from queues import queue
from queues.errors import JobLocked, JobNotFound, JobStateChanged, Refused
from queues.protocol.keys import Keys
from queues.states import State
from tests.eventually import eventually
from tests.working import working


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, "chat")


async def fail(job):
    raise ValueError("no")


async def test_a_job_is_found_whole(connection):
    async def run(job):
        await job.progress({"stage": 2})
        await job.log("one")
        return [1]

    added = await queue("chat").add("greet", {"to": "ana"}, attempts=2, priority=3, keep_logs=5)
    async with working(run, worker_name="anna"):
        await added.result(10)
    job = await queue("chat").get_job(added.id)
    assert job is not None
    assert (job.id, job.queue, job.name, job.data) == (added.id, "chat", "greet", {"to": "ana"})
    assert (job.progress, job.return_value, job.priority) == ({"stage": 2}, [1], 3)
    assert job.options == {"attempts": 2, "priority": 3, "kl": 5}
    assert (job.attempts_made, job.attempts_started, job.processed_by) == (1, 1, "anna")
    assert job.timestamp_ms <= job.processed_on_ms <= job.finished_on_ms
    assert (job.failed_reason, job.stacktrace, job.problems) == ("", [], ())
    assert await job.logs() == ["one"]
    with pytest.raises(AttributeError, match="nonsense"):
        job.nonsense  # noqa: B018


async def test_a_failed_job_is_found_with_its_tracebacks(connection):
    added = await queue("chat").add("greet", attempts=2)
    async with working(fail):
        await eventually(lambda: is_in(added, State.FAILED))
    job = await added.refresh()
    assert job.failed_reason == "no"
    assert len(job.stacktrace) == 2
    assert "ValueError: no" in job.stacktrace[0]


async def is_in(job, state: State) -> bool:
    return await job.state() is state


async def test_there_is_no_job_of_that_id(connection):
    assert await queue("chat").get_job("none") is None
    for ask in ("refresh", "remove", "promote", "retry"):
        with pytest.raises(JobNotFound):
            await getattr(queue("chat").job("none"), ask)()
    with pytest.raises(JobNotFound):
        await queue("chat").job("none").update_data({})
    with pytest.raises(JobNotFound):
        await queue("chat").job("none").log("x")
    with pytest.raises(JobNotFound):
        await queue("chat").job("none").change_priority(1)
    with pytest.raises(JobNotFound):
        await queue("chat").job("none").change_delay(1)
    assert await queue("chat").job("none").state() is State.UNKNOWN


async def test_corrupt_data_is_no_error(connection, client_of_redis, keys):
    client_of_redis.hset(keys.job("odd"), mapping={"name": b"\xff", "data": "{no", "opts": "[]", "timestamp": "x"})
    job = await queue("chat").get_job("odd")
    assert job is not None
    assert (job.data, job.options) == (None, {})
    assert any("data is not JSON" in problem for problem in job.problems)


async def test_a_failed_job_is_retried_counting_on_or_from_the_start(connection):
    added = await queue("chat").add("greet", attempts=2)
    async with working(fail):
        await eventually(lambda: is_in(added, State.FAILED))
    await added.retry()
    assert ((await added.refresh()).attempts_made, await added.state()) == (2, State.WAITING)
    with pytest.raises(JobStateChanged, match="waiting"):
        await added.retry()
    async with working(fail):
        await eventually(lambda: is_in(added, State.FAILED))
    await added.retry(reset_attempts=True)
    assert (await added.refresh()).attempts_made == 0


async def test_a_completed_job_is_run_again(connection):
    async def run(job):
        return job.attempt

    job = await queue("chat").add("greet")
    async with working(run):
        await job.result(10)
        await job.retry()
        await eventually(lambda: is_in(job, State.COMPLETED))
        assert (await job.refresh()).attempts_made == 2


async def test_a_job_is_removed_with_its_logs_unless_it_runs(connection, client_of_redis, keys):
    job = await queue("chat").add("greet")
    assert await job.log("one") == 1
    assert await job.log("two", keep=1) == 1
    assert await job.logs() == ["two"]
    client_of_redis.set(keys.lock(job.id), "token")
    with pytest.raises(JobLocked):
        await job.remove()
    client_of_redis.delete(keys.lock(job.id))
    await queue("chat").remove(job.id)
    assert await queue("chat").get_job(job.id) is None
    assert not client_of_redis.exists(keys.logs(job.id))


async def test_a_scheduled_run_is_not_removed_by_its_job(connection):
    run = await queue("chat").upsert_scheduler("beat", every_ms=3_600_000, offset_ms=1)
    assert run is not None
    with pytest.raises(Refused, match="scheduler"):
        await run.remove()


async def test_its_data_is_replaced(connection):
    job = await queue("chat").add("greet", {"n": 1})
    await job.update_data({"n": [2]})
    assert (await job.refresh()).data == {"n": [2]}


async def test_its_priority_moves_it(connection, client_of_redis, keys):
    first, second = await queue("chat").add("a"), await queue("chat").add("b", priority=5)
    await first.change_priority(9)
    assert await first.state() is State.PRIORITIZED
    assert client_of_redis.zrange(keys("prioritized"), 0, -1) == [second.id.encode(), first.id.encode()]
    await first.change_priority(5, lifo=True)
    assert client_of_redis.zrange(keys("prioritized"), 0, -1) == [first.id.encode(), second.id.encode()]
    await second.change_priority(0)
    assert await second.state() is State.WAITING


async def test_its_delay_is_changed_and_ended(connection, client_of_redis, keys):
    job = await queue("chat").add("greet", delay_ms=60_000)
    before = client_of_redis.zscore(keys("delayed"), job.id)
    await job.change_delay(600_000)
    assert client_of_redis.zscore(keys("delayed"), job.id) > before + 500_000 * 4096
    await job.promote()
    assert await job.state() is State.WAITING
    with pytest.raises(JobStateChanged, match="waiting"):
        await job.change_delay(5)
    with pytest.raises(JobStateChanged, match="waiting"):
        await job.promote()


async def test_log_lines_are_read_in_pieces(connection):
    job = await queue("chat").add("greet")
    for n in range(5):
        await job.log(f"line {n}")
    assert await job.logs(1, 2) == ["line 1", "line 2"]
    assert await job.logs(-2) == ["line 3", "line 4"]


async def test_it_can_be_compared_and_shown(connection):
    job = await queue("chat").add("greet", job_id="mine")
    assert repr(job) == "<JobHandle chat/mine>"
    assert repr(await job.refresh()) == "<FoundJob chat/mine>"


async def test_ids_of_any_kind_lead_to_their_job(connection):
    for job_id in ("a b", "😀", "<img src=x>", "/?#%", '"q"', "[*]", "__proto__"):
        job = await queue("chat").add("greet", {"id": job_id}, job_id=job_id)
        assert (await job.refresh()).data == {"id": job_id}
        assert await job.state() is State.WAITING


# --- schedulers


async def test_a_scheduler_is_changed_by_its_id(connection, client_of_redis, keys):
    chat = queue("chat")
    await chat.upsert_scheduler("beat", every_ms=3_600_000, name="tick", data={"n": 1})
    job = await chat.upsert_scheduler("beat", pattern="0 6 * * *", data={"n": 2}, priority=3)
    found = await chat.get_scheduler("beat")
    assert found is not None
    assert job is not None
    assert (found.pattern, found.every_ms, found.name, found.data) == ("0 6 * * *", None, "beat", {"n": 2})
    assert found.options == {"priority": 3}
    assert job.id == f"repeat:beat:{found.next_ms}"
    assert len(await chat.schedulers()) == 1
    assert client_of_redis.zcard(keys("delayed")) == 1


async def test_a_pattern_is_read_on_the_clock_of_time_zone_unless_it_names_its_own(connection, settings):
    settings.TIME_ZONE = "Asia/Kolkata"
    await queue("chat").upsert_scheduler("here", pattern="30 9 * * *")
    await queue("chat").upsert_scheduler("there", pattern="0 4 * * *", tz="UTC")
    here, there = await queue("chat").get_scheduler("here"), await queue("chat").get_scheduler("there")
    assert here is not None
    assert there is not None
    assert (here.tz, there.tz) == ("Asia/Kolkata", "UTC")
    assert here.next_ms == there.next_ms


async def test_schedulers_are_listed_next_due_first_in_pieces(connection):
    chat = queue("chat")
    for hours in (3, 1, 2):
        await chat.upsert_scheduler(f"h{hours}", every_ms=hours * 3_600_000, offset_ms=hours * 600_000)
    found = await chat.schedulers()
    assert [one.next_ms for one in found] == sorted(one.next_ms for one in found)
    assert [one.id for one in await chat.schedulers(1, 1)] == [found[1].id]


async def test_a_schedulers_job_can_be_run_now_and_its_schedule_goes_on(connection):
    chat = queue("chat")
    await chat.upsert_scheduler("beat", every_ms=3_600_000, offset_ms=5, name="tick", data={"n": 1}, attempts=3)
    before = await chat.get_scheduler("beat")
    job = await chat.run_scheduler("beat")
    found = await job.refresh()
    assert (found.name, found.data, found.options, await job.state()) == (
        "tick",
        {"n": 1},
        {"attempts": 3},
        State.WAITING,
    )
    after = await chat.get_scheduler("beat")
    assert before is not None
    assert after is not None
    assert after.record == before.record
    with pytest.raises(Exception, match="no scheduler “none”"):
        await chat.run_scheduler("none")


async def test_an_odd_template_makes_a_job_without_what_is_odd(connection, client_of_redis, keys):
    await queue("chat").upsert_scheduler("beat", every_ms=3_600_000, name="tick")
    odd = {"attempts": "3", "priority": 10**30, "backoff": [1], "kl": 4, "de": {"id": "x"}, "tm": "{}"}
    client_of_redis.hset(keys("repeat:beat"), "opts", json.dumps(odd))
    job = await (await queue("chat").run_scheduler("beat")).refresh()
    assert (job.name, job.options) == ("tick", {"attempts": 0, "kl": 4})


async def test_a_scheduler_makes_its_jobs_until_its_limit(connection):
    ran = []

    async def run(job):
        ran.append(job.data)

    async with working(run):
        await queue("chat").upsert_scheduler("beat", every_ms=50, limit=3, data={"n": 1})
        await eventually(lambda: len(ran) == 3)
    assert ran == [{"n": 1}] * 3


async def test_odd_records_of_schedulers_are_shown_all_the_same(connection, client_of_redis, keys):
    client_of_redis.zadd(keys("repeat"), {"gone": 5, b"\xff": 6})
    client_of_redis.hset(keys("repeat:") + b"\xff", mapping={"every": "soon", "data": "{no", "opts": "no"})
    gone, odd = await queue("chat").schedulers()
    assert (gone.id, gone.next_ms, gone.name) == ("gone", 5, "")
    assert (odd.next_ms, odd.data, odd.options) == (6, None, {})
    assert await queue("chat").remove_scheduler(odd.id) is True


async def test_a_scheduler_whose_id_holds_colons_can_be_changed(connection):
    await queue("chat").upsert_scheduler("report:daily", every_ms=1_000)
    assert (await queue("chat").get_scheduler("report:daily")) is not None
    assert json.dumps(await queue("chat").remove_scheduler("report:daily")) == "true"
