"""What a failed attempt of a task leaves in its traceback, and what is read of it again."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from queues.processors import Registry
from queues.runs.outcome import trace_of
from queues.tasks import TorilBackend, story
from queues.tasks.known import KnownTasks
from tests.tasked import tasks

STARTED = datetime(2026, 11, 23, 6, 20, 14, 123_000, UTC)


class Odd(Exception):
    pass


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def told_of(error: BaseException, attempt: int = 1, worker: str = "web-1") -> story.Told:
    story.tell(error, type(error), attempt, worker, STARTED)
    return story.told([trace_of(error)])


@pytest.mark.parametrize(
    "error",
    [
        Odd("rain"),
        Odd(""),
        Odd("two\nlines"),
        Odd("(attempt 9 on somebody from 2020-01-01T00:00:00+00:00: os.system)"),
        Odd("x" * 50_000),
        Odd("\ud800 half a pair"),
        KeyError("a"),
        SystemExit(3),
        ExceptionGroup("several", [ValueError("one"), ValueError("two")]),
    ],
    ids=lambda error: f"{type(error).__name__} {str(error)[:12]!a}",
)
def test_class_worker_and_time_are_read_again(error: BaseException) -> None:
    found = told_of(raised(error))
    assert [one.exception_class for one in found.errors] == [type(error)]
    assert found.by_attempt == {1: ("web-1", STARTED)}
    assert found.started_at == STARTED
    assert "from 2026-11-23" not in found.errors[0].traceback


def test_an_error_that_is_raised_twice_tells_of_its_last_attempt_alone() -> None:
    error = raised(Odd("kept by its module"))
    told_of(error, 1)
    found = told_of(error, 2, "web-2")
    assert found.by_attempt == {2: ("web-2", STARTED)}


def test_of_a_chain_the_last_error_counts() -> None:
    cause = raised(ValueError("first"))
    told_of(cause, 1)
    found = told_of(raised(Odd("second"), cause), 2)
    assert found.errors[0].exception_class is Odd
    assert found.by_attempt == {2: ("web-1", STARTED)}


def test_a_workers_name_is_read_as_it_was_but_for_its_line_breaks() -> None:
    assert told_of(raised(Odd()), worker="a (b) from: c\nd").workers(1) == ["a (b) from: c d"]


def test_attempts_that_left_nothing_have_no_worker() -> None:
    assert told_of(raised(Odd()), 2).workers(3) == ["", "web-1", ""]
    assert story.told([]).started_at is None


@pytest.mark.parametrize("count", [1_001, 2**53])
def test_of_very_many_attempts_the_last_have_workers(count: int) -> None:
    assert told_of(raised(Odd()), count).workers(count) == [""] * (story.MOST_WORKERS - 1) + [
        "web-1" if count < 10**9 else ""
    ]


def test_an_error_that_takes_no_notes_is_an_error_all_the_same() -> None:
    class Sealed(Exception):
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError(name)

    assert told_of(raised(Sealed("rain"))).errors[0].exception_class_path == story.UNKNOWN_KIND


@pytest.mark.parametrize("path", ["this.s", "this", "", "nowhere.at.all", "tests.unit.nothing", "os.nothing"])
def test_a_stored_class_is_looked_up_and_never_imported(path: str) -> None:
    with pytest.raises(ImportError):
        _ = story.StoredError(exception_class_path=path, traceback="").exception_class
    assert "this" not in sys.modules


def test_every_task_runs_from_every_queue_that_any_of_them_names() -> None:
    registry = Registry()
    known = KnownTasks(registry)
    known.add(tasks.add, (), TorilBackend)
    known.add(tasks.fail, ("t-mails",), TorilBackend)
    known.add(tasks.fail, ("t-mails",), TorilBackend)
    paths = {tasks.add.module_path, tasks.fail.module_path}
    assert registry.queues() == ["default", "t-mails"]
    for queue in registry.queues():
        assert {processor.path for processor in registry.of(queue).values()} == paths
    assert known.find("default", tasks.add.module_path) == tasks.add
    assert known.find("other", tasks.add.module_path) is None
