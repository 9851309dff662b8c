"""Which function runs which job: `@processor("chat")`, and the discovery of `<app>/jobs.py`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from queues import typed
from queues.errors import ConfigurationError
from queues.options import DECLARED, Backoff, reading

F = TypeVar("F", bound=Callable[..., Any])
Executor = Literal["async", "thread", "process"]
#: `(attempts made, what was raised, the job) → milliseconds before the next attempt`, or -1 to fail for good.
OwnBackoff = Callable[[int, BaseException | None, Any], Any]
#: The kind of a job's backoff that asks the processor's own function.
OWN_BACKOFF = Backoff("custom", 0)


class QueueSettings(TypedDict, total=False):
    """What a processor may say of its queue: the options of `TORIL["QUEUES"][name]`, which go before."""

    concurrency: int
    limiter: Mapping[str, int] | None
    attempts: int
    backoff: int | Mapping[str, Any] | OwnBackoff | None
    remove_on_complete: bool | int | Mapping[str, int] | None
    remove_on_fail: bool | int | Mapping[str, int] | None
    lock_duration_ms: int
    stalled_interval_ms: int
    max_stalled_count: int
    max_started_attempts: int | None
    metrics: int | Mapping[str, int] | None
    read_only: bool
    allow_retries: bool
    allow_completed_retries: bool


@dataclass(frozen=True, slots=True)
class Processor:
    """A function and what it runs: jobs called `name`, or where that is None every job without one of its own."""

    queue: str
    name: str | None
    function: Callable[[Any], Any]
    is_async: bool
    executor: Executor = "thread"
    timeout_s: float | None = None
    #: What the job's data must fit, and what reads it so: raises ValueError with a sentence.
    model: type | None = None
    read: Callable[[bytes], Any] | None = None
    #: Asked for jobs whose kind of backoff is neither fixed nor exponential. Plain or async.
    backoff: OwnBackoff | None = None

    @property
    def path(self) -> str:
        return path_of(self.function)


class Registry:
    """The processors of a process. There is one for `@processor`; tests make their own."""

    def __init__(self, declared: dict[str, dict[str, Any]] | None = None) -> None:
        self._queues: dict[str, dict[str | None, Processor]] = {}
        self._declared = {} if declared is None else declared
        #: Which function said it first, by queue and option.
        self._declared_by: dict[tuple[str, str], str] = {}

    def processor(
        self,
        queue: str,
        name: str | None = None,
        *,
        data: type | None = None,
        executor: Executor | None = None,
        timeout_s: float | None = None,
        **settings: Unpack[QueueSettings],
    ) -> Callable[[F], F]:
        """Run the queue's jobs (those called `name`) with the decorated function.

        `data`: a dataclass or a pydantic model that the job's data must fit. `executor`: "process" for work that keeps
        a processor core busy. The settings are the queue's. Raises ConfigurationError naming the function for a
        mistake, and both functions where two say different things or take the same jobs.
        """
        if not isinstance(queue, str) or not queue or ":" in queue:
            raise ConfigurationError(
                f"@processor takes a queue's name, without ':', in parentheses; it was given {queue!r}."
            )

        def register(function: F) -> F:
            where = f"@processor of {path_of(function)}: "
            made = Processor(
                queue,
                _job_name(where, name),
                function,
                is_async := _is_async(function),
                _executor(where, function, executor, is_async),
                _timeout_s(where, timeout_s),
                data,
                None if data is None else typed.reader(f"{where}data", data),
                own if callable(own := settings.get("backoff")) else None,
            )
            declared = _checked(where, settings)
            self._add(made)
            self._declare(made, declared)
            return function

        return register

    def queues(self) -> list[str]:
        return sorted(self._queues)

    def of(self, queue: str) -> Mapping[str | None, Processor]:
        """The queue's processors by job name; None stands for every other name."""
        return self._queues.get(queue, {})

    def declared(self, queue: str) -> Mapping[str, Any]:
        """What its processors said of the queue, checked: for `Options.queue`."""
        return self._declared.get(queue, {})

    def _add(self, added: Processor) -> None:
        known = self._queues.setdefault(added.queue, {}).get(added.name)
        # The same function again: its module was loaded a second time.
        if known is not None and known.path != added.path:
            jobs = f"“{added.name}” jobs" if added.name else "jobs"
            raise ConfigurationError(
                f"Queue “{added.queue}” has two processors for its {jobs}: {known.path} and {added.path}."
            )
        self._queues[added.queue][added.name] = added

    def _declare(self, added: Processor, declared: Mapping[str, Any]) -> None:
        known = self._declared.setdefault(added.queue, {})
        for option, value in declared.items():
            first = self._declared_by.setdefault((added.queue, option), added.path)
            if known.setdefault(option, value) == value:
                continue
            if first != added.path:
                raise ConfigurationError(
                    f"Two processors say different things of queue “{added.queue}”: "
                    f"{first} and {added.path} disagree on {option}."
                )
            known[option] = value


registry = Registry(DECLARED)
processor = registry.processor


#: What else makes processors, and is asked for them at a worker's start: Django's tasks.
other_discoveries: list[Callable[[], None]] = []


def autodiscover() -> None:
    """Import `jobs.py` of every installed app. Raises ConfigurationError naming the module that cannot be imported."""
    import_everywhere("jobs")
    for discover in other_discoveries:
        discover()


def import_everywhere(module: str) -> None:
    """Import the module of that name of every installed app that has one. Raises as `autodiscover`."""
    for config in apps.get_app_configs():
        if config.module is None or not module_has_submodule(config.module, module):
            continue
        try:
            import_module(f"{config.name}.{module}")
        except ConfigurationError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"{config.name}.{module} cannot be imported: {type(error).__name__}: {error}"
            ) from error


def path_of(function: Any) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"


def _is_async(function: Callable[..., Any]) -> bool:
    if not callable(function):
        raise ConfigurationError(f"@processor decorates a function, not {function!r}.")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise ConfigurationError(
            f"{function.__qualname__} yields: a processor must be a function or an async function."
        )
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _executor(where: str, function: Any, executor: Any, is_async: bool) -> Executor:
    if executor not in (None, "async", "thread", "process"):
        raise ConfigurationError(f"{where}executor must be 'async', 'thread' or 'process', not {executor!r}.")
    if is_async and executor not in (None, "async"):
        raise ConfigurationError(f"{where}executor={executor!r} runs plain functions, and this one is async.")
    if not is_async and executor == "async":
        raise ConfigurationError(f"{where}executor='async' runs async functions; declare it with “async def”.")
    if executor == "process" and "<" in path_of(function):
        raise ConfigurationError(f"{where}executor='process' needs a function that a child process can import by name.")
    chosen: Executor = executor or ("async" if is_async else "thread")
    return chosen


def _job_name(where: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        # No job has such a name: they would all go elsewhere, and nothing would say why.
        raise ConfigurationError(f"{where}name must be the name of its jobs, not {value!r}.")
    return value


def _timeout_s(where: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigurationError(f"{where}timeout_s must be a number of seconds above 0, not {value!r}.")
    return float(value)


def _checked(where: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    reading.refuse_unknown(where.rstrip(": "), settings, set(QueueSettings.__annotations__))
    return {
        option: OWN_BACKOFF if callable(value) else reading.option(f"{where}{option}", option, value)
        for option, value in settings.items()
    }
