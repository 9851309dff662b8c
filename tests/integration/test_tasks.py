"""Django's tasks on real workers: what a job looks like, what a result says. Django's own tests: tests/conformance."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import pytest
import redis
from django.core.checks import run_checks
from django.db import transaction
from django.utils import timezone

from queues import processors, queue
from queues.errors import ConfigurationError, RedisUnavailable, TorilError
from queues.protocol.blocking import close_blocking
from queues.tasks import TorilBackend, discovery
from queues.tasks.api import (
    InvalidTask,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
    task_enqueued,
    task_finished,
    task_started,
)
from queues.worker.worker import Worker
from tests.eventually import eventually
from tests.tasked import tasks
from tests.working import Sight, working

if django.VERSION >= (6, 0):
    from django.tasks import task
    from django.tasks.exceptions import TaskResultMismatch
else:
    from django_tasks import task
    from django_tasks.exceptions import TaskResultMismatch

READY, RUNNING = TaskResultStatus.READY, TaskResultStatus.RUNNING
SUCCESSFUL, FAILED = TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED
BACKEND = "queues.tasks.TorilBackend"


@pytest.fixture
def sight(connection: str, client_of_redis: redis.Redis, prefix: str) -> Any:
    yield Sight(client_of_redis, prefix, "default")
    close_blocking()


@asynccontextmanager
async def at_work(queue: str = "default", **options: Any) -> AsyncIterator[Worker]:
    """A worker of the queue's tasks."""
    async with working(queue=queue, registry=processors.registry, **options) as worker:
        yield worker


async def ended(result: Any) -> Any:
    async def look() -> bool:
        await result.arefresh()
        return bool(result.is_finished)

    await eventually(look, what="the task ends")
    return result


# --- the job


async def test_a_task_is_a_job_of_its_path_with_its_arguments(sight: Sight) -> None:
    result = await tasks.add.aenqueue(1, b=2)
    name, _, job_id = result.id.partition("/")
    job = sight.job(job_id)
    assert name == "default"
    assert job["name"] == "tests.tasked.tasks.add"
    assert json.loads(job["data"]) == {"args": [1], "kwargs": {"b": 2}}
    assert len(result.id) < 64


async def test_higher_priorities_run_first_and_equals_in_their_order(sight: Sight) -> None:
    order = [0, 100, -100, 1, 0, -1, 99]
    results = [await tasks.add.using(priority=priority).aenqueue(number) for number, priority in enumerate(order)]
    waiting = sight.ids("prioritized")
    assert [order[[r.id.partition("/")[2] for r in results].index(job_id)] for job_id in waiting] == sorted(
        order, reverse=True
    )
    zeros = [results[0].id.partition("/")[2], results[4].id.partition("/")[2]]
    assert [job_id for job_id in waiting if job_id in zeros] == zeros
    assert {json.loads(sight.job(job_id)["opts"])["priority"] for job_id in waiting} == {1, 2, 100, 101, 102, 201}


async def test_a_task_that_may_not_run_yet_is_delayed_until_then(sight: Sight) -> None:
    then = timezone.now() + timedelta(hours=1)
    result = await tasks.add.using(run_after=then).aenqueue(1)
    assert sight.ids("delayed") == [result.id.partition("/")[2]]
    found = await tasks.add.aget_result(result.id)
    assert found.status == READY
    assert timedelta() <= found.task.run_after - then < timedelta(milliseconds=1)
    past = await tasks.add.using(run_after=timezone.now() - timedelta(hours=1)).aenqueue(1)
    assert sight.ids("prioritized") == [past.id.partition("/")[2]]


def test_naive_times_are_local_ones_without_time_zones(sight: Sight, settings: Any) -> None:
    settings.USE_TZ = False
    result = tasks.add.using(run_after=datetime.now() + timedelta(hours=1)).enqueue(1)  # noqa: DTZ005
    found = tasks.add.get_result(result.id)
    assert found.enqueued_at.tzinfo is None
    assert found == result or found.task.run_after - result.task.run_after < timedelta(milliseconds=1)
    delay = json.loads(sight.job(result.id.partition("/")[2])["opts"])["delay"]
    assert 3_590_000 < delay <= 3_600_001


