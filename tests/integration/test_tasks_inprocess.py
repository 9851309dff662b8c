"""Django's tasks without any Redis: USE_JOB_QUEUE=false, and the fixtures that run or capture jobs in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User

from queues import processors
from queues.tasks.api import TaskResultStatus
from queues.testing import CapturedJobs, InlineJobs, RunUntilEmpty
from tests.eventually import eventually, eventually_sync
from tests.inprocess import in_process, running  # noqa: F401
from tests.tasked import tasks

READY, SUCCESSFUL, FAILED = TaskResultStatus.READY, TaskResultStatus.SUCCESSFUL, TaskResultStatus.FAILED


@pytest.mark.usefixtures("in_process")
async def test_a_process_runs_its_own_tasks_and_their_results_are_rows() -> None:
    results = [await tasks.add.aenqueue(1, b=2), await tasks.add_async.aenqueue(3), await tasks.fail.aenqueue("rain")]

    async def are_over() -> bool:
        for result in results:
            await result.arefresh()
        return all(result.is_finished for result in results)

    async with running(registry=processors.registry):
        await eventually(are_over)
    assert [result.status for result in results] == [SUCCESSFUL, SUCCESSFUL, FAILED]
    assert [result.return_value for result in results[:2]] == [3, 3]
    assert results[2].errors[0].exception_class is tasks.Weather
    assert results[0].attempts == 1
    assert results[0] == await tasks.add.aget_result(results[0].id)


@pytest.mark.usefixtures("in_process")
def test_plain_code_enqueues_and_reads_there_too() -> None:
    result = tasks.add.enqueue(1, b=2)

    def is_over() -> bool:
        result.refresh()
        return bool(result.is_finished)

    eventually_sync(is_over)
    assert result.return_value == 3


def test_inline_a_task_has_run_when_enqueue_returns(queue_inline: InlineJobs) -> None:
    result = tasks.add.enqueue(1, b=2)
    assert result.status == READY
    result.refresh()
    assert (result.status, result.return_value, result.worker_ids) == (SUCCESSFUL, 3, ["test"])
    assert queue_inline.one(name=tasks.add.module_path).data == {"args": [1], "kwargs": {"b": 2}}


async def test_inline_in_async_tests(queue_inline: InlineJobs) -> None:
    result = await tasks.add_async.aenqueue(1, b=2)
    assert (await tasks.add_async.aget_result(result.id)).return_value == 3


def test_inline_what_a_task_raises_comes_out_of_enqueue(queue_inline: InlineJobs) -> None:
    with pytest.raises(tasks.Weather, match="rain"):
        tasks.fail.enqueue("rain")
    queue_inline.raises = False
    result = tasks.fail.enqueue("snow")
    result.refresh()
    assert result.errors[0].exception_class is tasks.Weather


@pytest.mark.django_db
def test_inline_a_task_shares_the_tests_transaction(queue_inline: InlineJobs) -> None:
    tasks.make_user.enqueue("ana")
    assert User.objects.get().username == "ana"


def test_captured_tasks_run_when_told_to(captured_jobs: CapturedJobs, run_until_empty: RunUntilEmpty) -> None:
    result = tasks.attempts.enqueue(1)
    assert [(job.queue, job.name) for job in captured_jobs] == [("default", tasks.attempts.module_path)]
    run_until_empty()
    result.refresh()
    assert result.return_value["attempt"] == 1


def test_djangos_own_immediate_backend_does_for_tests_as_well(settings: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": tasks.IMMEDIATE}}
    assert tasks.add.enqueue(1, b=2).return_value == 3
    assert asyncio.run(tasks.add_async.aenqueue(1)).return_value == 1
