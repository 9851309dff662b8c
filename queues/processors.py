"""Which function runs which job: `@processor("chat")`, and the discovery of `<app>/jobs.py`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from queues.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Processor:
    """A function and what it runs: jobs called `name`, or where that is None every job without one of its own."""

    queue: str
    name: str | None
    function: Callable[[Any], Any]
    is_async: bool

    @property
    def path(self) -> str:
        return f"{self.function.__module__}.{getattr(self.function, '__qualname__', repr(self.function))}"


class Registry:
    """The processors of a process. There is one for `@processor`; tests make their own."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[str | None, Processor]] = {}

    def processor(self, queue: str, name: str | None = None) -> Callable[[F], F]:
        """Raises ConfigurationError for a second function for the same queue and job name."""
        if not isinstance(queue, str) or not queue or ":" in queue:
            raise ConfigurationError(
                f"@processor takes a queue's name, without ':', in parentheses; it was given {queue!r}."
            )

        def register(function: F) -> F:
            self._add(Processor(queue, name, function, _is_async(function)))
            return function

        return register

    def queues(self) -> list[str]:
        return sorted(self._queues)

    def of(self, queue: str) -> Mapping[str | None, Processor]:
        """The queue's processors by job name; None stands for every other name."""
        return self._queues.get(queue, {})

    def _add(self, added: Processor) -> None:
        known = self._queues.setdefault(added.queue, {}).get(added.name)
        # The same function again: its module was loaded a second time.
        if known is not None and known.path != added.path:
            jobs = f"“{added.name}” jobs" if added.name else "jobs"
            raise ConfigurationError(
                f"Queue “{added.queue}” has two processors for its {jobs}: {known.path} and {added.path}."
            )
        self._queues[added.queue][added.name] = added


registry = Registry()
processor = registry.processor


def autodiscover() -> None:
    """Import `jobs.py` of every installed app. Raises ConfigurationError naming the module that cannot be imported."""
    for config in apps.get_app_configs():
        if config.module is None or not module_has_submodule(config.module, "jobs"):
            continue
        try:
            import_module(f"{config.name}.jobs")
        except ConfigurationError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"{config.name}.jobs cannot be imported: {type(error).__name__}: {error}"
            ) from error


def _is_async(function: Callable[..., Any]) -> bool:
    if not callable(function):
        raise ConfigurationError(f"@processor decorates a function, not {function!r}.")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise ConfigurationError(
            f"{function.__qualname__} yields: a processor must be a function or an async function."
        )
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