async def test_the_queues_settings_hold_for_its_tasks(sight: Sight, settings: Any) -> None:
    from queues.options import reset_options

    settings.TORIL = {**settings.TORIL, "QUEUES": {"default": {"attempts": 3, "remove_on_fail": 7}}}
    reset_options()
    job = sight.job((await tasks.add.aenqueue(1)).id.partition("/")[2])
    assert json.loads(job["opts"])["attempts"] == 3
    assert json.loads(job["opts"])["removeOnFail"] == 7


# --- running


@pytest.mark.parametrize("which", [tasks.add, tasks.add_async], ids=["plain", "async"])
async def test_a_worker_runs_it_and_the_result_tells_all(sight: Sight, which: Any) -> None:
    result = await which.aenqueue(1, b=2)
    assert (result.status, result.attempts, result.worker_ids, result.started_at) == (READY, 0, [], None)
    async with at_work(worker_name="web-1"):
        await ended(result)
    assert (result.status, result.return_value, result.attempts) == (SUCCESSFUL, 3, 1)
    assert result.worker_ids == ["web-1"]
    assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
    assert (result.args, result.kwargs, result.errors) == ([1], {"b": 2}, [])
    found = await which.aget_result(result.id)
    assert found == result
    assert found.task == which
    sight.assert_all_over()


def test_results_are_read_without_an_event_loop_too(sight: Sight) -> None:
    result = tasks.add.enqueue(1, b=2)

    async def run() -> None:
        async with at_work():
            await ended(await tasks.add.aget_result(result.id))

    asyncio.run(run())
    result.refresh()
    assert result.return_value == 3


async def test_a_running_task_says_so(sight: Sight) -> None:
    result = await tasks.wait.aenqueue()

    async def runs() -> bool:
        await result.arefresh()
        return bool(result.status == RUNNING)

    async with at_work(worker_name="web-1", drain_s=0.1):
        await eventually(runs)
        assert (result.attempts, result.worker_ids) == (1, ["web-1"])
        assert result.started_at is not None
        assert result.finished_at is None
        with pytest.raises(ValueError, match="has not finished"):
            _ = result.return_value
    # It was handed back: nothing counts.
    await result.arefresh()
    assert (result.status, result.attempts, result.errors) == (READY, 0, [])


async def test_each_failed_attempt_leaves_its_error_its_worker_and_its_time(sight: Sight, settings: Any) -> None:
    from queues.options import reset_options

    settings.TORIL = {**settings.TORIL, "QUEUES": {"default": {"attempts": 3, "backoff": 1}}}
    reset_options()
    result = await tasks.attempts.aenqueue(3)
    async with at_work(worker_name="web 1"):
        await ended(result)
    assert result.status == SUCCESSFUL, result.errors
    assert result.return_value == {
        "id": result.id,
        "attempt": 3,
        "workers": ["web 1"] * 3,
        "errors": ["tests.tasked.tasks.Weather"] * 2,
        "started_first": True,
    }
    assert (result.attempts, result.worker_ids) == (3, ["web 1"] * 3)
    assert [error.exception_class for error in result.errors] == [tasks.Weather] * 2
    assert "rain in attempt 1" in result.errors[0].traceback
    assert "(attempt 1 on" not in result.errors[0].traceback
    assert result.started_at < result.last_attempted_at


async def test_between_two_attempts_it_is_ready_and_its_error_is_known(sight: Sight, settings: Any) -> None:
    from queues.options import reset_options

    settings.TORIL = {**settings.TORIL, "QUEUES": {"default": {"attempts": 2, "backoff": 60_000}}}
    reset_options()
    result = await tasks.fail.aenqueue("rain")
    async with at_work():
        await sight.until_count("delayed", 1)
    await result.arefresh()
    assert (result.status, result.attempts, len(result.errors), result.finished_at) == (READY, 1, 1, None)


