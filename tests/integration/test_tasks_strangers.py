"""Jobs that are no tasks of ours, damaged ones, and results that are not there."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import django
import pytest
import redis

from queues import queue
from queues.errors import RedisUnavailable, TorilError
from queues.tasks.api import (
    TaskResultDoesNotExist,
    task_backends,
)
from tests.eventually import Stopwatch
from tests.tasked import tasks
from tests.tasking import FAILED, at_work, ended, sight_of_tasks  # noqa: F401
from tests.working import Sight

if django.VERSION >= (6, 0):
    from django.tasks.exceptions import TaskResultMismatch
else:
    from django_tasks.exceptions import TaskResultMismatch


async def test_a_job_of_an_unknown_task_fails_with_a_reason_and_imports_nothing(sight: Sight) -> None:
    assert "this" not in sys.modules
    names = ["this.s", "tests.tasked.tasks.Weather", "os.system", "tests.tasked.tasks.add.func"]
    for name in names:
        await queue("default").add(name, {"args": ["true"], "kwargs": {}})
    async with at_work():
        await sight.until_count("failed", len(names))
    for job_id in sight.ids("failed"):
        job = sight.job(job_id)
        assert f"no processor for “{job['name']}” in queue “default”" in job["failedReason"]
        with pytest.raises(TaskResultDoesNotExist):
            await task_backends["default"].aget_result(f"default/{job_id}")
    assert "this" not in sys.modules


async def test_a_function_that_was_never_declared_a_task_does_not_run(sight: Sight) -> None:
    await queue("default").add("tests.tasked.tasks.Weather", {"args": ["rain"], "kwargs": {}})
    async with at_work():
        await sight.until_count("failed", 1)


@pytest.mark.parametrize("data", [None, [], "text", {"args": "ab"}, {"kwargs": [1]}])
async def test_data_that_is_no_tasks_fails_the_job(sight: Sight, data: Any) -> None:
    job = await queue("default").add("tests.tasked.tasks.add", data)
    async with at_work():
        await sight.until("failed", job.id)
    assert "this is something else" in sight.job(job.id)["failedReason"]
    found = await tasks.add.aget_result(f"default/{job.id}")
    assert (found.status, found.args, found.kwargs) == (FAILED, [], {})


async def test_a_job_that_another_program_added_is_a_task_too(sight: Sight) -> None:
    """As Node would add it: a number as its id, no priority."""
    job = await queue("default").add("tests.tasked.tasks.add", {"args": [1, 2]})
    async with at_work():
        result = await ended(await tasks.add.aget_result(f"default/{job.id}"))
    assert (result.return_value, result.task) == (3, tasks.add)


async def test_what_redis_says_of_an_error_imports_nothing(sight: Sight, client_of_redis: redis.Redis) -> None:
    result = await tasks.fail.aenqueue("rain")
    async with at_work():
        await ended(result)
    key = sight.keys.job(result.id.partition("/")[2])
    stacks = [f"Traceback\n(attempt 1 on x from 2026-01-01T00:00:00+00:00: {path})" for path in ("this.s", "os.getcwd")]
    client_of_redis.hset(key, "stacktrace", json.dumps(stacks))
    await result.arefresh()
    with pytest.raises(ImportError, match="not loaded in this process"):
        _ = result.errors[0].exception_class
    with pytest.raises(ValueError, match="not reference a valid exception"):
        _ = result.errors[1].exception_class
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    "fields",
    [
        {"stacktrace": "nonsense"},
        {"stacktrace": '[1, null, "(attempt 99999999999999 on  from x: y)"]'},
        {"opts": "[]", "data": "{"},
        {"opts": '{"priority": 9999999, "delay": "x"}'},
        {"timestamp": "yesterday", "processedOn": "-1"},
        {"returnvalue": "{", "finishedOn": "5"},
    ],
)
async def test_a_damaged_job_is_shown_as_well_as_can_be(
    sight: Sight, client_of_redis: redis.Redis, fields: dict[str, str]
) -> None:
    result = await tasks.add.aenqueue(1)
    client_of_redis.hset(sight.keys.job(result.id.partition("/")[2]), mapping=fields)
    assert (await tasks.add.aget_result(result.id)).id == result.id


async def test_a_job_that_fails_without_a_traceback_has_an_error_all_the_same(
    sight: Sight, client_of_redis: redis.Redis
) -> None:
    """As BullMQ's script fails a job whose worker was lost too often."""
    result = await tasks.add.aenqueue(1)
    lost = {
        "finishedOn": "1",
        "processedOn": "1",
        "pb": "web-1",
        "failedReason": "job stalled more than allowable limit",
    }
    client_of_redis.hset(sight.keys.job(result.id.partition("/")[2]), mapping=lost)
    await result.arefresh()
    assert (result.status, result.attempts, result.worker_ids) == (FAILED, 1, ["web-1"])
    assert [error.traceback for error in result.errors] == ["job stalled more than allowable limit"]
    assert result.errors[0].exception_class is TorilError


# --- results that are not there


async def test_a_queue_that_the_backend_does_not_name_holds_no_results_of_it(sight: Sight) -> None:
    job = await queue("t-another").add(tasks.add.module_path, {"args": [1]})
    with pytest.raises(TaskResultDoesNotExist):
        await tasks.add.aget_result(f"t-another/{job.id}")


async def test_only_results_of_the_same_task_are_found_by_it(sight: Sight) -> None:
    result = await tasks.add.aenqueue(1)
    with pytest.raises(TaskResultMismatch):
        await tasks.add_async.aget_result(result.id)
    assert (await task_backends["default"].aget_result(result.id)).task == tasks.add


@pytest.mark.parametrize(
    "result_id", ["", "123", "default/", "/1", "default/nobody", "other/1", "default/a:b", "a:b/1"]
)
async def test_a_result_that_is_nowhere_does_not_exist(sight: Sight, result_id: str) -> None:
    with pytest.raises(TaskResultDoesNotExist):
        await tasks.add.aget_result(result_id)


async def test_a_result_is_gone_with_its_job(sight: Sight, client_of_redis: redis.Redis) -> None:
    result = await tasks.add.aenqueue(1)
    client_of_redis.delete(sight.keys.job(result.id.partition("/")[2]))
    with pytest.raises(TaskResultDoesNotExist):
        await result.arefresh()


async def test_blocking_calls_are_refused_where_a_loop_runs(sight: Sight) -> None:
    with pytest.raises(TorilError, match=r"await task.aenqueue\(…\)"):
        tasks.add.enqueue(1)
    result = await tasks.add.aenqueue(1)
    with pytest.raises(TorilError, match=r"await task.aget_result\(…\)"):
        result.refresh()


async def test_where_redis_is_away_every_call_says_so_in_time(settings: Any) -> None:
    from queues.options import reset_options

    settings.TORIL = {"CONNECTIONS": {"default": {"URL": "redis://127.0.0.1:1"}}}
    reset_options()
    watch = Stopwatch()
    with pytest.raises(RedisUnavailable):
        await tasks.add.aenqueue(1)
    with pytest.raises(RedisUnavailable):
        await tasks.add.aget_result("default/1")
    with pytest.raises(RedisUnavailable):
        await asyncio.to_thread(tasks.add.enqueue, 1)
    with pytest.raises(RedisUnavailable):
        await asyncio.to_thread(tasks.add.get_result, "default/1")
    assert watch.calm_s < 10
    reset_options()
