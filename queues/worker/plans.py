"""Which queues a worker process takes, and with what options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from queues.errors import ConfigurationError
from queues.options import Options, QueueOptions
from queues.processors import Processor, Registry


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """What a worker does on one queue."""

    name: str
    processors: Mapping[str | None, Processor]
    options: QueueOptions = field(default_factory=QueueOptions)


def make_plans(
    registry: Registry,
    options: Options,
    queues: Sequence[str] = (),
    concurrency: int | None = None,
    exclude: Sequence[str] = (),
) -> list[QueuePlan]:
    """All queues that have a processor, or those that a pattern of `queues` names, without those of `exclude`.

    Patterns are names in which `*`, `?` and `[ab]` stand for others. Raises ConfigurationError where there is nothing
    to run, and for what names no queue: it is mistyped, or its processor is missing.
    """
    known = registry.queues()
    if not known:
        raise NoProcessor("There is no processor: write functions with @processor(…) in jobs.py of an installed app.")
    for pattern in queues:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ConfigurationError(f"Queue “{pattern}” has no processor; these have: {', '.join(known)}.")
    wanted = [name for name in known if not queues or _matches(name, queues)]
    taken = [name for name in wanted if not _matches(name, exclude)]
    if not taken:
        raise ConfigurationError(f"Nothing is left to run: --exclude names each of {', '.join(wanted)}.")
    return [_plan(name, registry, options, concurrency) for name in taken]


class NoProcessor(ConfigurationError):
    """No app has any."""


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _plan(name: str, registry: Registry, options: Options, concurrency: int | None) -> QueuePlan:
    own = options.queue(name, registry.declared(name))
    return QueuePlan(name, registry.of(name), own if concurrency is None else replace(own, concurrency=concurrency))
