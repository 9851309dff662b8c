"""Django's tasks on real workers: what a job looks like, what a result says. Django's own tests: tests/conformance."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import django
import pytest
from django.utils import timezone

from queues import processors, queue
from queues.errors import TorilError
from queues.tasks import TorilBackend
from queues.tasks.api import (
    InvalidTask,
    task_enqueued,
    task_finished,
    task_started,
)
from tests.eventually import eventually
from tests.tasked import tasks
from tests.tasking import FAILED, READY, RUNNING, SUCCESSFUL, at_work, ended, sight_of_tasks  # noqa: F401
from tests.working import Sight, working

if django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task


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