@pytest.mark.skipif(not tasks.HAS_OWN_ARGUMENTS, reason="Django 6.0 takes no arguments but its own")
async def test_a_task_may_have_attempts_a_backoff_and_a_time_limit_of_its_own(sight: Sight) -> None:
    result = await tasks.hang.aenqueue(60)
    opts = json.loads(sight.job(result.id.partition("/")[2])["opts"])
    assert (opts["attempts"], opts["backoff"]) == (2, {"type": "fixed", "delay": 1})
    async with at_work():
        await ended(result)
    assert (result.status, result.attempts) == (FAILED, 2)
    assert "longer than its 0.05 s" in result.errors[0].traceback
    assert result.task == tasks.hang


@pytest.mark.skipif(not tasks.HAS_OWN_ARGUMENTS, reason="Django 6.0 takes no arguments but its own")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"attempts": -1}, "attempts"), ({"backoff": "long"}, "backoff"), ({"timeout_s": 0}, "timeout_s")],
)
def test_a_mistake_in_them_is_told_where_the_task_is_declared(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidTask, match=named):
        task(**arguments)(tasks.hang.func)


@pytest.mark.parametrize("which", [tasks.fail.using(), tasks.fail_async], ids=["plain", "async"])
async def test_a_failure_tells_class_and_traceback_of_the_tasks_own_code(sight: Sight, which: Any) -> None:
    result = await (which.aenqueue("snow") if which.func is tasks.fail.func else which.aenqueue())
    async with at_work():
        await ended(result)
    assert result.status == FAILED
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value
    (error,) = result.errors
    assert error.exception_class is tasks.Weather
    assert error.traceback.endswith("tests.tasked.tasks.Weather: snow\n")
    assert "queues/" not in error.traceback
    assert sight.job(result.id.partition("/")[2])["failedReason"] == "snow"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("which", [tasks.fail, tasks.fail_async], ids=["plain", "async"])
async def test_what_would_end_a_program_ends_its_task_alone(
    sight: Sight, which: Any, kind: type[BaseException]
) -> None:
    results = [await which.aenqueue("enough", kind.__name__), await tasks.add.aenqueue(1)]
    async with at_work():
        for result in results:
            await ended(result)
    assert [result.status for result in results] == [FAILED, SUCCESSFUL]
    assert results[0].errors[0].exception_class is kind


async def test_an_unrecoverable_error_ends_it_at_once(sight: Sight, settings: Any) -> None:
    from queues.options import reset_options

    settings.TORIL = {**settings.TORIL, "QUEUES": {"default": {"attempts": 5}}}
    reset_options()
    ends: list[Any] = []
    task_finished.connect(receiver := lambda task_result, **_: ends.append(task_result.status), weak=False)
    results = [await tasks.fail.aenqueue("never", "UnrecoverableError"), await tasks.unreturnable.aenqueue()]
    async with at_work():
        for result in results:
            await ended(result)
    task_finished.disconnect(receiver)
    assert [result.attempts for result in results] == [1, 1]
    assert results[1].errors[0].exception_class is TypeError
    assert ends == [FAILED, FAILED]


async def test_a_task_may_put_itself_off(sight: Sight) -> None:
    tasks.SEEN.clear()
    ends: list[Any] = []
    task_finished.connect(receiver := lambda task_result, **_: ends.append(task_result.status), weak=False)
    result = await tasks.put_off.aenqueue()
    async with at_work():
        await ended(result)
    task_finished.disconnect(receiver)
    assert (result.return_value, result.errors, ends) == (1, [], [SUCCESSFUL])


async def test_its_context_brings_the_job_along(sight: Sight) -> None:
    result = await tasks.report.aenqueue()
    async with at_work():
        await ended(result)
    job_id = result.id.partition("/")[2]
    assert sight.logs(job_id) == ["half way"]
    assert sight.job(job_id)["progress"] == "50"


