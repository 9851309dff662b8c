"""Django's tasks, found in an app's tasks.py and run by `manage.py runworkers`."""

from __future__ import annotations

from typing import Any

import pytest

from queues import queue
from queues.tasks.api import TaskResultStatus
from tests.eventually import eventually_sync
from tests.tasked import tasks
from tests.working import Sight

pytestmark = pytest.mark.acceptance


def test_workers_find_tasks_and_run_them(start: Any, client_of_redis: Any, prefix: str) -> None:
    process = start("--queues", "default", "--name", "web-1", EXTRA_APPS="tests.tasked").ready()
    assert "default (1 at once): “tests.tasked.tasks.add” tests.tasked.tasks.add" in process.said()
    added, failed = tasks.add_async.enqueue(1, b=2), tasks.fail.enqueue("rain")
    unknown = queue("default").sync.add("os.getcwd", {"args": [], "kwargs": {}})

    def are_over() -> bool:
        added.refresh()
        failed.refresh()
        return bool(added.is_finished and failed.is_finished)

    eventually_sync(are_over, 15)
    assert (added.return_value, added.worker_ids) == (3, ["web-1"])
    assert (failed.status, failed.errors[0].exception_class) == (TaskResultStatus.FAILED, tasks.Weather)
    sight = Sight(client_of_redis, prefix, "default")
    eventually_sync(lambda: unknown.id in sight.ids("failed"))
    assert "no processor for “os.getcwd”" in sight.job(unknown.id)["failedReason"]
    process.popen.terminate()
    assert process.exit_code(5) == 0
