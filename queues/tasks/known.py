"""The tasks that may run: those declared with our backend. A job's name is looked up among them, never imported."""

from __future__ import annotations

from collections.abc import Collection
from threading import Lock
from typing import TYPE_CHECKING, Any

from queues.processors import Registry, registry
from queues.tasks.api import Task
from queues.tasks.running import runner

if TYPE_CHECKING:
    AnyTask = Task[..., Any]


class KnownTasks:
    """By backend: its tasks, and the queues they may come from. Each task is the processor of the jobs of its name on
    each of those queues, in a registry like any other.
    """

    def __init__(self, processors: Registry) -> None:
        self._processors = processors
        self._tasks: dict[str, dict[str, AnyTask]] = {}
        self._queues: dict[str, set[str]] = {}
        self._lock = Lock()

    def add(self, task: AnyTask, queues: Collection[str], sender: type[Any]) -> None:
        """A task its backend has accepted; again and again, for every enqueueing asks. `sender` is the backend's class.

        Raises ConfigurationError where a queue has another processor for jobs of that name.
        """
        path = task.module_path
        known = self._tasks.get(task.backend, {}).get(path)
        if known is not None and known.func is task.func and task.queue_name in self._queues[task.backend]:
            return
        with self._lock:
            self._tasks.setdefault(task.backend, {})[path] = task
            served = self._queues.setdefault(task.backend, set())
            new = {task.queue_name, *queues} - served
            served |= new
            for other in self._tasks[task.backend].values():
                for queue in sorted(served if other is task else new):
                    self._register(other, queue, sender)

    def _register(self, task: AnyTask, queue: str, sender: type[Any]) -> None:
        timeout_s = getattr(task, "timeout_s", None)
        self._processors.processor(queue, name=task.module_path, timeout_s=timeout_s)(runner(task, queue, sender))

    def find(self, backend: str, path: str) -> AnyTask | None:
        return self._tasks.get(backend, {}).get(path)


known = KnownTasks(registry)
