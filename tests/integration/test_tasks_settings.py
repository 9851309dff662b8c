"""The tasks' backend: its settings, and transactions."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import transaction

from queues import processors
from queues.errors import ConfigurationError
from queues.tasks import discovery
from queues.tasks.api import (
    InvalidTask,
    TaskResultDoesNotExist,
    task_enqueued,
)
from tests.tasked import tasks
from tests.tasking import BACKEND, at_work, ended, sight_of_tasks  # noqa: F401
from tests.working import Sight


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
