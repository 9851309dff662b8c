"""Finding the tasks of a project: `tasks.py` of every installed app, where TASKS names our backend."""

from __future__ import annotations

from functools import cache
from typing import Any

from queues.errors import ConfigurationError
from queues.processors import import_everywhere
from queues.tasks.api import BaseTaskBackend, Task, task_backends
from queues.tasks.known import known


def discover() -> None:
    """Import the tasks; each becomes a processor of its backend's queues. Called at a worker's start.

    Raises ConfigurationError for a mistake in TASKS, or naming the module that cannot be imported.
    """
    from queues.tasks.backend import TorilBackend

    own = [backend for alias in task_backends if isinstance(backend := _backend(alias), TorilBackend)]
    for sentence in (sentence for backend in own for sentence in backend.mistakes()):
        raise ConfigurationError(sentence)
    if own:
        _import_tasks()


def _backend(alias: str) -> BaseTaskBackend:
    try:
        return task_backends[alias]
    except Exception as error:
        # Also somebody else's: whatever it raises, one sentence says where it is from.
        raise ConfigurationError(f"TASKS['{alias}'] makes no backend: {type(error).__name__}: {error}") from error


def find_task(backend: str, path: str) -> Task[..., Any] | None:
    """The task that is declared under this path. Where none is, the project's tasks are loaded, once."""
    found = known.find(backend, path)
    if found is None:
        _import_tasks()
        found = known.find(backend, path)
    return found


@cache
def _import_tasks() -> None:
    import_everywhere("tasks")
