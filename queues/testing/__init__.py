"""pytest fixtures for code that adds jobs: `pytest_plugins = ["queues.testing"]` in a project's top conftest.py.

Nothing else of Toril imports this room, nor pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from queues.producer import Carrier, install
from queues.testing.captured import CapturedJobs, InlineJobs
from queues.testing.carriers import InlineCarrier, MemoryCarrier, NotInTests
from queues.testing.emptying import EndedJob, Ran, RunUntilEmpty
from queues.testing.shelf import CapturedJob

__all__ = [
    "CapturedJob",
    "CapturedJobs",
    "EndedJob",
    "InlineJobs",
    "NotInTests",
    "Ran",
    "RunUntilEmpty",
    "captured_jobs",
    "queue_inline",
    "run_until_empty",
]
C = TypeVar("C", bound=MemoryCarrier)


@pytest.fixture
def captured_jobs() -> Iterator[CapturedJobs]:
    """Jobs that are added stay in memory and nothing runs them, until `run_until_empty` does. No Redis is needed."""
    with _installed(MemoryCarrier()) as carrier:
        yield CapturedJobs(carrier)


@pytest.fixture
def queue_inline() -> Iterator[InlineJobs]:
    """Adding a job runs it, by its own processor, before `add` returns. No Redis is needed."""
    with _installed(InlineCarrier()) as carrier:
        yield InlineJobs(carrier)


@pytest.fixture
def run_until_empty() -> RunUntilEmpty:
    """Runs what is queued, captured or in Redis, until nothing is left."""
    return RunUntilEmpty()


@contextmanager
def _installed(carrier: C) -> Iterator[C]:
    before: Carrier | None = install(carrier)
    try:
        if isinstance(before, MemoryCarrier):
            raise pytest.UsageError("A test takes one of captured_jobs and queue_inline, not both.")
        yield carrier
    finally:
        install(before)
