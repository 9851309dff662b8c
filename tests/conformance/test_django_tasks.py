"""Django's own backend tests, run against ours: jobs in a real Valkey, run by a real worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import django
import pytest

from queues.protocol.blocking import close_blocking
from queues.protocol.connections import close_wires
from tests.conformance import suite

#: Theirs, but of another backend than ours or of another version than this one: each with its reason.
NOT_OURS = {
    # What only a backend that runs tasks in place, and keeps no results, promises.
    "ImmediateBackendTestCase.test_cannot_get_result": "ours gets results",
    "ImmediateBackendTestCase.test_cannot_refresh_result": "ours refreshes results",
    "ImmediateBackendTestCase.test_cannot_pass_run_after": "ours takes run_after",
    "ImmediateBackendTestCase.test_throws_keyboard_interrupt": "a task that raises it must not end a worker",
    # It changes an object in the dummy's memory; ours has the truth in Redis. test_tasks.py refreshes results.
    "DummyBackendTestCase.test_refresh_result": "the dummy's memory",
    "DummyBackendTestCase.test_refresh_result_async": "the dummy's memory",
    # Async code that calls a blocking method: ours refuses, as Django's ORM does.
    "TaskTestCase.test_refresh_result": "it blocks an event loop",
}
NOT_BEFORE_DJANGO_6 = {
    "TaskTestCase.test_pickle_task": "django-tasks 0.12 does not pickle tasks",
    "TaskTestCase.test_pickle_task_result": "django-tasks 0.12 does not pickle tasks",
    "TaskTestCase.test_unpickle_arbitrary_string": "django-tasks 0.12 does not pickle tasks",
    "TaskTestCase.test_unpickle_non_task_object": "django-tasks 0.12 does not pickle tasks",
    "TaskTestCase.test_run_after_in_decorator": "django-tasks 0.12 has another sentence for it",
}
CASES = {
    "test_dummy_backend": ("DummyBackendTestCase", "DummyBackendTransactionTestCase"),
    "test_immediate_backend": ("ImmediateBackendTestCase", "ImmediateBackendTransactionTestCase"),
    "test_tasks": ("TaskTestCase",),
}


def _ours(case: type) -> type:
    """The same tests, without those that are not about us; async ones close the connections of their loop."""
    left_out = NOT_OURS if django.VERSION >= (6, 0) else NOT_OURS | NOT_BEFORE_DJANGO_6
    changed: dict[str, Any] = {"__module__": __name__}
    for name in dir(case):
        # zope.interface, once it is loaded, lists what it does not give.
        test = getattr(case, name, None)
        if f"{case.__name__}.{name}" in left_out:
            changed[name] = None
        elif name.startswith("test") and asyncio.iscoroutinefunction(test):
            changed[name] = _closing(test)
    return type(case.__name__, (case,), changed)


def _closing(test: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(test)
    async def closing(self: Any) -> None:
        try:
            await test(self)
        finally:
            await close_wires()

    return closing


@pytest.fixture(autouse=True)
def _in_redis(connection: str) -> Iterator[None]:
    yield
    close_blocking()


def _load() -> dict[str, type]:
    return {case: _ours(getattr(suite.load(module), case)) for module, cases in CASES.items() for case in cases}


if suite.FOLDER.is_dir():
    globals().update(_load())
else:

    def test_django_tests_are_there() -> None:
        suite.load("test_tasks")