async def test_a_cancelled_task_fails_with_that_reason_and_tells_no_end(sight: Sight) -> None:
    ends: list[Any] = []
    task_finished.connect(receiver := lambda task_result, **_: ends.append(task_result), weak=False)
    result = await tasks.wait.aenqueue()
    job_id = result.id.partition("/")[2]
    async with at_work() as worker:
        await eventually(lambda: worker.cancel_job("default", job_id, "not needed any more"))
        await ended(result)
    task_finished.disconnect(receiver)
    assert (result.status, ends) == (FAILED, [])
    assert [(error.traceback, error.exception_class) for error in result.errors] == [
        ("not needed any more", TorilError)
    ]


async def test_signals_tell_of_the_last_attempts_end_alone(sight: Sight, settings: Any) -> None:
    from queues.options import reset_options

    settings.TORIL = {**settings.TORIL, "QUEUES": {"default": {"attempts": 2}}}
    reset_options()
    told: list[tuple[str, Any]] = []

    def hear(name: str) -> Any:
        def receiver(sender: Any, task_result: Any, **_: Any) -> None:
            told.append((name, task_result.status))
            # It harms neither the task nor whoever enqueues it.
            raise LookupError("a receiver's own mistake")

        return receiver

    signals = {"enqueued": task_enqueued, "started": task_started, "finished": task_finished}
    receivers = {name: hear(name) for name in signals}
    for name, signal in signals.items():
        signal.connect(receivers[name], sender=TorilBackend)
    try:
        result = await tasks.fail.aenqueue("rain")
        async with at_work():
            await ended(result)
    finally:
        for name, signal in signals.items():
            signal.disconnect(receivers[name], sender=TorilBackend)
    assert told == [("enqueued", READY), ("started", RUNNING), ("started", RUNNING), ("finished", FAILED)]


async def test_receivers_may_block_and_may_be_async(sight: Sight) -> None:
    heard: list[str] = []

    def blocking(task_result: Any, **_: Any) -> None:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        heard.append("blocking")

    async def waiting(task_result: Any, **_: Any) -> None:
        await asyncio.sleep(0)
        heard.append("async")

    for receiver in (blocking, waiting):
        task_started.connect(receiver)
    try:
        result = await tasks.add_async.aenqueue(1)
        async with at_work():
            await ended(result)
    finally:
        for receiver in (blocking, waiting):
            task_started.disconnect(receiver)
    assert sorted(heard) == ["async", "blocking"]


async def test_processors_of_the_same_queue_work_beside_its_tasks(sight: Sight) -> None:
    registry = processors.Registry()
    for processor in processors.registry.of("default").values():
        registry.processor("default", name=processor.name)(processor.function)
    seen: list[str] = []
    registry.processor("default")(lambda job: seen.append(job.name))
    result = await tasks.add.aenqueue(1)
    await queue("default").add("plain")
    async with working(queue="default", registry=registry):
        await ended(result)
        await sight.until_count("completed", 2)
    assert (result.return_value, seen) == (1, ["plain"])


# --- what is not a task of ours


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
    began = time.monotonic()
    with pytest.raises(RedisUnavailable):
        await tasks.add.aenqueue(1)
    with pytest.raises(RedisUnavailable):
        await tasks.add.aget_result("default/1")
    with pytest.raises(RedisUnavailable):
        await asyncio.to_thread(tasks.add.enqueue, 1)
    with pytest.raises(RedisUnavailable):
        await asyncio.to_thread(tasks.add.get_result, "default/1")
    assert time.monotonic() - began < 10
    reset_options()


# --- settings


def test_a_queues_name_must_be_one(sight: Sight, settings: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": []}}
    for name in ("a:b", "x" * 41, ""):
        with pytest.raises(InvalidTask, match="1 to 40 characters"):
            tasks.add.using(queue_name=name)
    assert tasks.add.using(queue_name="x" * 40).queue_name == "x" * 40


async def test_every_queue_of_the_backend_takes_every_task(sight: Sight, settings: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": BACKEND, "QUEUES": ["default", "t-mails", "t-slow"]}}
    result = await tasks.add.using(queue_name="t-slow").aenqueue(5)
    assert result.id.startswith("t-slow/")
    assert tasks.add.module_path in processors.registry.of("t-mails")
    async with at_work("t-slow"):
        assert (await ended(result)).return_value == 5
    assert (await tasks.add.aget_result(result.id)).task.queue_name == "t-slow"


def test_mistakes_in_the_settings_are_named(settings: Any) -> None:
    settings.TASKS = {
        "default": {"BACKEND": BACKEND, "QUEUES": ["a:b"], "OPTIONS": {"ENQUEUE_ON_COMIT": 1, "ENQUEUE_ON_COMMIT": 1}}
    }
    found = sorted(check.msg for check in run_checks() if check.id == "toril.E005")
    assert [sentence.partition(":")[0].partition(" ")[0] for sentence in found] == [
        "TASKS['default']['OPTIONS']['ENQUEUE_ON_COMIT']",
        "TASKS['default']['OPTIONS']['ENQUEUE_ON_COMMIT']",
        "TASKS['default']['QUEUES']",
    ]
    with pytest.raises(ConfigurationError, match="ENQUEUE_ON_COMIT"):
        discovery.discover()


@pytest.mark.parametrize("backend", [{}, {"BACKEND": "no.such.Backend"}, {"BACKEND": "queues.tasks.api"}])
def test_a_backend_that_cannot_be_made_is_named_by_its_alias(settings: Any, backend: dict[str, str]) -> None:
    settings.TASKS = {"default": {"BACKEND": BACKEND}, "other": backend}
    with pytest.raises(ConfigurationError, match=r"TASKS\['other'\] makes no backend"):
        processors.autodiscover()


def test_tasks_are_looked_for_where_our_backend_is_used_alone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(discovery, "import_everywhere", asked.append)
    discovery._import_tasks.cache_clear()
    settings.TASKS = {"default": {"BACKEND": tasks.IMMEDIATE}}
    processors.autodiscover()
    assert asked == []
    settings.TASKS = {"default": {"BACKEND": tasks.IMMEDIATE}, "other": {"BACKEND": BACKEND}}
    processors.autodiscover()
    assert asked == ["tasks"]
    discovery._import_tasks.cache_clear()


# --- transactions


@pytest.mark.django_db(transaction=True)
def test_a_task_is_enqueued_at_once_as_the_api_has_it(sight: Sight) -> None:
    with transaction.atomic():
        result = tasks.add.enqueue(1)
        assert sight.ids("prioritized") == [result.id.partition("/")[2]]
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_or_on_commit_where_the_backend_is_told_so(sight: Sight, settings: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": {"ENQUEUE_ON_COMMIT": True}}}
    told: list[str] = []
    task_enqueued.connect(receiver := lambda task_result, **_: told.append(task_result.id), weak=False)
    with transaction.atomic():
        result = tasks.add.enqueue(1)
        assert sight.ids("prioritized") == []
        assert told == []
        with pytest.raises(TaskResultDoesNotExist):
            result.refresh()
    assert sight.ids("prioritized") == [result.id.partition("/")[2]]
    assert told == [result.id]
    assert tasks.add.get_result(result.id) == result
    with transaction.atomic():
        tasks.add.enqueue(2)
        transaction.set_rollback(True)
    task_enqueued.disconnect(receiver)
    assert len(sight.ids("prioritized")) == len(told) == 1


def test_times_are_utc(sight: Sight) -> None:
    result = tasks.add.enqueue(1)
    assert result.enqueued_at.tzinfo is UTC
    assert result.enqueued_at.microsecond % 1000 == 0
